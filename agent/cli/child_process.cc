#include "agent/cli/child_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sonde::cli {
namespace {

constexpr absl::string_view kDefaultPath = "/bin:/usr/bin";
constexpr char kShell[] = "/bin/sh";
/// Descriptors looked at one by one where close_range cannot mark them (before Linux 5.11).
constexpr int kMarkedByHand = 4096;

/// What the child reports before its program runs. Nothing reported means that exec succeeded.
struct Report {
  enum Step : int { kLimits, kUser, kExec };
  Step step;
  int error;
};

/// Arrays for execve, made before the fork: the child may not allocate.
struct Prepared {
  std::vector<std::string> candidates;
  std::vector<char*> arguments;
  std::vector<char*> shell_arguments;  ///< [1] is filled with the candidate.
  std::vector<std::string> words;
  std::vector<char*> environment;
  std::vector<std::pair<unsigned, unsigned>> gaps;  ///< Descriptors that are Sonde's.
};

std::vector<std::string> Candidates(const std::string& program, const Environment& environment) {
  if (program.find('/') != std::string::npos) return {program};
  std::vector<std::string> candidates;
  if (program.empty()) return candidates;
  const std::string path = environment.Get("PATH").value_or(std::string(kDefaultPath));
  for (absl::string_view directory : absl::StrSplit(path, ':')) {
    candidates.push_back(directory.empty() ? program : absl::StrCat(directory, "/", program));
  }
  return candidates;
}

std::vector<char*> Pointers(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

Prepared Prepare(const Launch& launch) {
  Prepared prepared;
  prepared.candidates = Candidates(launch.arguments.front(), launch.environment);
  prepared.arguments = Pointers(launch.arguments);
  prepared.shell_arguments = prepared.arguments;
  prepared.shell_arguments.insert(prepared.shell_arguments.begin(), const_cast<char*>(kShell));
  prepared.words = launch.environment.Words();
  prepared.environment = Pointers(prepared.words);
  unsigned next = STDERR_FILENO + 1;
  for (int fd : launch.inherited_descriptors) {
    if (fd < static_cast<int>(next)) continue;
    if (fd > static_cast<int>(next)) prepared.gaps.emplace_back(next, fd - 1);
    next = fd + 1;
  }
  prepared.gaps.emplace_back(next, ~0U);
  return prepared;
}

// From here to Become, everything runs in the child: system calls only.

[[noreturn]] void Fail(int fd, Report::Step step, int error) {
  const Report report{step, error};
  [[maybe_unused]] const ssize_t written = write(fd, &report, sizeof report);
  _exit(kExitSondeFailed);
}

void MarkDescriptors(const Prepared& prepared) {
  for (const auto& [first, last] : prepared.gaps) {
    if (syscall(SYS_close_range, first, last, CLOSE_RANGE_CLOEXEC) == 0) continue;
    for (unsigned fd = first; fd <= std::min<unsigned>(last, kMarkedByHand); ++fd) {
      fcntl(static_cast<int>(fd), F_SETFD, FD_CLOEXEC);
    }
  }
}

void BecomeUser(const User& user, int report_fd) {
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (setgroups(user.groups.size(), user.groups.data()) != 0 ||
      setresgid(user.gid, user.gid, user.gid) != 0 ||
      setresuid(user.uid, user.uid, user.uid) != 0) {
    Fail(report_fd, Report::kUser, errno);
  }
  // Leaving uid 0 clears what is permitted; what is inheritable stays unless taken away.
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[2] = {};
  syscall(SYS_capset, &header, none);
  if (setuid(0) == 0 && user.uid != 0) Fail(report_fd, Report::kUser, EPERM);
}

/// As execvp(3): every place of PATH, and /bin/sh for a script without an interpreter line.
int ExecuteFirst(Prepared& prepared) {
  int result = ENOENT;
  for (const std::string& candidate : prepared.candidates) {
    execve(candidate.c_str(), prepared.arguments.data(), prepared.environment.data());
    if (errno == ENOEXEC) {
      prepared.shell_arguments[1] = const_cast<char*>(candidate.c_str());
      execve(kShell, prepared.shell_arguments.data(), prepared.environment.data());
      return errno;
    }
    if (errno == EACCES) {
      result = EACCES;
    } else if (errno != ENOENT && errno != ENOTDIR && errno != ESTALE && errno != ENODEV) {
      return errno;
    }
  }
  return result;
}

[[noreturn]] void Become(const Launch& launch, Prepared& prepared, int go_fd, int report_fd) {
  char go = 0;
  ssize_t got = 0;
  do {
    got = read(go_fd, &go, 1);
  } while (got < 0 && errno == EINTR);
  if (got != 1) _exit(kExitSondeFailed);
  for (const auto& [resource, limit] : launch.limits) {
    if (setrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0 && errno != EPERM) {
      Fail(report_fd, Report::kLimits, errno);
    }
  }
  if (launch.umask) umask(*launch.umask);
  if (launch.user) BecomeUser(*launch.user, report_fd);
  MarkDescriptors(prepared);
  launch.signals.Restore();
  Fail(report_fd, Report::kExec, ExecuteFirst(prepared));
}

void CloseAll(std::initializer_list<int> fds) {
  for (int fd : fds) {
    if (fd >= 0) close(fd);
  }
}

LaunchFailure Explain(const Report& report, const std::string& program) {
  const std::string reason = std::generic_category().message(report.error);
  switch (report.step) {
    case Report::kLimits:
      return {kExitSondeFailed, absl::StrCat("cannot restore the command's limits: ", reason)};
    case Report::kUser:
      return {kExitSondeFailed, absl::StrCat("cannot become the invoking user: ", reason,
                                             " (--keep-root runs the command as root)")};
    case Report::kExec:
      break;
  }
  if (report.error == ENOENT || report.error == ENOTDIR) {
    const bool is_path = program.find('/') != std::string::npos;
    struct stat info {};
    if (is_path && stat(program.c_str(), &info) == 0) {
      return {kExitNotFound, absl::StrCat(program, ": its interpreter was not found")};
    }
    return {kExitNotFound,
            absl::StrCat(program, is_path ? ": no such file" : ": command not found")};
  }
  return {kExitNotExecutable, absl::StrCat(program, ": ", reason)};
}

}  // namespace

std::vector<int> OpenDescriptors() {
  std::vector<int> descriptors;
  DIR* directory = opendir("/proc/self/fd");
  if (directory == nullptr) return {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
  // NOLINTNEXTLINE(concurrency-mt-unsafe): a directory stream of its own.
  while (const dirent* entry = readdir(directory)) {
    char* end = nullptr;
    const long fd = strtol(entry->d_name, &end, 10);
    if (end == entry->d_name || *end != '\0' || fd == dirfd(directory)) continue;
    descriptors.push_back(static_cast<int>(fd));
  }
  closedir(directory);
  std::sort(descriptors.begin(), descriptors.end());
  return descriptors;
}

ChildProcess::ChildProcess(pid_t pid, int go_fd, int result_fd, std::string program)
    : pid_(pid), go_fd_(go_fd), result_fd_(result_fd), program_(std::move(program)) {}

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Start(const Launch& launch) {
  Prepared prepared = Prepare(launch);
  int go[2] = {-1, -1};
  int report[2] = {-1, -1};
  pid_t pid = -1;
  if (pipe2(go, O_CLOEXEC) == 0 && pipe2(report, O_CLOEXEC) == 0) pid = fork();
  if (pid < 0) {
    const int error = errno;
    CloseAll({go[0], go[1], report[0], report[1]});
    return absl::UnavailableError(absl::StrCat("cannot start a process for the command: ",
                                               std::generic_category().message(error)));
  }
  if (pid == 0) {
    // Its own copy of the writing end would keep it waiting for ever if Sonde died.
    close(go[1]);
    Become(launch, prepared, go[0], report[1]);
  }
  CloseAll({go[0], report[1]});
  return std::unique_ptr<ChildProcess>(
      new ChildProcess(pid, go[1], report[0], launch.arguments.front()));
}

ChildProcess::~ChildProcess() {
  const bool released = go_fd_ < 0;
  CloseAll({go_fd_, result_fd_});
  if (!released && !ended_) Reap();
}

void ChildProcess::Reap() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  ended_ = true;
}

std::optional<LaunchFailure> ChildProcess::Release() {
  const char go = 1;
  [[maybe_unused]] const ssize_t written = write(go_fd_, &go, 1);
  close(std::exchange(go_fd_, -1));
  Report report{};
  ssize_t got = 0;
  do {
    got = read(result_fd_, &report, sizeof report);
  } while (got < 0 && errno == EINTR);
  close(std::exchange(result_fd_, -1));
  if (got != sizeof report) return std::nullopt;
  Reap();
  return Explain(report, program_);
}

std::optional<ChildChange> ChildProcess::NextChange() {
  if (ended_) return std::nullopt;
  siginfo_t info{};
  if (waitid(P_PID, pid_, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG) != 0 ||
      info.si_pid == 0) {
    return std::nullopt;
  }
  switch (info.si_code) {
    case CLD_EXITED:
      ended_ = true;
      return ChildChange{ChildChange::Kind::kExited, info.si_status};
    case CLD_KILLED:
    case CLD_DUMPED:
      ended_ = true;
      return ChildChange{ChildChange::Kind::kSignaled, info.si_status};
    case CLD_STOPPED:
    case CLD_TRAPPED:
      return ChildChange{ChildChange::Kind::kStopped, info.si_status};
    default:
      return ChildChange{ChildChange::Kind::kContinued, info.si_status};
  }
}

void ChildProcess::Signal(int number) const {
  if (!ended_) kill(pid_, number);
}

}  // namespace sonde::cli
