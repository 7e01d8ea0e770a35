#include "agent/export/console/bill.h"

#include <algorithm>
#include <limits>

#include "agent/export/console/display.h"

namespace sonde::exporter::console {
namespace {

constexpr size_t kNotices = 64;
constexpr size_t kReasons = 256;
constexpr size_t kNameBytes = 128;
constexpr std::string_view kOther = "(other models)";

uint64_t Count(const std::optional<int64_t>& value) {
  return value && *value > 0 ? static_cast<uint64_t>(*value) : 0;
}

/// The name under which a call is billed, so that dated names of one model share a row.
std::string BilledModel(const calls::Call& call) {
  if (!call.quote.model.empty()) return Sanitize(call.quote.model, kNameBytes);
  if (!call.request.model.empty()) return Sanitize(call.request.model, kNameBytes);
  return ModelText(call);
}

/// Sums stop at the largest amount (9.2 million USD) instead of wrapping around.
void AddMoney(pricing::PicoUsd& sum, pricing::PicoUsd amount) {
  if (__builtin_add_overflow(sum, amount, &sum)) {
    sum = std::numeric_limits<pricing::PicoUsd>::max();
  }
}

bool IsNotional(const calls::Call& call) {
  return call.billing_mode == calls::BillingMode::kPlan ||
         call.billing_mode == calls::BillingMode::kCapacity;
}

}  // namespace

void BillRow::Add(const calls::Call& call) {
  ++calls;
  const dialects::TokenUsage& usage = call.response.usage;
  input += Count(usage.total_input());
  cached += Count(usage.cache_read);
  output += Count(usage.output);
  if (usage.empty()) ++without_usage;
  if (call.error != calls::ErrorClass::kNone) {
    ++errors;
  } else {
    duration.Add(call.duration_ns());
    if (const auto ns = call.time_to_first_chunk_ns()) first.Add(*ns);
  }
  if (!call.quote.total || call.quote.status == pricing::CostStatus::kUnpriced) {
    if (!IsUnbilledError(call)) ++unpriced;
  } else if (call.quote.status == pricing::CostStatus::kEstimated) {
    ++estimated;
    AddMoney(estimated_cost, *call.quote.total);
    if (call.estimated) {
      estimated_input += Count(call.estimated->total_input());
      estimated_output += Count(call.estimated->output);
    }
  } else if (IsNotional(call)) {
    ++notional;
    AddMoney(notional_cost, *call.quote.total);
  } else {
    ++priced;
    AddMoney(cost, *call.quote.total);
    if (call.quote.status == pricing::CostStatus::kPartial) ++partial;
  }
}

void Bill::Add(const calls::Call& call) {
  std::pair<std::string, std::string> key{Sanitize(call.provider, kNameBytes), BilledModel(call)};
  if (!rows_.contains(key) && rows_.size() >= kRows) key = {"", std::string(kOther)};
  BillRow& row = rows_[key];
  row.provider = key.first;
  row.model = key.second;
  const uint64_t unpriced_before = total_.unpriced;
  row.Add(call);
  total_.Add(call);

  if (total_.unpriced != unpriced_before) {
    const std::string reason = call.quote.reason.empty() ? "no_price" : call.quote.reason;
    std::pair<std::string, std::string> why{reason, ModelText(call)};
    if (!unpriced_.contains(why) && unpriced_.size() >= kReasons) why = {reason, "(others)"};
    ++unpriced_[why];
  }
  if (call.quote.status == pricing::CostStatus::kPartial) {
    for (const pricing::Component& component : call.quote.components) {
      if (!component.amount) missing_units_.emplace(pricing::UnitName(component.unit));
    }
  }
  if (!call.incomplete.empty()) ++incomplete_calls_;
  for (calls::Incomplete reason : call.incomplete) {
    ++incomplete_[std::string(calls::IncompleteName(reason))];
  }
  if (call.has_incomplete(calls::Incomplete::kOpenAtEnd)) ++open_at_end_;
}

void Bill::AddNotice(const calls::Notice& notice) {
  const bool known = std::any_of(notices_.begin(), notices_.end(),
                                 [&](const auto& other) { return other.key == notice.key; });
  if (!known && notices_.size() < kNotices) notices_.push_back(notice);
}

std::vector<const BillRow*> Bill::rows() const {
  std::vector<const BillRow*> rows;
  for (const auto& [key, row] : rows_) rows.push_back(&row);
  std::stable_sort(rows.begin(), rows.end(), [](const BillRow* a, const BillRow* b) {
    return a->cost + a->estimated_cost > b->cost + b->estimated_cost;
  });
  return rows;
}

}  // namespace sonde::exporter::console
