#include "agent/export/otlp/endpoint.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sonde::exporter {
namespace {

struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

// Empty when the part is absent.
std::string Part(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, 0) != CURLUE_OK || text == nullptr) return {};
  const std::unique_ptr<char, decltype(&curl_free)> owner(text, &curl_free);
  return text;
}

std::string Authority(const Endpoint& endpoint) {
  return endpoint.host + (endpoint.port.empty() ? "" : ":" + endpoint.port);
}

}  // namespace

std::string Endpoint::Url() const {
  return absl::StrCat(scheme, "://", userinfo, userinfo.empty() ? "" : "@", Authority(*this), path,
                      query.empty() ? "" : "?", query);
}

std::string Endpoint::Display() const {
  return absl::StrCat(scheme, "://", Authority(*this), path == "/" ? "" : path);
}

absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text) {
  const bool printable =
      std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c < 0x7F; });
  if (!printable || text.empty()) {
    return absl::InvalidArgumentError("it is empty or holds blanks or control characters");
  }
  const std::unique_ptr<CURLU, UrlDeleter> url(curl_url());
  const CURLUcode code =
      curl_url_set(url.get(), CURLUPART_URL, std::string(text).c_str(), CURLU_NON_SUPPORT_SCHEME);
  if (code != CURLUE_OK) return absl::InvalidArgumentError(curl_url_strerror(code));
  Endpoint endpoint;
  endpoint.scheme = Part(url.get(), CURLUPART_SCHEME);
  endpoint.host = Part(url.get(), CURLUPART_HOST);
  endpoint.port = Part(url.get(), CURLUPART_PORT);
  endpoint.path = Part(url.get(), CURLUPART_PATH);
  endpoint.query = Part(url.get(), CURLUPART_QUERY);
  endpoint.userinfo = Part(url.get(), CURLUPART_USER);
  const std::string password = Part(url.get(), CURLUPART_PASSWORD);
  if (!password.empty()) endpoint.userinfo += ":" + password;
  if (endpoint.host.empty()) return absl::InvalidArgumentError("it names no host");
  if (endpoint.path.empty()) endpoint.path = "/";
  return endpoint;
}

}  // namespace sonde::exporter
