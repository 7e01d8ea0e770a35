#include "agent/calls/ids.h"

#include <openssl/sha.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace sonde::calls {

CallIds MakeIds(const std::string& seed, uint64_t number) {
  const std::string text = absl::StrCat("sonde call\n", seed, "\n", number);
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const uint8_t*>(text.data()), text.size(), digest);
  CallIds ids;
  std::copy_n(digest, ids.trace.size(), ids.trace.begin());
  std::copy_n(digest + ids.trace.size(), ids.span.size(), ids.span.begin());
  // An id of zeros is invalid (W3C Trace Context 3.2.2.3); as likely as a collision, still ruled
  // out.
  ids.trace.back() |= ids.trace == TraceId{} ? 1 : 0;
  ids.span.back() |= ids.span == SpanId{} ? 1 : 0;
  return ids;
}

}  // namespace sonde::calls
