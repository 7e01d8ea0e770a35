#include "agent/export/console/live_line.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "agent/export/console/display.h"
#include "agent/export/notional.h"
#include "agent/export/text.h"

namespace sonde::exporter::console {
namespace {

constexpr std::string_view kGap = "  ";
constexpr size_t kModelFull = 28;
constexpr size_t kModelShort = 20;
constexpr size_t kModelLeast = 8;
constexpr size_t kNameBytes = 128;
constexpr size_t kMessageLeast = 24;  ///< Columns below which a provider's message is left out.

enum Column {
  kStart,
  kProvider,
  kModel,
  kIn,
  kCached,
  kOut,
  kThinking,
  kFirst,
  kTime,
  kRate,
  kCost
};
constexpr size_t kColumns = kCost + 1;
constexpr std::array<size_t, kColumns> kWidths = {7, 10, kModelFull, 10, 14, 9, 14, 11, 5, 9, 12};
constexpr std::array kDropped = {kRate, kThinking, kCached, kFirst, kProvider, kStart};

/// Widths of the columns for one terminal width; 0 for a column that is left out.
using Layout = std::array<size_t, kColumns>;

size_t Total(const Layout& layout) {
  size_t sum = 0;
  for (size_t width : layout) sum += width > 0 ? width + kGap.size() : 0;
  return sum - kGap.size();
}

Layout LayoutFor(size_t width) {
  Layout layout = kWidths;
  const auto set_model = [&](size_t least) {
    const size_t others = Total(layout) - layout[kModel];
    layout[kModel] = std::clamp(width > others ? width - others : 0, least, kModelFull);
  };
  set_model(kModelShort);
  for (Column column : kDropped) {
    if (Total(layout) <= width) break;
    layout[column] = 0;
    set_model(kModelShort);
  }
  set_model(kModelLeast);
  return layout;
}

struct Cell {
  std::string text;
  size_t width = 0;
  bool right = false;
  Colour colour = Colour::kNone;
};

constexpr std::string_view kIndent = "    ";

/// Writes the gap before `width` columns of text, or begins a new line when they do not fit.
void BeginCell(size_t width, const LineStyle& style, std::string& line, size_t& used) {
  if (used == 0) return;
  if (style.wrap && used + kGap.size() + width > style.width) {
    while (line.ends_with(' ')) line.pop_back();
    line += "\n" + std::string(kIndent);
    used = kIndent.size();
  } else {
    line += kGap;
    used += kGap.size();
  }
}

/// Collects the cells of one line.
class LineBuilder {
 public:
  explicit LineBuilder(size_t width) : layout_(LayoutFor(width)), width_(width) {}

  void Add(Column column, std::string text, bool right = false, Colour colour = Colour::kNone) {
    if (layout_[column] == 0) return;
    if (column == kModel) model_ = cells_.size();
    cells_.push_back({std::move(text), layout_[column], right, colour});
  }
  void AddFree(std::string text, Colour colour) {
    cells_.push_back({std::move(text), 0, false, colour});
  }

  size_t Width() const {
    size_t sum = 0;
    for (const Cell& cell : cells_) sum += CellWidth(cell) + kGap.size();
    return sum - std::min(sum, kGap.size());
  }

  /// Numbers longer than their columns cost the model its room.
  void ShortenModel() {
    Cell& model = cells_[model_];
    const size_t over = Width() > width_ ? Width() - width_ : 0;
    model.width -= std::min(over, model.width - kModelLeast);
    model.text = Fit(model.text, model.width);
  }

  /// `used` becomes the columns of the last line. Cells that do not fit begin a line of their own.
  std::string Join(const LineStyle& style, size_t& used) const {
    std::string line;
    used = 0;
    for (const Cell& cell : cells_) {
      BeginCell(DisplayWidth(cell.text), style, line, used);
      const std::string text = style.wrap ? Fit(cell.text, style.width - used) : cell.text;
      const size_t width = DisplayWidth(text);
      const size_t room = style.wrap ? std::min(cell.width, style.width - used) : cell.width;
      const std::string blanks(room > width ? room - width : 0, ' ');
      if (cell.right) line += blanks;
      line += text.empty() ? "" : Paint(text, cell.colour, style.colour);
      if (!cell.right) line += blanks;
      used += width + blanks.size();
    }
    while (line.ends_with(' ')) line.pop_back();
    return line;
  }

 private:
  static size_t CellWidth(const Cell& cell) {
    return std::max(cell.width, DisplayWidth(cell.text));
  }

