// A connection made of a fuzzer's pieces, holes and ends; and the same bytes cut differently.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "decoders/wire/http1_connection.h"
#include "decoders/wire/test_support.h"
#include "decoders/wire/tls_client_hello.h"

namespace {

using sonde::wire::Http1Connection;
using sonde::wire::Side;
using sonde::wire::Stamp;
using sonde::wire::testing::HttpLog;

// Two heads, held bytes of both sides, the exchanges, and two windows: that of Brotli may be 16
// MiB.
constexpr size_t kMemoryBound = (size_t{2} * 18 << 20) + 400 * 1024;

void Require(bool condition, const char* what, const HttpLog* one = nullptr,
             const HttpLog* other = nullptr) {
  if (condition) return;
  fprintf(stderr, "%s\n", what);
  if (one != nullptr) fprintf(stderr, "--- one\n%s", one->str().c_str());
  if (other != nullptr) fprintf(stderr, "--- other\n%s", other->str().c_str());
  abort();
}

/// Script: op and length bytes, then the bytes of a piece. Ops: which side, hole, end.
void RunScript(std::string_view script, bool mid_stream) {
  HttpLog log;
  Http1Connection connection({.decoded_bytes = 1 << 22}, mid_stream, &log);
  uint64_t clock = 0;
  uint64_t fed = 0;
  while (script.size() >= 2) {
    const auto op = static_cast<uint8_t>(script[0]);
    const auto length = static_cast<uint8_t>(script[1]);
    script.remove_prefix(2);
    const Side side = (op & 1) != 0 ? Side::kResponse : Side::kRequest;
    const Stamp stamp{clock, clock + 1};
    clock += 2;
    switch (op >> 1 & 7) {
      case 6:
        connection.Hole(side, uint64_t{length} << (op >> 4), stamp);
        fed += uint64_t{length} << (op >> 4);
        break;
      case 7:
        connection.End(side, stamp);
        break;
      default: {
        const std::string_view piece = script.substr(0, size_t{length} * 4);
        connection.Feed(side, piece, stamp);
        fed += piece.size();
        script.remove_prefix(piece.size());
        break;
      }
    }
    Require(connection.MemoryBytes() <= kMemoryBound, "memory grows", &log);
    Require(!log.violated, "calls out of order", &log);
  }
  connection.End(Side::kRequest, {clock, clock});
  connection.End(Side::kResponse, {clock, clock});
  Require(connection.OpenExchanges() == 0, "an exchange stays open", &log);
  Require(!log.violated, "calls out of order", &log);
  for (const auto& [id, message] : log.requests) {
    Require(!message.end.empty() && !log.responses[id].end.empty(), "no end", &log);
  }
  Require(log.unmatched_requests + log.unmatched_responses <= fed, "more unmatched than fed");
}

void RunPlain(std::string_view bytes, size_t step, HttpLog* log) {
  const size_t cut = std::min(bytes.find('\0'), bytes.size());
  const std::string_view request = bytes.substr(0, cut);
  const std::string_view response = cut < bytes.size() ? bytes.substr(cut + 1) : "";
  Http1Connection connection({.decoded_bytes = 1 << 22}, false, log);
  for (size_t at = 0; at < request.size(); at += step) {
    connection.Feed(Side::kRequest, request.substr(at, step), {});
  }
  for (size_t at = 0; at < response.size(); at += step) {
    connection.Feed(Side::kResponse, response.substr(at, step), {});
  }
  connection.End(Side::kRequest, {});
  connection.End(Side::kResponse, {});
}

/// Whether the decoder had to look for a start, or met a broken coding: what it then passes over
/// depends on pieces by design.
bool Searched(const HttpLog& log) {
  if (log.unmatched_requests + log.unmatched_responses > 0 || !log.protocols.empty()) return true;
  for (const auto* messages : {&log.requests, &log.responses}) {
    for (const auto& [id, message] : *messages) {
      if (message.end == "garbled" || message.end == "hole" || message.gap > 0) return true;
    }
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  sonde::wire::ParseClientHello(bytes);
  if ((data[0] & 1) != 0) {
    RunScript(bytes, (data[0] & 2) != 0);
    return 0;
  }
  HttpLog whole;
  HttpLog cut;
  RunPlain(bytes, bytes.size() + 1, &whole);
  RunPlain(bytes, data[1] % 32 + 1, &cut);
  Require(!whole.violated && !cut.violated, "calls out of order", &whole, &cut);
  if (!Searched(whole) && !Searched(cut)) {
    Require(whole.str() == cut.str(), "messages depend on the cut", &whole, &cut);
  }
  return 0;
}
