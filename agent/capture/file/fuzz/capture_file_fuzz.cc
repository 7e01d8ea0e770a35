// A capture file is not trusted: whatever stands in a frame, decoding is bounded, and what decodes
// encodes to something that decodes to the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/capture/file/event_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using sonde::capture::Decoded;
  using sonde::capture::DecodeEvent;
  std::string_view in(reinterpret_cast<const char*>(data), size);
  sonde::events::Event event;
  while (!in.empty()) {
    const size_t before = in.size();
    const Decoded decoded = DecodeEvent(&in, &event);
    if (decoded == Decoded::kDamaged) break;
    if (in.size() >= before) std::abort();  // No progress.
    if (decoded != Decoded::kEvent) continue;
    std::string first;
    sonde::capture::EncodeEvent(event, &first);
    std::string_view again = first;
    sonde::events::Event copy;
    if (DecodeEvent(&again, &copy) != Decoded::kEvent || !again.empty()) std::abort();
    std::string second;
    sonde::capture::EncodeEvent(copy, &second);
    if (first != second) std::abort();
  }
  return 0;
}