  Layout layout_;
  size_t width_;
  size_t model_ = 0;
  std::vector<Cell> cells_;
};

/// What the wire stated, else the estimate with its mark.
std::string Tokens(const std::optional<int64_t>& stated, const std::optional<int64_t>& estimated) {
  if (stated) return FormatCount(*stated);
  if (estimated) return "~" + FormatCount(*estimated);
  return "?";
}

std::string Part(const std::optional<int64_t>& count, std::string_view what) {
  if (count.value_or(0) <= 0) return "";
  return "(" + FormatCount(*count) + " " + std::string(what) + ")";
}

void AddTokens(const calls::Call& call, LineBuilder& line) {
  const dialects::TokenUsage& stated = call.response.usage;
  const dialects::TokenUsage estimated = call.estimated.value_or(dialects::TokenUsage());
  line.Add(kIn, Tokens(stated.total_input(), estimated.total_input()) + " in", true);
  line.Add(kCached, Part(stated.cache_read, "cached"), false, Colour::kDim);
  line.Add(kOut, Tokens(stated.output, estimated.output) + " out", true);
  line.Add(kThinking, Part(stated.reasoning, "thinking"), false, Colour::kDim);
}

void AddTimes(const calls::Call& call, LineBuilder& line) {
  const std::optional<uint64_t> first = call.time_to_first_chunk_ns();
  const std::optional<double> rate = call.output_rate();
  line.Add(kFirst, first ? "first " + FormatDuration(*first) : "", false, Colour::kDim);
  line.Add(kTime, FormatDuration(call.duration_ns()), true);
  line.Add(kRate, rate ? FormatCount(std::llround(*rate)) + " tok/s" : "", true, Colour::kDim);
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
  if (call.retry_after_ns.value_or(0) > 0) {
    const auto wait = static_cast<uint64_t>(*call.retry_after_ns);
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

/// Behind the line as long as there is room, then on lines of their own.
void AppendRemarks(const calls::Call& call, const LineContext& context, const LineStyle& style,
                   size_t used, std::string& line) {
  for (const auto& [remark, colour] : Remarks(call, context)) {
    BeginCell(DisplayWidth(remark), style, line, used);
    const std::string text = style.wrap ? Fit(remark, style.width - used) : remark;
    line += Paint(text, colour, style.colour);
    used += DisplayWidth(text);
  }
  if (call.error_message.empty() || used + kGap.size() + kMessageLeast > style.width) return;
  const std::string message = Sanitize(MaskSecrets(call.error_message));
  line += kGap;
  line += Paint(Fit(message, style.width - used - kGap.size()), Colour::kDim, style.colour);
}

}  // namespace

bool IsUnbilledError(const calls::Call& call) {
  const bool no_price = call.quote.reason == "not_billed" || call.quote.reason == "no_usage";
  return call.error != calls::ErrorClass::kNone && !call.quote.total && no_price &&
         call.response.usage.empty();
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
  if (IsNotional(call)) {
    text = "(" + text + " " + std::string(calls::BillingModeName(call.billing_mode)) + ")";
  }
  return text;
}

std::string LiveLine(const calls::Call& call, const LineContext& context, const LineStyle& style) {
  const bool failed = call.error != calls::ErrorClass::kNone;
  const bool has_usage = !call.response.usage.empty() || call.estimated;
  const uint64_t since = call.start_ns > context.origin_ns ? call.start_ns - context.origin_ns : 0;
  LineBuilder line(style.width);
  line.Add(kStart, FormatElapsed(since), true, Colour::kDim);
  line.Add(kProvider, Fit(Sanitize(call.provider, kNameBytes), 20), false, Colour::kCyan);
  line.Add(kModel, Fit(ModelText(call), kModelFull));
  if (failed) line.AddFree(ErrorText(call), Colour::kRed);
  if (failed && !has_usage) {
    line.Add(kTime, FormatDuration(call.duration_ns()), true);
  } else {
    AddTokens(call, line);
    AddTimes(call, line);
  }
  const std::string cost = CostText(call);
  if (!cost.empty()) {
    line.Add(kCost, cost, false, call.quote.total ? Colour::kGreen : Colour::kYellow);
  }
  line.ShortenModel();
  size_t used = 0;
  std::string text = line.Join(style, used);
  AppendRemarks(call, context, style, used, text);
  return text;
}

}  // namespace sonde::exporter::console
