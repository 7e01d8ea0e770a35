#include "agent/config/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace sonde::config {
namespace {

constexpr int kMappedBits = 96;  ///< Of ::ffff:0:0/96, before an IPv4 address.

/// Bits of the address as written (32 or 128), 0 when it is none.
int ParseAddress(std::string_view text, std::array<uint8_t, 16>* out) {
  const std::string word(text);
  if (inet_pton(AF_INET6, word.c_str(), out->data()) == 1) return 128;
  in_addr v4{};
  if (inet_pton(AF_INET, word.c_str(), &v4) != 1) return 0;
  *out = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  memcpy(out->data() + 12, &v4, 4);
  return 32;
}

}  // namespace

absl::StatusOr<ListenAddress> ParseListen(std::string_view text) {
  const size_t colon = text.rfind(':');
  const auto wrong = [&] {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", std::string(text),
                     "\" is no ADDRESS:PORT; for example 127.0.0.1:9464 or [::1]:9464"));
  };
  if (colon == std::string_view::npos) return wrong();
  uint32_t port = 0;
  if (!absl::SimpleAtoi(std::string(text.substr(colon + 1)), &port) || port == 0 || port > 65535) {
    return wrong();
  }
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) host = "0.0.0.0";
  std::array<uint8_t, 16> ignored;
  if (host != "localhost" && ParseAddress(host, &ignored) == 0) return wrong();
  return ListenAddress{std::string(host), static_cast<uint16_t>(port)};
}

absl::StatusOr<Network> Network::Parse(std::string_view text) {
  const auto wrong = [&] {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", std::string(text), "\" is no address or network; for example 10.0.0.0/8 or ::1"));
  };
  const size_t slash = text.find('/');
  Network network;
  const int bits = ParseAddress(text.substr(0, slash), &network.address_);
  if (bits == 0) return wrong();
  int prefix = bits;
  if (slash != std::string_view::npos &&
      (!absl::SimpleAtoi(std::string(text.substr(slash + 1)), &prefix) || prefix < 0 ||
       prefix > bits)) {
    return wrong();
  }
  network.prefix_ = bits == 32 ? prefix + kMappedBits : prefix;
  return network;
}

bool Network::Contains(std::string_view address) const {
  std::array<uint8_t, 16> other;
  if (ParseAddress(address, &other) == 0) return false;
  const int bytes = prefix_ / 8;
  if (memcmp(address_.data(), other.data(), static_cast<size_t>(bytes)) != 0) return false;
  const int rest = prefix_ % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - rest));
  return (address_[static_cast<size_t>(bytes)] & mask) ==
         (other[static_cast<size_t>(bytes)] & mask);
}

}  // namespace sonde::config
