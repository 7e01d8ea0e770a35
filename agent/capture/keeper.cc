#include "agent/capture/keeper.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/memory/memory.h"

namespace sonde::capture {
namespace {

/// Closes every descriptor but one.
void CloseAllBut(int kept) {
  if (kept > 0) syscall(SYS_close_range, 0U, static_cast<unsigned>(kept - 1), 0U);
  syscall(SYS_close_range, static_cast<unsigned>(kept + 1), ~0U, 0U);
}

/// Takes descriptors until the other side is gone. They are closed when the process ends. Runs in
/// a forked child: only calls that are safe there.
[[noreturn]] void Keep(int socket) {
  setsid();
  CloseAllBut(socket);
  if (chdir("/") != 0) _exit(1);
  prctl(PR_SET_NAME, "sonde-keeper");
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  for (const int one : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU}) {
    signal(one, SIG_IGN);
  }
  while (true) {
    char byte = 0;
    iovec part = {&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const ssize_t got = recvmsg(socket, &message, 0);
    if (got == 0 || (got < 0 && errno != EINTR)) _exit(0);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Keeper>> Keeper::Start() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::ErrnoToStatus(errno, "cannot make the keeper's socket");
  }
  // Forked twice, so that nobody has to wait for it.
  const pid_t middle = fork();
  if (middle == 0) {
    const pid_t keeper = fork();
    if (keeper == 0) Keep(ends[1]);
    _exit(keeper < 0 ? 1 : 0);
  }
  const int error = errno;
  close(ends[1]);
  int status = 0;
  if (middle < 0) {
    close(ends[0]);
    return absl::ErrnoToStatus(error, "cannot fork the keeper");
  }
  while (waitpid(middle, &status, 0) < 0 && errno == EINTR) {
  }
  return absl::WrapUnique(new Keeper(ends[0]));
}

Keeper::~Keeper() { close(socket_); }

absl::Status Keeper::Hold(int fd) {
  char byte = 0;
  iovec part = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  ssize_t sent = 0;
  do {
    sent = sendmsg(socket_, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent == 1) return absl::OkStatus();
  return absl::ErrnoToStatus(errno, "the keeper process is gone; detaching will take seconds");
}

}  // namespace sonde::capture
