// Gives up what the agent does not need once its kernel programs are loaded.
#ifndef SONDE_AGENT_DAEMON_PRIVILEGES_H_
#define SONDE_AGENT_DAEMON_PRIVILEGES_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sonde::daemon {

/// Capabilities by name ("cap_bpf"), in a fixed order.
using Capabilities = std::vector<std::string>;

/// What attaching probes later, and reading other processes' files, need on a current kernel:
/// cap_bpf, cap_perfmon, cap_sys_ptrace, cap_dac_read_search. Where a kernel asks for more,
/// `still_works` fails with these alone and cap_sys_admin stays as well.
///
/// For the whole process with all its threads, so call it before any starts. Clears the bounding
/// and ambient sets too and sets no_new_privs: no program it could start gets more. Returns what
/// was kept. Unavailable when not even the fuller set works.
absl::StatusOr<Capabilities> DropPrivileges(const std::function<absl::Status()>& still_works);

/// The effective capabilities of this thread.
Capabilities EffectiveCapabilities();

}  // namespace sonde::daemon

#endif  // SONDE_AGENT_DAEMON_PRIVILEGES_H_
