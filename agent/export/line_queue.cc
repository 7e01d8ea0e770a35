#include "agent/export/line_queue.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sonde::exporter {
namespace {

constexpr mode_t kMode = 0600;
constexpr int kFinishMs = 2000;

std::string Reason(int error_number) { return std::generic_category().message(error_number); }

// Takes a user's rights on files for this thread only, so that root cannot be led by a symbolic
// link to a file its user could not write.
class FileRights {
 public:
  explicit FileRights(const std::optional<FileOwner>& owner) : active_(owner.has_value()) {
    if (!active_) return;
    groups_.resize(static_cast<size_t>(std::max(getgroups(0, nullptr), 0)));
    groups_.resize(static_cast<size_t>(
        std::max(getgroups(static_cast<int>(groups_.size()), groups_.data()), 0)));
    // The system call, not the library's function: that one changes every thread.
    syscall(SYS_setgroups, owner->groups.size(), owner->groups.data());
    gid_ = setfsgid(owner->gid);
    uid_ = setfsuid(owner->uid);
  }
  ~FileRights() {
    if (!active_) return;
    setfsuid(static_cast<uid_t>(uid_));
    setfsgid(static_cast<gid_t>(gid_));
    syscall(SYS_setgroups, groups_.size(), groups_.data());
  }
  FileRights(const FileRights&) = delete;
  FileRights& operator=(const FileRights&) = delete;

 private:
  bool active_;
  int uid_ = 0;
  int gid_ = 0;
  std::vector<gid_t> groups_;
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

int OpenFile(const std::string& path, const LineQueue::Options& options) {
  const FileRights rights(options.owner);
  const int wait = options.patient ? 0 : O_NONBLOCK;
  return open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOCTTY | wait,
              kMode);
}

bool IsNamedPipe(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISFIFO(info.st_mode);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LineQueue>> LineQueue::Open(const std::string& path,
                                                           const Options& options) {
  const int fd = OpenFile(path, options);
  if (fd < 0) {
    const int error_number = errno;
    if (error_number != ENXIO || !IsNamedPipe(path)) {
      return absl::Status(absl::ErrnoToStatusCode(error_number),
                          absl::StrCat("cannot write to ", path, ": ", Reason(error_number),
                                       "; name a file in a folder that you may write to"));
    }
  }
  return std::unique_ptr<LineQueue>(new LineQueue(fd, /*owned=*/true, path, options));
}

std::unique_ptr<LineQueue> LineQueue::ForDescriptor(int fd, std::string name,
                                                    const Options& options) {
  struct stat info {};
  const bool known = fstat(fd, &info) == 0;
  const bool stalls = known && (S_ISFIFO(info.st_mode) || isatty(fd) == 1);
  int own = -1;
  Way way = Way::kWrite;
  if (known && S_ISSOCK(info.st_mode)) way = Way::kSend;
  if (stalls) {
    own = open(absl::StrCat("/proc/self/fd/", fd).c_str(),
               O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (own < 0) way = Way::kPoll;
  }
  std::unique_ptr<LineQueue> queue(
      new LineQueue(own < 0 ? fd : own, own >= 0, std::move(name), options));
  queue->way_ = way;
  return queue;
}

LineQueue::LineQueue(int fd, bool owned, std::string name, const Options& options)
    : fd_(fd), owned_(owned), name_(std::move(name)), options_(options) {}

LineQueue::~LineQueue() {
  if (owned_ && fd_ >= 0) close(fd_);
}

void LineQueue::Add(std::string line) {
  if (waiting_ + line.size() > kMostBytes) {
    Lose("its reader does not keep up", EAGAIN);
    return;
  }
  waiting_ += line.size();
  lines_.push_back(std::move(line));
  Flush();
}

void LineQueue::Flush() {
  const NoBrokenPipeSignal guard;
  while (!lines_.empty() && WriteFront()) {
  }
}

bool LineQueue::OpenLate() {
  if (fd_ < 0) fd_ = OpenFile(name_, options_);
  return fd_ >= 0;
}

ssize_t LineQueue::WriteSome(std::string_view bytes) const {
  switch (way_) {
    case Way::kWrite:
      break;
    case Way::kSend:
      return send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    case Way::kPoll: {
      pollfd poller{fd_, POLLOUT, 0};
      if (poll(&poller, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
      }
      bytes = bytes.substr(0, PIPE_BUF);
    }
  }
  return write(fd_, bytes.data(), bytes.size());
}

/// Goes on with the first line. False when its reader must be waited for.
bool LineQueue::WriteFront() {
  if (torn_) {
    DropFront(EIO);
    return true;
  }
  if (!OpenLate()) return false;
  const std::string& line = lines_.front();
  struct stat before {};
  if (sent_ == 0) {
    const bool regular = fstat(fd_, &before) == 0 && S_ISREG(before.st_mode);
    cut_ = regular ? std::optional<off_t>(before.st_size) : std::nullopt;
  }
  const ssize_t written = WriteSome(std::string_view(line).substr(sent_));
  if (written > 0) {
    sent_ += static_cast<size_t>(written);
    if (sent_ < line.size()) return true;
    ++stats_.lines;
    stats_.bytes += line.size();
    waiting_ -= line.size();
    sent_ = 0;
    lines_.pop_front();
    return true;
  }
  const int error_number = written == 0 ? EIO : errno;
  if (error_number == EINTR) return true;
  if (error_number == EAGAIN) {
    if (options_.patient) WaitForRoom(-1);
    return options_.patient;
  }
  if (sent_ > 0) torn_ = !cut_ || ftruncate(fd_, *cut_) != 0;
  DropFront(error_number);
  return true;
}

void LineQueue::DropFront(int error_number) {
  Lose(Reason(error_number), error_number);
  waiting_ -= lines_.front().size();
  sent_ = 0;
  lines_.pop_front();
}

void LineQueue::Lose(std::string_view reason, int error_number) {
  ++stats_.lost;
  if (!status_.ok()) return;
  status_ = absl::Status(absl::ErrnoToStatusCode(error_number),
                         absl::StrCat("cannot write to ", name_, ": ", std::string(reason)));
}

void LineQueue::WaitForRoom(int timeout_ms) const {
  // Without a descriptor the wait is for a reader who opens the pipe.
  pollfd poller{fd_, POLLOUT, 0};
  poll(&poller, 1, fd_ < 0 ? std::min(timeout_ms, 10) : timeout_ms);
}

void LineQueue::Finish(std::string last, int stall_ms) {
  using Clock = std::chrono::steady_clock;
  if (!last.empty()) {
    waiting_ += last.size();
    lines_.push_back(std::move(last));
  }
  const auto end = Clock::now() + std::chrono::milliseconds(kFinishMs);
  const auto stall = std::chrono::milliseconds(stall_ms);
  auto give_up = Clock::now() + stall;
  size_t left = waiting_ - sent_;
  while (true) {
    Flush();
    const auto now = Clock::now();
    if (waiting_ - sent_ < left) give_up = now + stall;
    left = waiting_ - sent_;
    const auto until = std::min(end, give_up);
    if (lines_.empty() || now >= until) break;
    const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(until - now);
    WaitForRoom(static_cast<int>(rest.count()) + 1);
  }
  while (!lines_.empty()) {
    Lose(fd_ < 0 ? "nobody has opened it for reading" : "its reader does not keep up", EAGAIN);
    lines_.pop_front();
  }
  waiting_ = sent_ = 0;
}

}  // namespace sonde::exporter
