#include "agent/export/console/bill.h"

#include <algorithm>
#include <limits>

#include "agent/calls/billing.h"
#include "agent/export/console/display.h"
#include "agent/export/notional.h"

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

/// What a lower bound leaves out.
void AddWhyPartial(const calls::Call& call, std::set<std::string>& why) {
  const size_t before = why.size();
  bool said = false;
  const auto say = [&](std::string text) {
    why.insert(std::move(text));
    said = true;
  };
  for (const pricing::Component& component : call.quote.components) {
    if (!component.amount) {
      say("no price for " + std::string(pricing::UnitName(component.unit)));
    }
  }
  if (call.quote.reason == calls::kTierNotStated) say("the service tier was not stated");
  if (call.quote.reason == calls::kRegionNotPriced) say("no price for the host's region");
  const dialects::TokenUsage& usage = call.response.usage;
  if (call.response.usage_is_partial) say("the stream ended before its final usage");
  if (usage.write_split_unknown) say("the time to live of cache writes was not stated");
  if (!usage.total_input()) say("input tokens were not stated");
  if (!usage.output) say("output tokens were not stated");
  if (!said && why.size() == before) say("part of the usage is not known");
}

}  // namespace

void BillRow::Add(const calls::Call& call) {
  ++calls;
  const dialects::TokenUsage& usage = call.response.usage;
  input += Count(usage.total_input());
  cached += Count(usage.cache_read);
  output += Count(usage.output);
  if (usage.empty()) ++without_usage;
  if (usage.inconsistent) ++inconsistent;
  if (call.error != calls::ErrorClass::kNone) {
    ++errors;
  } else {
    duration.Add(call.duration_ns());
    if (const auto ns = call.time_to_first_chunk_ns()) first.Add(*ns);
  }
  if (!call.quote.total || call.quote.status == pricing::CostStatus::kUnpriced) {
    if (!IsUnbilledError(call)) ++unpriced;
  } else if (IsNotional(call)) {
    ++notional;
    AddMoney(notional_cost, *call.quote.total);
    if (call.quote.status == pricing::CostStatus::kEstimated) ++notional_estimated;
    if (call.quote.status == pricing::CostStatus::kPartial) ++notional_partial;
  } else if (call.quote.status == pricing::CostStatus::kEstimated) {
    ++estimated;
    AddMoney(estimated_cost, *call.quote.total);
    if (call.estimated) {
      estimated_input += Count(call.estimated->total_input());
      estimated_output += Count(call.estimated->output);
    }
  } else {
    ++priced;
    AddMoney(cost, *call.quote.total);
    if (call.quote.status == pricing::CostStatus::kPartial) ++partial;
  }
}

void BillRow::Add(const BillRow& other) {
  calls += other.calls;
  errors += other.errors;
  input += other.input;
  cached += other.cached;
  output += other.output;
  without_usage += other.without_usage;
  priced += other.priced;
  partial += other.partial;
  inconsistent += other.inconsistent;
  AddMoney(cost, other.cost);
  estimated += other.estimated;
  estimated_input += other.estimated_input;
  estimated_output += other.estimated_output;
  AddMoney(estimated_cost, other.estimated_cost);
  notional += other.notional;
  notional_estimated += other.notional_estimated;
  notional_partial += other.notional_partial;
  AddMoney(notional_cost, other.notional_cost);
  unpriced += other.unpriced;
  first.Add(other.first);
  duration.Add(other.duration);
}

/// A failed call has only the name on the wire. Once a call with that name was found in the price
/// book, both belong to one row, whichever came first.
void Bill::LearnNames(const Key& row, const calls::Call& call) {
  for (const std::string& name : {call.request.model, call.response.model}) {
    const Key wire{row.first, Sanitize(name, kNameBytes)};
    if (name.empty() || wire == row || (!names_.contains(wire) && names_.size() >= 4 * kRows)) {
      continue;
    }
    const auto [learned, is_new] = names_.emplace(wire, row.second);
    if (!is_new && learned->second != row.second) learned->second.clear();
    const auto other = rows_.find(wire);
    if (!is_new || other == rows_.end() || other->second.in_book) continue;
    rows_[row].Add(other->second);
    rows_.erase(other);
  }
}

BillRow& Bill::RowOf(const calls::Call& call) {
  Key key{Sanitize(call.provider, kNameBytes), BilledModel(call)};
  const bool in_book = !call.quote.model.empty();
  if (!in_book) {
    const auto learned = names_.find(key);
    if (learned != names_.end() && !learned->second.empty()) key.second = learned->second;
  }
  if (!rows_.contains(key) && rows_.size() >= kRows) key = {"", std::string(kOther)};
  BillRow& row = rows_[key];
  row.provider = key.first;
  row.model = key.second;
  row.in_book = row.in_book || in_book;
  if (in_book && !key.first.empty()) LearnNames(key, call);
  return row;
}

void Bill::Add(const calls::Call& call) {
  BillRow& row = RowOf(call);
  const uint64_t unpriced_before = total_.unpriced;
  row.Add(call);
  total_.Add(call);

  if (total_.unpriced != unpriced_before) {
    const std::string reason = call.quote.reason.empty() ? "no_price" : call.quote.reason;
    std::pair<std::string, std::string> why{reason, ModelText(call)};
    if (!unpriced_.contains(why) && unpriced_.size() >= kReasons) why = {reason, "(others)"};
    ++unpriced_[why];
  }
  if (call.quote.status == pricing::CostStatus::kPartial) AddWhyPartial(call, why_partial_);
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
