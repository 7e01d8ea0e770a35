#include "agent/export/http/health.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/export/text.h"

namespace sonde::exporter {
namespace {

constexpr size_t kMessageBytes = 512;

}  // namespace

HealthState HealthReport::state() const {
  HealthState worst = started ? HealthState::kUp : HealthState::kDown;
  for (const HealthCheck& check : checks) worst = std::max(worst, check.state);
  return worst;
}

const char* HealthStateName(HealthState state) {
  switch (state) {
    case HealthState::kUp:
      return "up";
    case HealthState::kDegraded:
      return "degraded";
    case HealthState::kDown:
      return "down";
  }
  return "down";
}

std::string HealthJson(const HealthReport& report) {
  nlohmann::ordered_json checks = nlohmann::ordered_json::object();
  for (const HealthCheck& check : report.checks) {
    auto& entry = checks[check.component];
    entry["status"] = HealthStateName(check.state);
    entry["message"] = CleanUtf8(check.message, kMessageBytes);
    if (check.latency_ns) entry["latency_ms"] = static_cast<double>(*check.latency_ns) / 1e6;
  }
  const nlohmann::ordered_json document = {{"status", HealthStateName(report.state())},
                                           {"version", report.version},
                                           {"uptime_s", report.uptime_ns / 1'000'000'000},
                                           {"checks", std::move(checks)}};
  return document.dump() + "\n";
}

}  // namespace sonde::exporter
