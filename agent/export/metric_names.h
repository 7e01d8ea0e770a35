// Every metric Sonde emits, in one table: its names by profile, unit, buckets and meaning. Nothing
// else in the tree spells a metric's name.
#ifndef SONDE_AGENT_EXPORT_METRIC_NAMES_H_
#define SONDE_AGENT_EXPORT_METRIC_NAMES_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "agent/export/names.h"

namespace sonde::exporter {

enum class Metric : uint8_t {
  // Of calls, by the conventions.
  kTokenUsage,   ///< 1.41: a histogram by token type.
  kInputTokens,  ///< main: counters, one per class.
  kOutputTokens,
  kCacheReadTokens,
  kCacheWriteTokens,
  kReasoningTokens,
  kOperationDuration,
  kTimeToFirstChunk,
  kTimePerOutputChunk,
  // Of calls, Sonde's own.
  kCost,
  kCostLowerBound,
  kCostEstimated,
  kCostNotional,
  kCostGateway,
  kCalls,
  kErrors,
  kRetries,
  kIncompleteCalls,
  kUnpricedCalls,
  kEstimatedTokens,
  kRateLimitRemaining,
  kRateLimitLimit,
  // Of calls, as older dashboards name them.
  kSeedCalls,
  kSeedErrors,
  kSeedPromptTokens,
  kSeedCompletionTokens,
  kSeedCost,
  kSeedResponseTime,
  // Of the agent itself.
  kLost,
  kEvents,
  kCaptured,
  kProcesses,
  kProbes,
  kConnections,
  kOpenCalls,
  kUnseen,
  kExported,
  kExportDropped,
  kExportQueue,
  kExportFailures,
  kLedgerRecords,
  kLedgerLost,
  kLedgerBytes,
  kSeries,
  kSeriesFolded,
  kMemory,
  kMemoryLimit,
  kReloads,
  kConfigInfo,
  kBuildInfo,
  kPriceBookInfo,
  kPriceBookAge,
  kScrapes,
  kStartTime,
};
inline constexpr size_t kMetricCount = static_cast<size_t>(Metric::kStartTime) + 1;

enum class MetricKind : uint8_t { kCounter, kGauge, kHistogram };

/// Values are integers of 1/divisor of the unit, so that sums are exact: tokens are whole, money is
/// 1e-12 USD, time is nanoseconds.
struct MetricRow {
  Metric metric;
  MetricKind kind;
  std::string_view semconv141;  ///< Empty: not emitted in this profile.
  std::string_view main;
  std::string_view seed;
  std::string_view unit;  ///< UCUM.
  int64_t divisor = 1;
  std::span<const double> buckets;  ///< Upper bounds in the unit; empty unless a histogram.
  std::string_view help;
  bool aliases = false;  ///< Labels are spelled as older dashboards have them.
};

const MetricRow& RowOf(Metric metric);
/// "" when the profile does not have the metric.
std::string_view MetricName(Profile profile, Metric metric);

/// The name as Prometheus has it, without "_total": other characters become "_", the unit is
/// appended unless the name ends with it (OpenTelemetry's Prometheus mapping).
std::string PrometheusName(std::string_view name, std::string_view unit);
/// A label's name: characters outside [a-zA-Z0-9_] become "_".
std::string PrometheusLabel(std::string_view name);

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_METRIC_NAMES_H_
