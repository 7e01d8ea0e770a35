// Whether a process is one that a selector means.
#ifndef SONDE_AGENT_DAEMON_MATCHER_H_
#define SONDE_AGENT_DAEMON_MATCHER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "agent/config/config.h"
#include "agent/discovery/process_facts.h"

namespace re2 {
class RE2;
}

namespace sonde::daemon {

/// A selector made ready. Immutable.
class Matcher {
 public:
  /// InvalidArgument for a pattern or user that cannot be used; the configuration's check found
  /// both before, but a user can vanish.
  static absl::StatusOr<Matcher> Make(const config::Selector& selector);

  /// All that the selector names holds of the process.
  bool Fits(const discovery::ProcessFacts& process) const;

 private:
  Matcher() = default;

  std::optional<uint32_t> pid_;
  std::optional<uint32_t> uid_;
  std::string executable_;
  std::string cgroup_;  ///< A path below the tree's root, with "/" in front and none behind.
  std::shared_ptr<const re2::RE2> command_;
};

}  // namespace sonde::daemon

#endif  // SONDE_AGENT_DAEMON_MATCHER_H_
