// A small process that lets go of probes after Sonde has gone.
#ifndef SONDE_AGENT_CAPTURE_KEEPER_H_
#define SONDE_AGENT_CAPTURE_KEEPER_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sonde::capture {

/// Closing a uprobe waits for the kernel, two dozen of them for seconds, also when a process just
/// exits. The keeper holds a second copy of each descriptor, so that Sonde's own close is no more
/// than a count going down; it closes its copies when Sonde lets go or dies, however that happens.
/// It holds nothing else of Sonde's: no terminal, no pipe, no working directory.
class Keeper {
 public:
  /// Forks it. Call while the process has one thread.
  static absl::StatusOr<std::unique_ptr<Keeper>> Start();

  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  /// Lets the keeper go: it closes what it holds by itself. Does not wait.
  ~Keeper();

  /// Gives it a copy of the descriptor. The caller may close its own at once: the keeper's copy
  /// keeps the probe in.
  absl::Status Hold(int fd);

 private:
  explicit Keeper(int socket) : socket_(socket) {}
  int socket_;
};

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_KEEPER_H_
