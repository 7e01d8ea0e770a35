// A capture file is not trusted. The same bytes are taken for records, for a whole file, for the
// frames of a file and for its header: reading is bounded and ends, and what decodes encodes to
// something that decodes to the same.
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/capture/file/capture_format.h"
#include "agent/capture/file/capture_reader.h"
#include "agent/capture/file/event_codec.h"

namespace {

using sonde::capture::CaptureReader;
using sonde::capture::Decoded;
using sonde::capture::DecodeEvent;
using sonde::events::Event;

class Check final : public sonde::events::EventSink {
 public:
  void OnEvent(const Event& event) override {
    std::string first;
    sonde::capture::EncodeEvent(event, &first);
    std::string_view again = first;
    Event copy;
    if (DecodeEvent(&again, &copy) != Decoded::kEvent || !again.empty()) std::abort();
    std::string second;
    sonde::capture::EncodeEvent(copy, &second);
    if (first != second) std::abort();
    ++count;
  }
  uint64_t count = 0;
};

/// Reads these bytes as a file; returns the number of events, or -1 when it is refused.
int64_t ReadFile(std::string_view bytes, const Check* expected) {
  const int fd = memfd_create("capture", MFD_CLOEXEC);
  if (fd < 0 || write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    std::abort();
  }
  auto reader = CaptureReader::Open("/proc/self/fd/" + std::to_string(fd));
  close(fd);
  if (!reader.ok()) return -1;
  Check check;
  const bool whole = (*reader)->ReadAll(&check).ok();
  if (check.count != (*reader)->events()) std::abort();
  if (expected != nullptr && check.count != expected->count) std::abort();
  return whole ? static_cast<int64_t>(check.count) : -1;
}

void AppendU32(size_t value, std::string* out) {
  for (int i = 0; i < 4; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

std::string FileStart(std::string_view header) {
  std::string file(sonde::capture::kCaptureMagic);
  AppendU32(sonde::capture::kCaptureVersion, &file);
  AppendU32(header.size(), &file);
  file += header;
  return file;
}

void AppendFrame(std::string_view raw, std::string* file) {
  std::string packed(ZSTD_compressBound(raw.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), raw.data(), raw.size(), 1));
  AppendU32(packed.size(), file);
  AppendU32(raw.size(), file);
  *file += packed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view in(reinterpret_cast<const char*>(data), size);
  Check records;
  std::string_view rest = in;
  while (!rest.empty()) {
    Event event;
    const size_t before = rest.size();
    const Decoded decoded = DecodeEvent(&rest, &event);
    if (decoded == Decoded::kDamaged) break;
    if (rest.size() >= before) std::abort();  // No progress.
    if (decoded == Decoded::kEvent) records.OnEvent(event);
  }
  ReadFile(in, nullptr);
  static const std::string header = sonde::capture::HeaderToJson({});
  // Frames of any content: the first holds all, the others a half each.
  std::string framed = FileStart(header);
  if (!in.empty()) AppendFrame(in, &framed);
  if (framed.size() > FileStart(header).size()) ReadFile(framed, &records);
  AppendFrame(in.substr(0, size / 2 + 1), &framed);
  AppendFrame(in.substr(size / 2), &framed);
  ReadFile(framed, nullptr);
  // Frames as they lie, and a header of any content.
  ReadFile(FileStart(header) + std::string(in), nullptr);
  ReadFile(FileStart(in), nullptr);
  return 0;
}
