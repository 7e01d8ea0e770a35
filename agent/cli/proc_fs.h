// The few facts about other processes that the launcher needs, read from a procfs that a test can
// replace by a folder.
#ifndef SONDE_AGENT_CLI_PROC_FS_H_
#define SONDE_AGENT_CLI_PROC_FS_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sonde::cli {

class ProcFs {
 public:
  struct Status {
    std::string name;  ///< Command name, at most 15 bytes.
    char state = '?';  ///< 'R', 'S', 'T' (stopped), 'Z', ...
    pid_t parent = 0;
    uid_t uid = 0;  ///< Real.
    std::optional<mode_t> umask;
    uint64_t pending = 0;  ///< Signals that wait for the process: bit N-1 is signal N.
  };

  explicit ProcFs(std::string root = "/proc") : root_(std::move(root)) {}

  /// Nothing when the process is gone or unreadable.
  std::optional<Status> ReadStatus(pid_t pid) const;
  std::optional<std::string> ReadEnvironment(pid_t pid) const;
  std::vector<std::string> ReadArguments(pid_t pid) const;

 private:
  std::optional<std::string> ReadFile(pid_t pid, const char* file) const;
  std::string root_;
};

}  // namespace sonde::cli

#endif  // SONDE_AGENT_CLI_PROC_FS_H_
