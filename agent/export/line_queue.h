// Whole lines on their way to a reader who may be slow, stopped or absent.
#ifndef SONDE_AGENT_EXPORT_LINE_QUEUE_H_
#define SONDE_AGENT_EXPORT_LINE_QUEUE_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sonde::exporter {

/// Who a new file belongs to when Sonde runs as root for somebody else.
struct FileOwner {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  ///< Further ones.
};

/// Never makes the caller wait, apart from Finish and from a patient queue. A line is whole or
/// absent: when a write stops half way (disk full), a regular file is cut back to the end of the
/// line before. Used on one thread.
///
/// Standard error is the traced program's as well, so its flags are left alone: a pipe or terminal
/// is opened a second time through /proc with O_NONBLOCK, a socket gets MSG_DONTWAIT. Where /proc
/// refuses, poll() is asked before writes of at most PIPE_BUF.
class LineQueue {
 public:
  /// Bytes that wait for a reader; a line beyond them is lost.
  static constexpr size_t kMostBytes = 4U << 20;

  struct Options {
    std::optional<FileOwner> owner;  ///< Opens the file with this user's rights.
    /// Waits for the reader instead of losing lines: for callers who hold up nobody.
    bool patient = false;
  };
  struct Stats {
    uint64_t lines = 0;  ///< Written whole.
    uint64_t lost = 0;   ///< No room, a write failed, or nobody had read them at the end.
    uint64_t bytes = 0;  ///< Of the lines written.
  };

  /// Creates `path` with mode 0600, or empties the file that is there. A named pipe without a
  /// reader is opened when one comes. The error names the path and the reason.
  static absl::StatusOr<std::unique_ptr<LineQueue>> Open(const std::string& path,
                                                         const Options& options);
  /// Writes to what `fd` names; the descriptor stays the caller's. `name` is for messages.
  static std::unique_ptr<LineQueue> ForDescriptor(int fd, std::string name, const Options& options);
  ~LineQueue();
  LineQueue(const LineQueue&) = delete;
  LineQueue& operator=(const LineQueue&) = delete;

  /// Takes `line`, with its newline, and writes what can be written now.
  void Add(std::string line);
  /// Writes what can be written now. Called from time to time.
  void Flush();
  /// Writes `last` and everything before it. Gives up when the reader has taken nothing for
  /// `stall_ms`, and after two seconds in any case; what is left is lost.
  void Finish(std::string last, int stall_ms);

  bool idle() const { return lines_.empty(); }
  const std::string& name() const { return name_; }
  /// What is written to; -1 as long as a named pipe has no reader.
  int fd() const { return fd_; }
  const Stats& stats() const { return stats_; }
  /// OK, or why the first lost line was lost.
  const absl::Status& status() const { return status_; }

 private:
  enum class Way : uint8_t { kWrite, kSend, kPoll };

  LineQueue(int fd, bool owned, std::string name, const Options& options);
  bool OpenLate();
  ssize_t WriteSome(std::string_view bytes) const;
  bool WriteFront();
  void DropFront(int error_number);
  void Lose(std::string_view reason, int error_number);
  void WaitForRoom(int timeout_ms) const;

  int fd_;
  bool owned_;
  Way way_ = Way::kWrite;
  std::string name_;
  Options options_;
  std::deque<std::string> lines_;
  size_t waiting_ = 0;        ///< Bytes in `lines_`.
  size_t sent_ = 0;           ///< Of the first line.
  std::optional<off_t> cut_;  ///< Where the first line began, in a regular file.
  bool torn_ = false;         ///< A line broke off and stays so: nothing may follow it.
  Stats stats_;
  absl::Status status_;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_LINE_QUEUE_H_
