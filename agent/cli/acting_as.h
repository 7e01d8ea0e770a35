#ifndef SONDE_AGENT_CLI_ACTING_AS_H_
#define SONDE_AGENT_CLI_ACTING_AS_H_

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "agent/cli/invoking_user.h"

namespace sonde::cli {

/// Acts on the file system as the user who typed sudo while it lives, so that a flag never writes
/// where the user may not. Does nothing without a user or without root. One at a time, while no
/// other thread opens files.
class ActingAs {
 public:
  explicit ActingAs(const std::optional<User>& user);
  ~ActingAs();
  ActingAs(const ActingAs&) = delete;
  ActingAs& operator=(const ActingAs&) = delete;

  /// PermissionDenied when the identity could not be taken: then nothing may be opened.
  const absl::Status& status() const { return status_; }

 private:
  bool changed_ = false;
  gid_t gid_ = 0;
  std::vector<gid_t> groups_;
  absl::Status status_;
};

}  // namespace sonde::cli

#endif  // SONDE_AGENT_CLI_ACTING_AS_H_
