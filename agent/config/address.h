// ADDRESS:PORT to listen on, and networks that may connect.
#ifndef SONDE_AGENT_CONFIG_ADDRESS_H_
#define SONDE_AGENT_CONFIG_ADDRESS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace sonde::config {

struct ListenAddress {
  std::string host;  ///< A number, "localhost", or "0.0.0.0" where the text had no address.
  uint16_t port = 0;
};

/// "127.0.0.1:9464", "[::1]:9464", ":9464".
absl::StatusOr<ListenAddress> ParseListen(std::string_view text);

/// An IPv4 network is kept in its form of IPv6 (RFC 4291, 2.5.5.2), so that one comparison serves.
class Network {
 public:
  /// "10.0.0.0/8", "::1", "192.0.2.7".
  static absl::StatusOr<Network> Parse(std::string_view text);

  /// Whether the numeric address lies in it; false for what is no address.
  bool Contains(std::string_view address) const;

 private:
  std::array<uint8_t, 16> address_{};
  int prefix_ = 128;
};

}  // namespace sonde::config

#endif  // SONDE_AGENT_CONFIG_ADDRESS_H_
