// What is wrong with a configuration, and where.
#ifndef SONDE_AGENT_CONFIG_PROBLEM_H_
#define SONDE_AGENT_CONFIG_PROBLEM_H_

#include <cstddef>
#include <string>
#include <vector>

namespace sonde::config {

struct Problem {
  bool fatal = true;  ///< Else a warning: the configuration can be used.
  std::string path;   ///< "otlp[0].endpoint"; empty for the whole file.
  int line = 0;       ///< From 1; 0 when the key is not in the file.
  std::string text;   ///< What is wrong and what to do.
};

/// "FILE:LINE: PATH: TEXT".
std::string Describe(const std::string& file, const Problem& problem);

/// The first problems of a file; beyond the bound they are only counted.
class Problems {
 public:
  static constexpr size_t kMost = 20;

  void Add(Problem problem);
  const std::vector<Problem>& all() const { return problems_; }
  bool fatal() const { return fatal_; }
  size_t left_out() const { return left_out_; }

 private:
  std::vector<Problem> problems_;
  bool fatal_ = false;
  size_t left_out_ = 0;
};

}  // namespace sonde::config

#endif  // SONDE_AGENT_CONFIG_PROBLEM_H_
