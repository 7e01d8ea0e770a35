#ifndef SONDE_AGENT_CAPTURE_FILE_CAPTURE_READER_H_
#define SONDE_AGENT_CAPTURE_FILE_CAPTURE_READER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/capture/file/capture_format.h"
#include "agent/events/event.h"

namespace sonde::capture {

/// Delivers the events of a file in the order they were written. The file is not trusted: lengths
/// are checked against fixed limits before anything is allocated. Not thread-safe.
class CaptureReader {
 public:
  /// InvalidArgument when it is no capture file, FailedPrecondition when its version is not known.
  static absl::StatusOr<std::unique_ptr<CaptureReader>> Open(const std::string& path);
  ~CaptureReader();
  CaptureReader(const CaptureReader&) = delete;
  CaptureReader& operator=(const CaptureReader&) = delete;

  const CaptureHeader& header() const { return header_; }

  /// All events to `sink`. DataLoss where the file is cut or damaged, after everything before that
  /// place was delivered.
  absl::Status ReadAll(events::EventSink* sink);

  uint64_t events() const { return events_; }
  /// Records of types this version does not know; they were passed over.
  uint64_t unknown() const { return unknown_; }

 private:
  CaptureReader(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  absl::Status ReadHeader();
  /// False at the end of the file; DataLoss when it ends inside.
  absl::StatusOr<bool> ReadExactly(char* to, size_t size);
  absl::Status Deliver(std::string_view frame, events::EventSink* sink);
  absl::Status Damaged(const std::string& what) const;

  const int fd_;
  const std::string path_;
  CaptureHeader header_;
  uint64_t position_ = 0;
  uint64_t events_ = 0;
  uint64_t unknown_ = 0;
};

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_FILE_CAPTURE_READER_H_
