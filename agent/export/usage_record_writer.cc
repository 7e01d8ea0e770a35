#include "agent/export/usage_record_writer.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/export/usage_record.h"

namespace sonde::exporter {
namespace {

constexpr mode_t kMode = 0600;
// Longest wait for a reader of a pipe that does not take lines.
constexpr int kSlowReaderMs = 1000;

absl::Status ErrnoStatus(int error_number, std::string_view what, std::string_view advice) {
  const std::string message = std::string(what) + ": " +
                              std::generic_category().message(error_number) + std::string(advice);
  return absl::Status(absl::ErrnoToStatusCode(error_number), message);
}

// Takes a user's rights on files for this thread only, so that root cannot be led by a symbolic
// link to a file its user could not write.
class FileRights {
 public:
  explicit FileRights(const std::optional<FileOwner>& owner) : active_(owner.has_value()) {
    if (!active_) return;
    gid_ = setfsgid(owner->gid);
    uid_ = setfsuid(owner->uid);
  }
  ~FileRights() {
    if (!active_) return;
    setfsuid(static_cast<uid_t>(uid_));
    setfsgid(static_cast<gid_t>(gid_));
  }
  FileRights(const FileRights&) = delete;
  FileRights& operator=(const FileRights&) = delete;

 private:
  bool active_;
  int uid_ = 0;
  int gid_ = 0;
};

// A reader that left ends the record, not Sonde: SIGPIPE is held back from this thread and, when a
// write raised it, taken away again.
class NoBrokenPipeSignal {
 public:
  NoBrokenPipeSignal() {
    sigemptyset(&signal_);
    sigaddset(&signal_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &signal_, &before_);
  }
  ~NoBrokenPipeSignal() {
    constexpr timespec kNow{0, 0};
    if (!was_pending_) sigtimedwait(&signal_, nullptr, &kNow);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoBrokenPipeSignal(const NoBrokenPipeSignal&) = delete;
  NoBrokenPipeSignal& operator=(const NoBrokenPipeSignal&) = delete;

 private:
  sigset_t signal_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<UsageRecordWriter>> UsageRecordWriter::Open(const std::string& path,
                                                                           Options options) {
  int fd = -1;
  {
    const FileRights rights(options.owner);
    fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOCTTY, kMode);
  }
  if (fd < 0) {
    const int error_number = errno;
    return ErrnoStatus(error_number, absl::StrCat("cannot write usage records to ", path),
                       "; name a file in a folder that you may write to");
  }
  return std::unique_ptr<UsageRecordWriter>(
      new UsageRecordWriter(fd, /*owned=*/true, path, std::move(options)));
}

std::unique_ptr<UsageRecordWriter> UsageRecordWriter::ForDescriptor(int fd, std::string name,
                                                                    Options options) {
  return std::unique_ptr<UsageRecordWriter>(
      new UsageRecordWriter(fd, /*owned=*/false, std::move(name), std::move(options)));
}

UsageRecordWriter::UsageRecordWriter(int fd, bool owned, std::string name, Options options)
    : fd_(fd), owned_(owned), name_(std::move(name)), options_(std::move(options)) {}

UsageRecordWriter::~UsageRecordWriter() {
  if (owned_) close(fd_);
}

void UsageRecordWriter::OnCall(const calls::Call& call) {
  std::string line = UsageRecord(call, options_.user_salt);
  line += '\n';
  if (torn_ || !WriteLine(line)) {
    ++stats_.failed;
    return;
  }
  ++stats_.lines;
  stats_.bytes += line.size();
}

bool UsageRecordWriter::WriteLine(std::string_view line) {
  const NoBrokenPipeSignal guard;
  struct stat before {};
  const bool can_cut = fstat(fd_, &before) == 0 && S_ISREG(before.st_mode);
  size_t done = 0;
  while (done < line.size()) {
    const ssize_t n = write(fd_, line.data() + done, line.size() - done);
    if (n > 0) {
      done += static_cast<size_t>(n);
      continue;
    }
    const int error_number = n == 0 ? EIO : errno;
    if (error_number == EINTR) continue;
    pollfd ready{fd_, POLLOUT, 0};
    if (error_number == EAGAIN && poll(&ready, 1, kSlowReaderMs) > 0) continue;
    Fail(error_number);
    if (done > 0) torn_ = !can_cut || ftruncate(fd_, before.st_size) != 0;
    return false;
  }
  return true;
}

void UsageRecordWriter::Fail(int error_number) {
  if (!status_.ok()) return;
  status_ = ErrnoStatus(error_number,
                        absl::StrCat("usage records are lost: cannot write to ", name_), "");
  if (options_.on_error) {
    options_.on_error(std::string_view(status_.message().data(), status_.message().size()));
  }
}

}  // namespace sonde::exporter
