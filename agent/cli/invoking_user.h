// Who CMD runs as and with which environment. Sonde needs root, CMD must not notice: under sudo it
// gets the user, the variables, the limits and the umask of the shell in which sudo was typed.
#ifndef SONDE_AGENT_CLI_INVOKING_USER_H_
#define SONDE_AGENT_CLI_INVOKING_USER_H_

#include <sys/resource.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/cli/environment.h"
#include "agent/cli/proc_fs.h"

namespace sonde::cli {

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  std::string name;  ///< Empty when the user database has no such uid; so for the two below.
  std::string home;
  std::string shell;
};

/// The user who typed sudo: from SUDO_UID and SUDO_GID when `effective_uid` is 0. Nothing when
/// Sonde does not run under sudo, or when root typed it. InvalidArgument when the variables are no
/// numbers: guessing would mean running CMD as root.
absl::StatusOr<std::optional<User>> FindInvokingUser(const Environment& own, uid_t effective_uid);

/// The processes above Sonde that tell what CMD would have had without sudo.
struct Ancestry {
  pid_t sudo = 0;    ///< The nearest sudo above Sonde; 0: none.
  pid_t gifted = 0;  ///< The process that sudo started: Sonde itself or something above it.
  pid_t shell = 0;   ///< The nearest process of the user above sudo (above Sonde without one).
};
Ancestry FindAncestry(const ProcFs& procfs, pid_t self, uid_t user);

/// What CMD's environment would have been in the user's shell. sudo empties the environment of what
/// it starts, but its own is still the one the shell gave it (an activated venv's PATH, API keys).
/// On top of that comes what was set on sudo's command line or by programs between sudo and Sonde.
/// HOME, USER, LOGNAME and SHELL are the user's, SUDO_* are gone.
Environment UserEnvironment(const ProcFs& procfs, const Ancestry& ancestry, const Environment& own,
                            const User& user);

using Limits = std::vector<std::pair<int, rlimit>>;
/// All limits of a process (0: of Sonde itself). Those that cannot be read are left out.
Limits ReadLimits(pid_t pid);

}  // namespace sonde::cli

#endif  // SONDE_AGENT_CLI_INVOKING_USER_H_
