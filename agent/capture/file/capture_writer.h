#ifndef SONDE_AGENT_CAPTURE_FILE_CAPTURE_WRITER_H_
#define SONDE_AGENT_CAPTURE_FILE_CAPTURE_WRITER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/capture/file/capture_format.h"
#include "agent/events/event.h"

typedef struct ZSTD_CCtx_s ZSTD_CCtx;  // NOLINT(modernize-use-using): as zstd declares it.

namespace sonde::capture {

/// Writes events to a new file of mode 0600. Buffers at most one frame and at most a second of
/// event time, so that a killed recorder leaves nearly everything readable. An event that no frame
/// holds (kMostFrameBytes) is left out, counted as lost and told in the file. Not thread-safe.
class CaptureWriter final : public events::EventSink {
 public:
  /// Refuses symbolic links and anything that is no regular file; an existing file only with
  /// `overwrite`.
  static absl::StatusOr<std::unique_ptr<CaptureWriter>> Create(const std::string& path,
                                                               const CaptureHeader& header,
                                                               bool overwrite);
  ~CaptureWriter() override;
  CaptureWriter(const CaptureWriter&) = delete;
  CaptureWriter& operator=(const CaptureWriter&) = delete;

  void OnEvent(const events::Event& event) override;

  /// Writes what is buffered and says whether everything so far reached the file. After the first
  /// error nothing more is written: later events are counted as lost.
  absl::Status Flush();

  uint64_t events_written() const { return events_; }
  uint64_t events_lost() const { return lost_; }
  uint64_t bytes_written() const { return bytes_; }
  int fd() const { return fd_; }

 private:
  CaptureWriter(int fd, std::string path);
  absl::Status WriteAll(std::string_view bytes);
  void Append(const events::Event& event);
  void FlushFrame();

  const int fd_;
  const std::string path_;
  ZSTD_CCtx* const context_;
  std::string frame_;
  std::string compressed_;
  uint64_t frame_events_ = 0;
  uint64_t events_ = 0;
  uint64_t lost_ = 0;
  uint64_t bytes_ = 0;
  events::MonoNs flushed_at_ = 0;
  absl::Status error_;
};

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_FILE_CAPTURE_WRITER_H_
