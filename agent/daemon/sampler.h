// Which calls' spans are exported.
#ifndef SONDE_AGENT_DAEMON_SAMPLER_H_
#define SONDE_AGENT_DAEMON_SAMPLER_H_

#include "agent/calls/call.h"
#include "agent/config/config.h"

namespace sonde::daemon {

/// By trace id, so that all spans of a trace are kept or none, also by other agents with the same
/// ratio (OpenTelemetry's probability sampling: kept when the id's low 56 bits reach the
/// threshold). Failed and dear calls are kept besides. Immutable.
class Sampler {
 public:
  explicit Sampler(const config::Sampling& settings);

  bool Keeps(const calls::Call& call) const;

 private:
  config::Sampling settings_;
  uint64_t threshold_ = 0;  ///< Least of the low 56 bits that is kept.
  pricing::PicoUsd dear_ = 0;
};

}  // namespace sonde::daemon

#endif  // SONDE_AGENT_DAEMON_SAMPLER_H_
