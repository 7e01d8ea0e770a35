// Who may read the agent's port.
#ifndef SONDE_AGENT_EXPORT_HTTP_ACCESS_H_
#define SONDE_AGENT_EXPORT_HTTP_ACCESS_H_

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sonde::exporter {

struct AccessSettings {
  std::vector<std::pair<std::string, std::string>> basic;  ///< User and password.
  std::vector<std::string> bearer;                         ///< Tokens.
  std::function<bool(std::string_view)> address;  ///< Whether a peer may connect; empty: all may.
  bool health_open = true;                        ///< Health pages ask for no credentials.
};

enum class Verdict : uint8_t { kAllow, kNoCredentials, kForbidden };

/// Immutable. Keeps only hashes of the credentials and compares in constant time.
class Access {
 public:
  explicit Access(const AccessSettings& settings);

  /// `authorization` is the header's value, "" without one.
  Verdict Ask(std::string_view peer, std::string_view authorization, bool health_page) const;

 private:
  using Digest = std::array<uint8_t, 32>;
  static Digest Hash(std::string_view text);

  std::vector<Digest> accepted_;  ///< Of whole Authorization values.
  std::function<bool(std::string_view)> address_;
  bool health_open_;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_HTTP_ACCESS_H_
