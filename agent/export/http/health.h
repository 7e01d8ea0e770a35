// What state the agent's parts are in, as orchestrators and people ask for it.
#ifndef SONDE_AGENT_EXPORT_HTTP_HEALTH_H_
#define SONDE_AGENT_EXPORT_HTTP_HEALTH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sonde::exporter {

/// kDegraded still does its work, with something missing that `message` names.
enum class HealthState : uint8_t { kUp, kDegraded, kDown };

struct HealthCheck {
  std::string component;  ///< "probes", "ring", "exporters", "price_book", "disk".
  HealthState state = HealthState::kUp;
  std::string message;                ///< For a person.
  std::optional<int64_t> latency_ns;  ///< Of the check, or of the component's last answer.
};

struct HealthReport {
  std::string version;
  int64_t uptime_ns = 0;
  bool started = false;  ///< Probes are loaded and the first configuration is in use.
  std::vector<HealthCheck> checks;

  /// The worst of the checks.
  HealthState state() const;
};

/// "up", "degraded", "down".
const char* HealthStateName(HealthState state);

/// {"status": ..., "version": ..., "uptime_s": ..., "checks": {component: {status, message,
/// latency_ms}}}.
std::string HealthJson(const HealthReport& report);

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_HTTP_HEALTH_H_
