#include "agent/capture/file/capture_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/capture/file/event_codec.h"

namespace sonde::capture {
namespace {

constexpr int kLevel = 1;
constexpr events::MonoNs kFlushEveryNs = 1'000'000'000;

void AppendU32(uint32_t value, std::string* out) {
  for (int i = 0; i < 4; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

absl::Status ErrnoStatus(int error, const char* what, const std::string& path) {
  return absl::ErrnoToStatus(error, absl::StrCat("capture file ", path, ": ", what));
}

/// For the events that can be large; 0 for others.
events::MonoNs TimeOf(const events::Event& event) {
  if (const auto* data = std::get_if<events::Data>(&event)) return data->exit_ns;
  if (const auto* started = std::get_if<events::ProcessStarted>(&event)) return started->ns;
  if (const auto* info = std::get_if<events::ConnectionInfo>(&event)) return info->ns;
  return 0;
}

}  // namespace

CaptureWriter::CaptureWriter(int fd, std::string path)
    : fd_(fd), path_(std::move(path)), context_(ZSTD_createCCtx()) {
  ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
  frame_.reserve(kFrameBytes + kFrameBytes / 4);
}

CaptureWriter::~CaptureWriter() {
  FlushFrame();
  ZSTD_freeCCtx(context_);
  close(fd_);
}

absl::StatusOr<std::unique_ptr<CaptureWriter>> CaptureWriter::Create(const std::string& path,
                                                                     const CaptureHeader& header,
                                                                     bool overwrite) {
  // Never truncate before it is known to be a file that may be overwritten.
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (overwrite ? 0 : O_EXCL);
  const int fd = open(path.c_str(), flags, 0600);
  if (fd < 0) {
    if (errno == EEXIST) {
      return absl::AlreadyExistsError(absl::StrCat("capture file ", path, " exists: name another"));
    }
    if (errno == ELOOP) {
      return absl::InvalidArgumentError(
          absl::StrCat("capture file ", path, " is a symbolic link: name the file itself"));
    }
    return ErrnoStatus(errno, "cannot be created", path);
  }
  std::unique_ptr<CaptureWriter> writer(new CaptureWriter(fd, path));
  struct stat facts = {};
  if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat("capture file ", path, " is no regular file"));
  }
  if (fchmod(fd, 0600) != 0 || ftruncate(fd, 0) != 0) {
    return ErrnoStatus(errno, "cannot be prepared", path);
  }
  const std::string json = HeaderToJson(header);
  std::string start(kCaptureMagic);
  AppendU32(kCaptureVersion, &start);
  AppendU32(static_cast<uint32_t>(json.size()), &start);
  start += json;
  if (absl::Status status = writer->WriteAll(start); !status.ok()) return status;
  return writer;
}

absl::Status CaptureWriter::WriteAll(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, "cannot be written", path_);
    bytes.remove_prefix(static_cast<size_t>(n));
    bytes_ += static_cast<uint64_t>(n);
  }
  return absl::OkStatus();
}

void CaptureWriter::OnEvent(const events::Event& event) {
  if (!error_.ok()) {
    ++lost_;
    return;
  }
  Append(event);
  bool due = frame_.size() >= kFrameBytes;
  if (const auto* tick = std::get_if<events::Tick>(&event)) {
    due |= tick->ns - flushed_at_ >= kFlushEveryNs;
    if (due) flushed_at_ = tick->ns;
  }
  if (due) FlushFrame();
}

void CaptureWriter::Append(const events::Event& event) {
  const size_t before = frame_.size();
  EncodeEvent(event, &frame_);
  if (frame_.size() > kMostFrameBytes) {
    // Too much for one frame: a reader would refuse it, and everything after it.
    std::string alone = frame_.substr(before);
    frame_.resize(before);
    FlushFrame();
    if (alone.size() > kMostFrameBytes) {
      ++lost_;
      alone.clear();
      EncodeEvent(events::Loss{"event_too_large_for_capture_file", 1, TimeOf(event)}, &alone);
    }
    frame_ = std::move(alone);
  }
  ++frame_events_;
}

void CaptureWriter::FlushFrame() {
  if (frame_.empty() || !error_.ok()) return;
  compressed_.resize(ZSTD_compressBound(frame_.size()));
  const size_t size = ZSTD_compress2(context_, compressed_.data(), compressed_.size(),
                                     frame_.data(), frame_.size());
  if (ZSTD_isError(size)) {
    error_ =
        absl::InternalError(absl::StrCat("capture file ", path_, ": ", ZSTD_getErrorName(size)));
  } else {
    std::string out;
    out.reserve(size + 8);
    AppendU32(static_cast<uint32_t>(size), &out);
    AppendU32(static_cast<uint32_t>(frame_.size()), &out);
    out.append(compressed_, 0, size);
    error_ = WriteAll(out);
  }
  (error_.ok() ? events_ : lost_) += frame_events_;
  frame_events_ = 0;
  frame_.clear();
}

absl::Status CaptureWriter::Flush() {
  FlushFrame();
  return error_;
}

}  // namespace sonde::capture
