// What one finished call costs on the thread that finishes it, and what an export of metrics costs.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "agent/export/metrics/registry.h"
#include "agent/export/otlp/delivery.h"
#include "agent/export/otlp/metric_requests.h"
#include "agent/export/otlp/span.h"
#include "agent/export/otlp/span_exporter.h"
#include "agent/export/test_calls.h"
#include "agent/export/usage_record.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

namespace sonde::exporter {
namespace {

void UsageRecordOfACall(benchmark::State& state) {
  const calls::Call call = MakeOpenAiStream();
  size_t bytes = 0;
  for ([[maybe_unused]] auto _ : state) bytes += UsageRecord(call).size();
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
}
BENCHMARK(UsageRecordOfACall);

void SpanOfACall(benchmark::State& state) {
  const calls::Call call = MakeOpenAiStream();
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(ToSpan(call, {}));
}
BENCHMARK(SpanOfACall);

class Sink : public OtlpTransport {
 public:
  SendResult Send(Signal, const Request& request, absl::Duration) override {
    benchmark::DoNotOptimize(request.SerializeAsString());
    return {.answered = true};
  }
  void Cancel() override {}
};

// With serialization on the exporter's thread.
void ExporterTakesACall(benchmark::State& state) {
  const calls::Call call = MakeOpenAiStream();
  const auto exporter = SpanExporter::StartWith({}, std::make_unique<Sink>());
  for ([[maybe_unused]] auto _ : state) exporter->OnCall(call);
  state.counters["dropped"] = static_cast<double>(exporter->stats().dropped());
  exporter->Stop(absl::Seconds(10));
}
BENCHMARK(ExporterTakesACall);

// One cumulative export, from the registry to bytes, of series that all changed.
void ExportOfManySeries(benchmark::State& state) {
  const auto series = static_cast<int>(state.range(0));
  Registry registry({.values = static_cast<size_t>(series)});
  MetricRequests requests({.request_bytes = kRequestBytes});
  int64_t now = int64_t{1'700'000'000} * 1'000'000'000;
  size_t bytes = 0;
  for ([[maybe_unused]] auto _ : state) {
    state.PauseTiming();
    for (int i = 0; i < series; ++i) {
      registry.Observe(Metric::kTokenUsage, {{Attribute::kRequestModel, std::to_string(i)}}, i,
                       now);
    }
    state.ResumeTiming();
    requests.Begin(registry.Collect(), ++now);
    while (const auto batch = requests.Next()) {
      bytes += batch->request.SerializeAsString().size();
      requests.Accepted();
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
}
BENCHMARK(ExportOfManySeries)->Arg(5000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sonde::exporter

BENCHMARK_MAIN();
