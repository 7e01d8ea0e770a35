// Writes usage records to a file or a stream, one line per call.
#ifndef SONDE_AGENT_EXPORT_USAGE_RECORD_WRITER_H_
#define SONDE_AGENT_EXPORT_USAGE_RECORD_WRITER_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/calls/call.h"

namespace sonde::exporter {

/// Who a new file belongs to when Sonde runs as root for somebody else.
struct FileOwner {
  uid_t uid = 0;
  gid_t gid = 0;
};

/// One write(2) per line, nothing buffered: what was reported survives a crash of Sonde. A line is
/// whole or absent: when a write stops half way (disk full), a regular file is cut back to the end
/// of the line before. Used on one thread.
class UsageRecordWriter : public calls::CallSink {
 public:
  struct Options {
    std::string user_salt;
    std::optional<FileOwner> owner;  ///< Opens the file with this user's rights.
    /// Told once, on the first failed line: what happened and to which file.
    std::function<void(std::string_view)> on_error;
  };
  struct Stats {
    uint64_t lines = 0;   ///< Written whole.
    uint64_t failed = 0;  ///< Lost.
    uint64_t bytes = 0;
  };

  /// Creates `path` with mode 0600, or empties the file that is there. The error names the path and
  /// the reason.
  static absl::StatusOr<std::unique_ptr<UsageRecordWriter>> Open(const std::string& path,
                                                                 Options options);
  /// Writes to a descriptor that stays the caller's (standard output). `name` is for messages.
  static std::unique_ptr<UsageRecordWriter> ForDescriptor(int fd, std::string name,
                                                          Options options);
  ~UsageRecordWriter() override;
  UsageRecordWriter(const UsageRecordWriter&) = delete;
  UsageRecordWriter& operator=(const UsageRecordWriter&) = delete;

  void OnCall(const calls::Call& call) override;

  const Stats& stats() const { return stats_; }
  /// OK, or the first failure.
  const absl::Status& status() const { return status_; }

 private:
  UsageRecordWriter(int fd, bool owned, std::string name, Options options);
  bool WriteLine(std::string_view line);
  void Fail(int error_number);

  int fd_;
  bool owned_;
  bool torn_ = false;  ///< A line broke off and could not be taken back: nothing may follow it.
  std::string name_;
  Options options_;
  Stats stats_;
  absl::Status status_;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_USAGE_RECORD_WRITER_H_
