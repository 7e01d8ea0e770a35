#include "agent/capture/file/capture_reader.h"

#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/capture/file/event_codec.h"

namespace sonde::capture {
namespace {

uint32_t ReadU32(const char* at) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(at[i]);
  return value;
}

struct FreeContext {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

CaptureReader::~CaptureReader() { close(fd_); }

absl::StatusOr<std::unique_ptr<CaptureReader>> CaptureReader::Open(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("capture file ", path, " cannot be opened"));
  }
  std::unique_ptr<CaptureReader> reader(new CaptureReader(fd, path));
  if (absl::Status status = reader->ReadHeader(); !status.ok()) return status;
  return reader;
}

absl::Status CaptureReader::Damaged(const std::string& what) const {
  return absl::DataLossError(
      absl::StrCat("capture file ", path_, ": ", what, " at byte ", position_));
}

absl::StatusOr<bool> CaptureReader::ReadExactly(char* to, size_t size) {
  size_t got = 0;
  while (got < size) {
    const ssize_t n = read(fd_, to + got, size - got);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, absl::StrCat("capture file ", path_));
    if (n == 0) {
      if (got == 0) return false;
      return Damaged("it ends inside a frame");
    }
    got += static_cast<size_t>(n);
  }
  position_ += size;
  return true;
}

absl::Status CaptureReader::ReadHeader() {
  char start[8 + 4 + 4];
  const absl::StatusOr<bool> got = ReadExactly(start, sizeof(start));
  if (!got.ok() || !*got || std::string_view(start, 8) != kCaptureMagic) {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, " is not a capture file of sonde record"));
  }
  const uint32_t version = ReadU32(start + 8);
  if (version != kCaptureVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("capture file ", path_, " has version ", version, ", this sonde reads ",
                     kCaptureVersion, ": replay it with the sonde that wrote it"));
  }
  const uint32_t length = ReadU32(start + 12);
  if (length > kMostHeaderBytes) return Damaged("its header claims a length beyond the limit");
  std::string json(length, '\0');
  if (const auto read = ReadExactly(json.data(), length); !read.ok() || (length > 0 && !*read)) {
    return Damaged("it ends inside its header");
  }
  absl::StatusOr<CaptureHeader> header = HeaderFromJson(json);
  if (!header.ok()) return Damaged(std::string(header.status().message()));
  header_ = *std::move(header);
  return absl::OkStatus();
}

absl::Status CaptureReader::Deliver(std::string_view frame, events::EventSink* sink) {
  events::Event event;
  while (!frame.empty()) {
    switch (DecodeEvent(&frame, &event)) {
      case Decoded::kEvent:
        ++events_;
        sink->OnEvent(event);
        break;
      case Decoded::kUnknownType:
        ++unknown_;
        break;
      case Decoded::kDamaged:
        return Damaged("a damaged record in the frame that ends");
    }
  }
  return absl::OkStatus();
}

absl::Status CaptureReader::ReadAll(events::EventSink* sink) {
  const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  std::vector<char> compressed;
  std::vector<char> raw;
  char lengths[8];
  for (;;) {
    absl::StatusOr<bool> got = ReadExactly(lengths, sizeof(lengths));
    if (!got.ok()) return got.status();
    if (!*got) return absl::OkStatus();
    const uint32_t compressed_size = ReadU32(lengths);
    const uint32_t raw_size = ReadU32(lengths + 4);
    if (raw_size == 0 || raw_size > kMostFrameBytes ||
        compressed_size > ZSTD_compressBound(kMostFrameBytes)) {
      return Damaged("a frame claims a length beyond the limit");
    }
    compressed.resize(compressed_size);
    raw.resize(raw_size);
    got = ReadExactly(compressed.data(), compressed_size);
    if (!got.ok()) return got.status();
    if (!*got) return Damaged("it ends inside a frame");
    const size_t size = ZSTD_decompressDCtx(context.get(), raw.data(), raw_size, compressed.data(),
                                            compressed_size);
    if (ZSTD_isError(size) || size != raw_size) return Damaged("a damaged frame that ends");
    if (absl::Status status = Deliver({raw.data(), raw_size}, sink); !status.ok()) return status;
  }
}

}  // namespace sonde::capture
