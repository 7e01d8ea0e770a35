#include "agent/capture/testing/harness.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "agent/capture/clock.h"
#include "agent/capture/features/features.h"

namespace sonde::capture::testing {
namespace {
constexpr uint64_t kDeadlineNs = 20'000'000'000;
}  // namespace

void Recorder::OnEvent(const events::Event& event) {
  events_.push_back(event);
  if (auto* data = std::get_if<events::Data>(&events_.back())) {
    bytes_.emplace_back(data->bytes);
    data->bytes = bytes_.back();
  }
}

std::string Recorder::Stream(const events::ConnectionId& connection,
                             events::Direction direction) const {
  std::vector<events::Data> pieces = All<events::Data>();
  std::erase_if(pieces, [&](const events::Data& data) {
    return data.connection != connection || data.direction != direction;
  });
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const auto& a, const auto& b) { return a.offset < b.offset; });
  std::string stream;
  uint64_t at = 0;
  for (const events::Data& data : pieces) {
    if (data.offset != at) absl::StrAppend(&stream, "<", data.offset - at, ">");
    stream.append(data.bytes);
    if (data.length > data.bytes.size()) {
      absl::StrAppend(&stream, "<", data.length - data.bytes.size(), ">");
    }
    at = data.offset + data.length;
  }
  return stream;
}

std::vector<events::ConnectionId> Recorder::Connections() const {
  std::vector<events::ConnectionId> connections;
  for (const auto& opened : All<events::ConnectionOpened>()) {
    connections.push_back(opened.connection);
  }
  return connections;
}

Child::Child(const std::function<int()>& work) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) std::abort();
  pid_ = fork();
  if (pid_ == 0) {
    // Its parent's end of the pipe is gone when the test dies.
    close(ends[1]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char byte = 0;
    if (read(ends[0], &byte, 1) != 1) _exit(99);
    close(ends[0]);
    _exit(work());
  }
  close(ends[0]);
  gate_ = ends[1];
}

Child::~Child() {
  if (gate_ >= 0) close(gate_);
  if (!Ended()) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
}

void Child::Start() {
  const char byte = 1;
  if (write(gate_, &byte, 1) != 1) std::abort();
}

bool Child::Ended() {
  int status = 0;
  if (!ended_ && waitpid(pid_, &status, WNOHANG) == pid_) {
    ended_ = true;
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  return ended_;
}

int Child::Wait() {
  pollfd ending = {.fd = ended_ ? -1 : static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)),
                   .events = POLLIN,
                   .revents = 0};
  if (ending.fd >= 0) {
    poll(&ending, 1, static_cast<int>(kDeadlineNs / 1'000'000));
    close(ending.fd);
    Ended();
  }
  return ended_ ? status_ : -999;
}

bool PollUntil(CaptureSource* capture, const std::function<bool()>& condition) {
  const uint64_t deadline = MonotonicNs() + kDeadlineNs;
  while (!condition()) {
    if (MonotonicNs() > deadline || !capture->Poll(20).ok()) return false;
  }
  return true;
}

int RunToExit(CaptureSource* capture, const Recorder& recorder, Child* child) {
  child->Start();
  const auto told = [&] {
    for (const auto& exited : recorder.All<events::ProcessExited>()) {
      if (exited.process.pid == static_cast<uint32_t>(child->pid())) return true;
    }
    return false;
  };
  if (!PollUntil(capture, told)) return -998;
  return child->Wait();
}

std::string CannotCapture() {
  const absl::Status status = CheckHost();
  return status.ok() ? "" : std::string(status.message());
}

}  // namespace sonde::capture::testing
