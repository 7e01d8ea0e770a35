#include "agent/export/http/access.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace sonde::exporter {
namespace {

/// The scheme's name is case-insensitive (RFC 9110, 11.1), the rest is not.
std::string Normal(std::string_view authorization) {
  const size_t blank = authorization.find(' ');
  if (blank == std::string_view::npos) return std::string(authorization);
  return absl::StrCat(absl::AsciiStrToLower(std::string(authorization.substr(0, blank))),
                      std::string(authorization.substr(blank)));
}

}  // namespace

Access::Digest Access::Hash(std::string_view text) {
  Digest digest;
  SHA256(reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest.data());
  return digest;
}

Access::Access(const AccessSettings& settings)
    : address_(settings.address), health_open_(settings.health_open) {
  for (const auto& [user, password] : settings.basic) {
    accepted_.push_back(
        Hash(absl::StrCat("basic ", absl::Base64Escape(absl::StrCat(user, ":", password)))));
  }
  for (const std::string& token : settings.bearer) {
    accepted_.push_back(Hash(absl::StrCat("bearer ", token)));
  }
}

Verdict Access::Ask(std::string_view peer, std::string_view authorization, bool health_page) const {
  if (address_ && !address_(peer)) return Verdict::kForbidden;
  if (accepted_.empty() || (health_page && health_open_)) return Verdict::kAllow;
  const Digest given = Hash(Normal(authorization));
  bool allowed = false;
  for (const Digest& digest : accepted_) {
    allowed |= CRYPTO_memcmp(digest.data(), given.data(), digest.size()) == 0;
  }
  return allowed ? Verdict::kAllow : Verdict::kNoCredentials;
}

}  // namespace sonde::exporter
