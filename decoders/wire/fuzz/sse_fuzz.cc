// The event parser against the standard's algorithm on the whole text, and in pieces.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "decoders/wire/sse.h"
#include "decoders/wire/test_support.h"

namespace {

using sonde::wire::SseParser;
using sonde::wire::testing::EventLog;

/// WHATWG HTML 9.2.6, as written there: split into lines, then fields.
std::vector<std::string> Reference(std::string text) {
  if (text.substr(0, 3) == "\xef\xbb\xbf") text.erase(0, 3);
  std::vector<std::string> events;
  std::string data, name;
  bool has_data = false;
  const auto line_done = [&](const std::string& line, bool at_end) {
    if (line.empty()) {
      if (has_data) events.push_back(name + ":" + data + (at_end ? "!" : ""));
      data.clear();
      name.clear();
      has_data = false;
      return;
    }
    const size_t colon = line.find(':');
    if (colon == 0) return;
    const std::string field = line.substr(0, colon);
    std::string value = colon == std::string::npos ? "" : line.substr(colon + 1);
    if (!value.empty() && value[0] == ' ') value.erase(0, 1);
    if (field == "data") {
      if (has_data) data += '\n';
      data += value;
      has_data = true;
    } else if (field == "event") {
      name = value.substr(0, SseParser::kMaxNameBytes);
    }
  };
  std::string line;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\n' && text[i] != '\r') {
      line += text[i];
      continue;
    }
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') ++i;
    line_done(line, false);
    line.clear();
  }
  if (!line.empty()) line_done(line, false);
  line_done("", true);
  return events;
}

void Require(bool condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "%s\n", what);
  abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const size_t step = data[0] % 16 + 1;
  const bool with_gap = data[1] == 0xff;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);

  EventLog whole;
  SseParser one(&whole);
  one.Feed(text);
  one.Finish();
  EventLog cut;
  SseParser pieces(&cut);
  for (size_t at = 0; at < text.size(); at += step) pieces.Feed(text.substr(at, step));
  pieces.Finish();
  Require(whole.events == cut.events, "events depend on the cut");
  // A byte order mark that is cut off by the end of the text is nothing anyone sends.
  const bool broken_mark =
      !text.empty() && text[0] == '\xef' && text.substr(0, 3) != "\xef\xbb\xbf";
  if (!broken_mark)
    Require(whole.events == Reference(std::string(text)), "not the standard's events");
  Require(one.MemoryBytes() <= 1024, "memory grows");

  if (with_gap) {
    EventLog holed;
    SseParser lossy(&holed);
    lossy.Feed(text.substr(0, text.size() / 2));
    lossy.Gap();
    lossy.Feed(text.substr(text.size() / 2));
    lossy.Finish();
  }
  return 0;
}
