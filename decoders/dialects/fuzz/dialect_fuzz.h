// One exchange from a fuzzer's bytes: however it is cut, the facts are the same and memory is
// bounded.
#ifndef SONDE_DECODERS_DIALECTS_FUZZ_DIALECT_FUZZ_H_
#define SONDE_DECODERS_DIALECTS_FUZZ_DIALECT_FUZZ_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "decoders/dialects/test_support.h"

namespace sonde::dialects::testing {

inline constexpr size_t kMemoryBound = 64 * 1024;

inline void Require(bool condition, const char* what, const std::string& a = "",
                    const std::string& b = "") {
  if (condition) return;
  fprintf(stderr, "%s\n--- one\n%s--- other\n%s", what, a.c_str(), b.c_str());
  abort();
}

/// Input: a byte of choices, a byte of piece size, then request and response around the first NUL.
inline int FuzzDialect(const std::string& target, const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const uint8_t choices = data[0];
  const size_t piece = data[1] % 64 + 1;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t cut = std::min(bytes.find('\0'), bytes.size());
  Exchange exchange;
  exchange.target = target;
  exchange.request = bytes.substr(0, cut);
  exchange.response = cut < bytes.size() ? bytes.substr(cut + 1) : std::string_view();
  exchange.status = (choices & 1) != 0 ? 200 : 429;
  exchange.content_type = (choices & 2) != 0 ? "text/event-stream" : "application/json";
  exchange.end = (choices & 4) != 0 ? wire::MessageEnd::kComplete : wire::MessageEnd::kTruncated;

  const auto whole = Replay(exchange);
  const auto cut_up = Replay(exchange, piece);
  Require(DumpAll(*whole) == DumpAll(*cut_up), "facts depend on the cut", DumpAll(*whole),
          DumpAll(*cut_up));
  Require(whole->MemoryBytes() <= kMemoryBound, "memory grows");
  Require(cut_up->MemoryBytes() <= kMemoryBound, "memory grows");
  for (const auto& value :
       {whole->response().usage.input_uncached, whole->response().usage.output,
        whole->response().usage.cache_read, whole->response().usage.cache_write_5m}) {
    Require(!value || (*value >= 0 && *value <= int64_t{100'000'000} * 64), "a count is absurd");
  }

  // With a hole the exchange must be marked, and survive.
  if ((choices & 8) != 0) {
    wire::RequestHead head;
    head.method = "POST";
    head.target = target;
    const auto holed = Recognize(head)->open(head);
    const std::string_view request = exchange.request;
    holed->RequestBody(request.substr(0, request.size() / 3));
    holed->RequestGap(7);
    holed->RequestBody(request.substr(request.size() / 2));
    holed->RequestEnd();
    Require(holed->request().body_has_gap, "a hole is not marked");
    const std::string_view reply = exchange.response;
    wire::ResponseHead reply_head;
    reply_head.status = exchange.status;
    reply_head.headers = {{"content-type", exchange.content_type}};
    holed->ResponseHead(reply_head);
    holed->ResponseBody(reply.substr(0, reply.size() / 3), {1, 1});
    holed->ResponseGap(7);
    holed->ResponseBody(reply.substr(reply.size() / 2), {2, 2});
    holed->ResponseEnd(exchange.end, {3, 3});
    Require(holed->response().has_gap, "a hole is not marked");
    Require(holed->MemoryBytes() <= kMemoryBound, "memory grows");
  }
  return 0;
}

}  // namespace sonde::dialects::testing

#endif  // SONDE_DECODERS_DIALECTS_FUZZ_DIALECT_FUZZ_H_
