// Whatever the bytes and their cuts are, masking keeps every place: events cover the same ranges,
// no byte is made up where none was captured, and a kept byte is the one that came or a mask.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "agent/capture/file/masker.h"
#include "agent/capture/file/secrets.h"

namespace {

using sonde::events::ConnectionId;
using sonde::events::Data;
using sonde::events::Direction;
using sonde::events::Event;

class Check : public sonde::events::EventSink {
 public:
  void OnEvent(const Event& event) override {
    const auto* data = std::get_if<Data>(&event);
    if (data == nullptr) return;
    if (data->offset != next || data->bytes.size() > data->length) std::abort();
    next += data->length;
    // Bytes are kept only where some were captured.
    const uint64_t seen_end = begin + captured;
    if (!data->bytes.empty() && data->offset + data->bytes.size() > seen_end) std::abort();
  }
  uint64_t next = 0;
  uint64_t begin = 0;
  uint64_t captured = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const uint8_t options = data[0];
  Check out;
  Check in;
  class Both : public sonde::events::EventSink {
   public:
    Both(Check* o, Check* i) : o_(o), i_(i) {}
    void OnEvent(const Event& event) override {
      const auto* d = std::get_if<Data>(&event);
      (d != nullptr && d->direction == Direction::kIn ? i_ : o_)->OnEvent(event);
    }

   private:
    Check* o_;
    Check* i_;
  } both(&out, &in);
  sonde::capture::Masker masker((options & 1) != 0, &both);
  ConnectionId id;
  id.transport =
      (options & 2) != 0 ? sonde::events::Transport::kSocket : sonde::events::Transport::kTls;
  masker.OnEvent(
      sonde::events::ConnectionOpened{.connection = id, .mid_stream = (options & 4) != 0});
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  uint64_t offsets[2] = {0, 0};
  // Each piece: one byte for direction and hole, one for its length.
  while (rest.size() > 2) {
    const auto how = static_cast<uint8_t>(rest[0]);
    const size_t length = static_cast<uint8_t>(rest[1]);
    rest.remove_prefix(2);
    const std::string_view bytes = rest.substr(0, length);
    rest.remove_prefix(bytes.size());
    const uint64_t hole = (how & 0x80) != 0 ? how & 0x3f : 0;
    Check& check = (how & 1) != 0 ? in : out;
    uint64_t& offset = offsets[how & 1];
    check.begin = offset;
    check.captured = bytes.size();
    masker.OnEvent(Data{.connection = id,
                        .direction = (how & 1) != 0 ? Direction::kIn : Direction::kOut,
                        .offset = offset,
                        .length = bytes.size() + hole,
                        .bytes = bytes});
    offset += bytes.size() + hole;
    if (check.next != offset) std::abort();
  }
  // A command line keeps its length.
  const std::string line(reinterpret_cast<const char*>(data), size);
  if (sonde::capture::MaskCommandLine(line).size() != line.size() ||
      sonde::capture::MaskCommandText(line).size() != line.size()) {
    std::abort();
  }
  return 0;
}
