#include "agent/export/console/live_line.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "agent/export/console/display.h"
#include "agent/export/text.h"

namespace sonde::exporter::console {
namespace {

constexpr std::string_view kGap = "  ";
constexpr size_t kModelFull = 28;
constexpr size_t kModelShort = 20;
constexpr size_t kModelLeast = 8;
constexpr size_t kNameBytes = 128;
constexpr size_t kMessageLeast = 24;  ///< Columns below which a provider's message is left out.

/// One column. `level` says when a narrow terminal drops it: the highest level goes first, level 0
/// never.
struct Cell {
  std::string text;
  size_t width = 0;
  bool right = false;
  int level = 0;
  Colour colour = Colour::kNone;
};
constexpr int kStartLevel = 1;
constexpr int kProviderLevel = 2;
constexpr int kFirstLevel = 3;
constexpr int kCachedLevel = 4;
constexpr int kThinkingLevel = 5;
constexpr int kRateLevel = 6;

size_t CellWidth(const Cell& cell) { return std::max(cell.width, DisplayWidth(cell.text)); }

std::string Tokens(const std::optional<int64_t>& value, bool estimated) {
  if (!value) return "?";
  return (estimated ? "~" : "") + FormatCount(*value);
}

std::string Rate(const calls::Call& call) {
  const std::optional<double> rate = call.output_rate();
  if (!rate) return "";
  return FormatCount(std::llround(*rate)) + " tok/s";
}

void AddTokens(const calls::Call& call, std::vector<Cell>& cells) {
  const bool estimated = call.estimated.has_value();
  const dialects::TokenUsage& usage = estimated ? *call.estimated : call.response.usage;
  std::string cached;
  std::string thinking;
  if (usage.cache_read.value_or(0) > 0) {
    cached = "(" + FormatCount(*usage.cache_read) + " cached)";
  }
  if (usage.reasoning.value_or(0) > 0) {
    thinking = "(" + FormatCount(*usage.reasoning) + " thinking)";
  }
  cells.push_back({Tokens(usage.total_input(), estimated) + " in", 9, true});
  cells.push_back({cached, 14, false, kCachedLevel, Colour::kDim});
  cells.push_back({Tokens(usage.output, estimated) + " out", 9, true});
  cells.push_back({thinking, 14, false, kThinkingLevel, Colour::kDim});
}

void AddTimes(const calls::Call& call, std::vector<Cell>& cells) {
  const std::optional<uint64_t> first = call.time_to_first_chunk_ns();
  cells.push_back(
      {first ? "first " + FormatDuration(*first) : "", 11, false, kFirstLevel, Colour::kDim});
  cells.push_back({FormatDuration(call.duration_ns()), 5, true});
  cells.push_back({Rate(call), 9, true, kRateLevel, Colour::kDim});
}

std::string ErrorText(const calls::Call& call) {
  std::string text;
  if (call.http_status >= 400) text = std::to_string(call.http_status) + " ";
  text += calls::ErrorClassName(call.error);
  const std::string type = Sanitize(call.error_type, kNameBytes);
  const bool is_status = type == std::to_string(call.http_status);
  if (!type.empty() && !is_status && type != calls::ErrorClassName(call.error)) {
    text += " (" + type + ")";
  }
  return text;
}

/// Short remarks behind the cost: what keeps the line from being the whole truth.
std::vector<std::pair<std::string, Colour>> Remarks(const calls::Call& call,
                                                    const LineContext& context) {
  std::vector<std::pair<std::string, Colour>> remarks;
  if (call.attempt > 0) {
    std::string text = "retry " + std::to_string(call.attempt);
    if (context.waited_ns) text += " after " + FormatDuration(*context.waited_ns);
    remarks.emplace_back(std::move(text), Colour::kYellow);
  }
  if (call.retry_after_ns) {
    const auto wait = static_cast<uint64_t>(std::max<int64_t>(*call.retry_after_ns, 0));
    remarks.emplace_back("asks to wait " + FormatDuration(wait), Colour::kYellow);
  }
  if (call.client_aborted && call.error != calls::ErrorClass::kClientAbort) {
    remarks.emplace_back("aborted by the client", Colour::kYellow);
  }
  std::string incomplete;
  for (calls::Incomplete reason : call.incomplete) {
    incomplete += (incomplete.empty() ? "incomplete: " : ", ");
    incomplete += calls::IncompleteName(reason);
  }
  if (!incomplete.empty()) remarks.emplace_back(std::move(incomplete), Colour::kYellow);
  if (call.response.usage_is_partial) remarks.emplace_back("usage partial", Colour::kYellow);
  if (call.response.usage.inconsistent) {
    remarks.emplace_back("usage inconsistent", Colour::kYellow);
  }
  return remarks;
}

/// Drops columns until the line fits, shortening the model first. Returns the model's width.
size_t FitColumns(std::vector<Cell>& cells, size_t model, size_t width) {
  const auto total = [&] {
    size_t sum = 0;
    for (const Cell& cell : cells) sum += CellWidth(cell) + kGap.size();
    return sum - std::min(sum, kGap.size());
  };
  const auto shorten = [&](size_t least) {
    const size_t over = total() > width ? total() - width : 0;
    size_t& now = cells[model].width;
    const size_t target = now > over ? std::max(now - over, least) : least;
    if (target < now) {
      cells[model].text = Fit(cells[model].text, target);
      now = target;
    }
  };
  shorten(kModelShort);
  for (int level = kRateLevel; level > 0 && total() > width; --level) {
    for (size_t i = cells.size(); i-- > 0;) {
      if (cells[i].level != level) continue;
      cells.erase(cells.begin() + static_cast<std::ptrdiff_t>(i));
      if (i < model) --model;
    }
  }
  shorten(kModelLeast);
  return model;
}

std::string Join(const std::vector<Cell>& cells, bool colour) {
  std::string line;
  for (const Cell& cell : cells) {
    if (!line.empty()) line += kGap;
    const std::string padded =
        cell.right ? PadLeft(cell.text, cell.width) : PadRight(cell.text, cell.width);
    line += Paint(padded, cell.colour, colour && !cell.text.empty());
  }
  return line;
}

std::vector<Cell> Head(const calls::Call& call, const LineContext& context, size_t& model) {
  const uint64_t since = call.start_ns > context.origin_ns ? call.start_ns - context.origin_ns : 0;
  std::vector<Cell> cells;
  cells.push_back({FormatElapsed(since), 7, true, kStartLevel, Colour::kDim});
  cells.push_back({Sanitize(call.provider, kNameBytes), 10, false, kProviderLevel, Colour::kCyan});
  model = cells.size();
  cells.push_back({Fit(ModelText(call), kModelFull), kModelFull});
  return cells;
}

}  // namespace

bool IsUnbilledError(const calls::Call& call) {
  return call.error != calls::ErrorClass::kNone && !call.quote.total &&
         call.quote.reason == "no_usage" && call.response.usage.empty();
}

std::string ModelText(const calls::Call& call) {
  const std::string& name = call.response.model.empty() ? call.request.model : call.response.model;
  return name.empty() ? "(no model)" : Sanitize(name, kNameBytes);
}

std::string CostText(const calls::Call& call) {
  using pricing::CostStatus;
  if (call.quote.status == CostStatus::kUnpriced || !call.quote.total) {
    if (IsUnbilledError(call)) return "";
    return "unpriced: " + (call.quote.reason.empty() ? "no_price" : call.quote.reason);
  }
  std::string text = "$" + pricing::FormatUsd(*call.quote.total);
  if (call.quote.status == CostStatus::kEstimated) text = "~" + text;
  if (call.quote.status == CostStatus::kPartial) text = ">=" + text;
  const bool notional = call.billing_mode == calls::BillingMode::kPlan ||
                        call.billing_mode == calls::BillingMode::kCapacity;
  if (notional) {
    text = "(" + text + " " + std::string(calls::BillingModeName(call.billing_mode)) + ")";
  }
  return text;
}

std::string LiveLine(const calls::Call& call, const LineContext& context, const LineStyle& style) {
  size_t model = 0;
  std::vector<Cell> cells = Head(call, context, model);
  const bool failed = call.error != calls::ErrorClass::kNone;
  const bool has_usage = !call.response.usage.empty() || call.estimated;
  if (failed) cells.push_back({ErrorText(call), 0, false, 0, Colour::kRed});
  if (!failed || has_usage) AddTokens(call, cells);
  if (failed && !has_usage) {
    cells.push_back({FormatDuration(call.duration_ns()), 5, true});
  } else {
    AddTimes(call, cells);
  }
  const std::string cost = CostText(call);
  if (!cost.empty()) {
    const bool priced = call.quote.total.has_value();
    cells.push_back({cost, 10, false, 0, priced ? Colour::kGreen : Colour::kYellow});
  }
  for (auto& [text, colour] : Remarks(call, context)) {
    cells.push_back({std::move(text), 0, false, 0, colour});
  }
  FitColumns(cells, model, style.width);
  std::string line = Join(cells, style.colour);

  size_t used = 0;
  for (const Cell& cell : cells) used += CellWidth(cell) + kGap.size();
  if (failed && !call.error_message.empty() && used + kMessageLeast <= style.width) {
    const std::string message = Sanitize(MaskSecrets(call.error_message));
    line += kGap;
    line += Paint(Fit(message, style.width - used), Colour::kDim, style.colour);
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

}  // namespace sonde::exporter::console
