#include "agent/export/metrics/call_metrics.h"

#include <optional>
#include <string_view>
#include <utility>

#include "agent/export/service_name.h"
#include "agent/pricing/price_book.h"

namespace sonde::exporter {
namespace {

using enum Attribute;

constexpr uint8_t kSampledFlag = 1;

Labels With(Labels labels, Attribute attribute, std::string_view value) {
  labels.emplace_back(attribute, std::string(value));
  return labels;
}

/// Which series a cost belongs to; nothing where there is none.
std::optional<Metric> CostMetric(const calls::Call& call) {
  using pricing::CostStatus;
  if (!call.quote.total) return std::nullopt;
  switch (call.quote.status) {
    case CostStatus::kProvider:
    case CostStatus::kComputed:
      return call.billing_mode == calls::BillingMode::kPlan ||
                     call.billing_mode == calls::BillingMode::kCapacity
                 ? Metric::kCostNotional
                 : Metric::kCost;
    case CostStatus::kGateway:
      return Metric::kCostGateway;
    case CostStatus::kPartial:
      return Metric::kCostLowerBound;
    case CostStatus::kEstimated:
      return Metric::kCostEstimated;
    case CostStatus::kUnpriced:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

/// One call on its way into the registry.
class CallMetrics::Writer {
 public:
  Writer(const CallMetrics& metrics, const calls::Call& call)
      : metrics_(metrics),
        call_(call),
        now_ns_(call.start_unix_ns + static_cast<int64_t>(call.duration_ns())) {
    common_.emplace_back(kServiceName, Service());
    seed_ = common_;
    seed_.emplace_back(kProviderName, call.provider);
    seed_.emplace_back(kRequestModel, call.request.model);
    common_.emplace_back(kOperationName, std::string(call.operation));
    common_.emplace_back(kProviderName, call.provider);
    common_.emplace_back(kRequestModel, call.request.model);
    common_.emplace_back(kResponseModel, call.response.model);
    common_.emplace_back(kServerAddress, call.server_address);
    if (!call.server_address.empty() && call.server_port != 0) {
      common_.emplace_back(kServerPort, std::to_string(call.server_port));
    }
    with_error_ = common_;
    if (call.error != calls::ErrorClass::kNone) with_error_.emplace_back(kErrorType, ErrorType());
  }

  void All() {
    Count(Metric::kCalls, common_, 1);
    Count(Metric::kSeedCalls, seed_, 1);
    Tokens();
    Times();
    Money();
    Outcome();
    RateLimits();
  }

 private:
  std::string Service() const {
    if (!metrics_.service_name_.empty()) return metrics_.service_name_;
    return DefaultServiceName(call_.process.get());
  }
  std::string ErrorType() const {
    return call_.error_type.empty() ? std::string(calls::ErrorClassName(call_.error))
                                    : call_.error_type;
  }
  bool Emitted(Metric metric) const { return !MetricName(metrics_.profile_, metric).empty(); }

  /// A trace that nobody keeps is no example.
  std::optional<Exemplar> Example(int64_t value) const {
    if ((call_.trace_flags & kSampledFlag) == 0) return std::nullopt;
    return Exemplar{call_.trace_id, call_.span_id, value, now_ns_};
  }
  void Count(Metric metric, const Labels& labels, int64_t amount) {
    if (!Emitted(metric)) return;
    const auto exemplar = Example(amount);
    metrics_.registry_->Add(metric, labels, amount, now_ns_, exemplar ? &*exemplar : nullptr);
  }
  void Observe(Metric metric, const Labels& labels, int64_t value, uint64_t times = 1) {
    if (!Emitted(metric)) return;
    const auto exemplar = Example(value);
    metrics_.registry_->Observe(metric, labels, value, now_ns_, exemplar ? &*exemplar : nullptr,
                                times);
  }

  void Tokens() {
    const dialects::TokenUsage& usage = call_.response.usage;
    const std::optional<int64_t> input = usage.total_input();
    if (input) Observe(Metric::kTokenUsage, With(common_, kTokenType, "input"), *input);
    if (usage.output)
      Observe(Metric::kTokenUsage, With(common_, kTokenType, "output"), *usage.output);
    const std::pair<Metric, std::optional<int64_t>> classes[] = {
        {Metric::kInputTokens, input},
        {Metric::kOutputTokens, usage.output},
        {Metric::kCacheReadTokens, usage.cache_read},
        {Metric::kCacheWriteTokens, usage.total_cache_write()},
        {Metric::kReasoningTokens, usage.reasoning},
    };
    for (const auto& [metric, tokens] : classes) {
      if (tokens) Count(metric, common_, *tokens);
    }
    if (input) Count(Metric::kSeedPromptTokens, seed_, *input);
    if (usage.output) Count(Metric::kSeedCompletionTokens, seed_, *usage.output);
    if (!call_.estimated) return;
    const auto estimated = [this](std::string_view type, const std::optional<int64_t>& tokens) {
      if (tokens) Count(Metric::kEstimatedTokens, With(common_, kTokenType, type), *tokens);
    };
    estimated("input", call_.estimated->total_input());
    estimated("output", call_.estimated->output);
  }

  void Times() {
    const auto duration = static_cast<int64_t>(call_.duration_ns());
    Observe(Metric::kOperationDuration, with_error_, duration);
    Observe(Metric::kSeedResponseTime, seed_, duration);
    if (const auto first = call_.time_to_first_chunk_ns()) {
      Observe(Metric::kTimeToFirstChunk, common_, static_cast<int64_t>(*first));
    }
    // One value for each chunk after the first; what is kept of a stream is their mean.
    if (const auto mean = call_.time_per_output_chunk_ns()) {
      Observe(Metric::kTimePerOutputChunk, common_, static_cast<int64_t>(*mean),
              call_.response.output_event_count - 1);
    }
  }

  void Money() {
    if (const auto metric = CostMetric(call_)) {
      Count(*metric, With(common_, kBillingMode, calls::BillingModeName(call_.billing_mode)),
            *call_.quote.total);
      if (*metric == Metric::kCost) Count(Metric::kSeedCost, seed_, *call_.quote.total);
    } else {
      Count(Metric::kUnpricedCalls, With(common_, kReason, call_.quote.reason), 1);
    }
  }

  void Outcome() {
    if (call_.error != calls::ErrorClass::kNone) {
      Count(Metric::kErrors, With(with_error_, kErrorClass, calls::ErrorClassName(call_.error)), 1);
      Count(Metric::kSeedErrors, seed_, 1);
    }
    if (call_.attempt > 0) Count(Metric::kRetries, common_, 1);
    for (const calls::Incomplete reason : call_.incomplete) {
      Count(Metric::kIncompleteCalls, With(common_, kReason, calls::IncompleteName(reason)), 1);
    }
  }

  void RateLimits() {
    const calls::RateLimits& limits = call_.rate_limits;
    Limit("requests", limits.requests_limit, limits.requests_remaining);
    Limit("tokens", limits.tokens_limit, limits.tokens_remaining);
    Limit("input_tokens", limits.input_tokens_limit, limits.input_tokens_remaining);
    Limit("output_tokens", limits.output_tokens_limit, limits.output_tokens_remaining);
  }
  void Limit(std::string_view kind, const std::optional<int64_t>& limit,
             const std::optional<int64_t>& remaining) {
    const Labels labels = With(seed_, kRateLimitKind, kind);
    if (limit) metrics_.registry_->Set(Metric::kRateLimitLimit, labels, *limit, now_ns_);
    if (remaining)
      metrics_.registry_->Set(Metric::kRateLimitRemaining, labels, *remaining, now_ns_);
  }

  const CallMetrics& metrics_;
  const calls::Call& call_;
  const int64_t now_ns_;
  Labels common_;
  Labels with_error_;
  Labels seed_;
};

void CallMetrics::OnCall(const calls::Call& call) { Writer(*this, call).All(); }

}  // namespace sonde::exporter
