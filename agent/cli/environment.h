// An environment block as a value: parsed, changed and handed to execve.
#ifndef SONDE_AGENT_CLI_ENVIRONMENT_H_
#define SONDE_AGENT_CLI_ENVIRONMENT_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sonde::cli {

/// Variables in their order. Names are unique: of two definitions the first holds, as getenv(3)
/// would see it.
class Environment {
 public:
  using Variable = std::pair<std::string, std::string>;

  /// From a null-terminated array such as `environ`; null is empty.
  static Environment FromArray(const char* const* array);
  /// From the text of /proc/PID/environ: definitions separated by NUL bytes. Words without '=' are
  /// left out.
  static Environment FromBlock(std::string_view block);

  std::optional<std::string> Get(std::string_view name) const;
  void Set(std::string_view name, std::string_view value);
  void Erase(std::string_view name);
  const std::vector<Variable>& variables() const { return variables_; }
  /// "NAME=value" words for execve.
  std::vector<std::string> Words() const;

 private:
  void AddWord(std::string_view word);
  std::vector<Variable> variables_;
};

}  // namespace sonde::cli

#endif  // SONDE_AGENT_CLI_ENVIRONMENT_H_
