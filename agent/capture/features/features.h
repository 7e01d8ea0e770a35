// What this host can do, found out by trying.
#ifndef SONDE_AGENT_CAPTURE_FEATURES_FEATURES_H_
#define SONDE_AGENT_CAPTURE_FEATURES_FEATURES_H_

#include "absl/status/status.h"

namespace sonde::capture {

/// OK when the host can capture at all. Otherwise says in one sentence what is missing and what to
/// do: privilege, the root PID namespace, the kernel's BTF, or the ring buffer (Linux 5.8).
absl::Status CheckHost();

/// Whether the kernel takes uprobe_multi links (Linux 6.6+).
bool HasUprobeMulti();

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_FEATURES_FEATURES_H_
