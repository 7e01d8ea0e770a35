// The bill as a table for a person.
#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "agent/export/console/bill.h"
#include "agent/export/console/display.h"

namespace sonde::exporter::console {
namespace {

constexpr std::string_view kGap = "  ";
constexpr size_t kModelFull = 32;
constexpr size_t kModelLeast = 12;
constexpr size_t kLabel = 11;  ///< Columns of a remark's label.
constexpr size_t kLongestLine = 1024;
constexpr size_t kListed = 12;  ///< Entries of one list of remarks; the rest is counted.

struct Column {
  std::string_view title;
  bool right = true;
  int level = 0;  ///< Highest goes first on a narrow terminal, 0 never.
};
enum ColumnIndex { kProvider, kModel, kCalls, kErrors, kIn, kCached, kOut, kCost, kFirst, kTime };
constexpr std::array<Column, 10> kColumns = {{{"provider", false, 3},
                                              {"model", false, 0},
                                              {"calls", true, 0},
                                              {"errors", true, 1},
                                              {"in", true, 0},
                                              {"cached", true, 4},
                                              {"out", true, 0},
                                              {"cost", false, 0},
                                              {"first p50/p95", true, 5},
                                              {"duration p50/p95", true, 2}}};
using Row = std::array<std::string, kColumns.size()>;

std::string Percentiles(const Samples& samples) {
  if (samples.count() == 0) return "-";
  return FormatDuration(*samples.Percentile(50)) + "/" + FormatDuration(*samples.Percentile(95));
}

std::string Money(pricing::PicoUsd amount) { return "$" + pricing::FormatUsd(amount); }

/// With `~` when a call in it was estimated, with `>=` when one is a lower bound.
std::string Notional(const BillRow& row) {
  const std::string_view mark = row.notional_estimated > 0 ? "~"
                                : row.notional_partial > 0 ? ">="
                                                           : "";
  return std::string(mark) + Money(row.notional_cost);
}

/// Exact sum, then what is not in it; "?" is what has no price and stands below the table.
std::string Cost(const BillRow& row) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : " + ") + part; };
  if (row.priced > 0) add((row.partial > 0 ? ">=" : "") + Money(row.cost));
  if (row.estimated > 0) add("~" + Money(row.estimated_cost));
  if (row.notional > 0) add("(" + Notional(row) + " plan)");
  if (row.unpriced > 0) add(text.empty() ? "unpriced" : "?");
  return text.empty() ? "-" : text;
}

/// Stated tokens; `~` shows estimates where nothing was stated at all.
std::string Tokens(uint64_t stated, uint64_t estimated, const BillRow& row) {
  if (row.without_usage == row.calls && row.estimated > 0) {
    return "~" + FormatCount(static_cast<int64_t>(estimated));
  }
  if (row.without_usage == row.calls) return "-";
  return FormatCount(static_cast<int64_t>(stated));
}

Row MakeRow(const BillRow& row) {
  Row cells;
  cells[kProvider] = row.provider;
  cells[kModel] = row.model;
  cells[kCalls] = FormatCount(static_cast<int64_t>(row.calls));
  cells[kErrors] = FormatCount(static_cast<int64_t>(row.errors));
  cells[kIn] = Tokens(row.input, row.estimated_input, row);
  cells[kCached] =
      row.without_usage == row.calls ? "-" : FormatCount(static_cast<int64_t>(row.cached));
  cells[kOut] = Tokens(row.output, row.estimated_output, row);
  cells[kCost] = Cost(row);
  cells[kFirst] = Percentiles(row.first);
  cells[kTime] = Percentiles(row.duration);
  return cells;
}

/// Widths of the columns; 0 for a column that is left out.
std::array<size_t, kColumns.size()> Widths(const std::vector<Row>& table, size_t width) {
  std::array<size_t, kColumns.size()> widths{};
  for (const Row& row : table) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], DisplayWidth(row[i]));
  }
  widths[kModel] = std::min(widths[kModel], kModelFull);
  const auto over = [&] {
    size_t sum = 0;
    for (size_t one : widths) sum += one > 0 ? one + kGap.size() : 0;
    sum -= std::min(sum, kGap.size());
    return sum > width ? sum - width : 0;
  };
  for (int level = 5; level > 0 && over() > 0; --level) {
    for (size_t i = 0; i < widths.size(); ++i) {
      if (kColumns[i].level == level) widths[i] = 0;
    }
  }
  const size_t excess = over();
  if (excess > 0 && widths[kModel] > kModelLeast) {
    widths[kModel] -= std::min(excess, widths[kModel] - kModelLeast);
  }
  return widths;
}

std::string Line(const Row& row, const std::array<size_t, kColumns.size()>& widths) {
  std::string line;
  bool first = true;
  for (size_t i = 0; i < row.size(); ++i) {
    if (widths[i] == 0) continue;
    if (!first) line += kGap;
    first = false;
    const std::string text = i == kModel ? Fit(row[i], widths[i]) : row[i];
    line += kColumns[i].right ? PadLeft(text, widths[i]) : PadRight(text, widths[i]);
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

/// A row that is too long for the terminal all the same goes on below.
std::string Lines(const std::string& line, const LineStyle& style, Colour colour) {
  std::string text;
  bool first = true;
  for (const std::string& part : style.wrap ? Wrap(line, style.width) : std::vector{line}) {
    text += (first ? "" : "\n") + Paint(part, colour, style.colour);
    first = false;
  }
  return text + "\n";
}

std::string Table(const Bill& bill, const LineStyle& style) {
  std::vector<Row> table(1);
  for (size_t i = 0; i < kColumns.size(); ++i) table[0][i] = std::string(kColumns[i].title);
  for (const BillRow* row : bill.rows()) table.push_back(MakeRow(*row));
  BillRow total = bill.total();
  total.model = "total";
  table.push_back(MakeRow(total));
  const auto widths = Widths(table, style.width);
  std::string text = Lines(Line(table.front(), widths), style, Colour::kDim);
  for (size_t i = 1; i + 1 < table.size(); ++i) {
    text += Lines(Line(table[i], widths), style, Colour::kNone);
  }
  return text + Lines(Line(table.back(), widths), style, Colour::kBold);
}

/// "label     text", where the label is one of a few short words.
class Remarks {
 public:
  explicit Remarks(const LineStyle& style) : style_(style) {}
  void Add(std::string_view label, std::string_view text, Colour colour = Colour::kNone) {
    std::string_view before = label;
    const size_t width = std::max(style_.width, kLabel + 20) - kLabel;
    for (const std::string& line :
         style_.wrap ? Wrap(text, width) : std::vector{std::string(text)}) {
      text_ += Paint(PadRight(before, kLabel), colour, style_.colour) + line + "\n";
      before = "";
    }
  }
  std::string Take() { return std::exchange(text_, {}); }

 private:
  const LineStyle& style_;
  std::string text_;
};

std::string Unseen(const calls::Unseen& unseen) {
  std::string text =
      Plural(unseen.connections, unseen.is_requests() ? "request" : "connection") + " to ";
  text += unseen.host.empty() ? "an unknown host" : Sanitize(unseen.host);
  if (unseen.provider_host) text += " (a model provider)";
  // Other kinds are the reason themselves.
  if (unseen.kind == "tls") text += ", tls";
  if (unseen.process) {
    text += ", " + Sanitize(unseen.process->display_name) + "[" +
            std::to_string(unseen.process->id.pid) + "]";
  }
  if (!unseen.reason.empty()) text += ": " + Sanitize(unseen.reason);
  return text;
}

template <typename List, typename Format>
void AddList(Remarks& remarks, std::string_view label, const List& list, Format format) {
  size_t shown = 0;
  for (const auto& entry : list) {
    if (shown == kListed) {
      remarks.Add("", "and " + std::to_string(list.size() - shown) + " more");
      return;
    }
    remarks.Add(shown++ == 0 ? label : "", format(entry), Colour::kYellow);
  }
}

std::string Counts(const std::map<std::string, uint64_t>& counts) {
  std::string text;
  for (const auto& [name, count] : counts) {
    text += (text.empty() ? "" : ", ") + Sanitize(name) + " " +
            FormatCount(static_cast<int64_t>(count));
  }
  return text;
}

uint64_t Sum(const std::map<std::string, uint64_t>& counts) {
  uint64_t sum = 0;
  for (const auto& [name, count] : counts) sum += count;
  return sum;
}

/// Connections that may have carried calls; those to other hosts are not worth a line each.
std::vector<calls::Unseen> Worth(const std::vector<calls::Unseen>& unseen) {
  std::vector<calls::Unseen> worth;
  for (const calls::Unseen& entry : unseen) {
    if (entry.provider_host || entry.kind != "tls") worth.push_back(entry);
  }
  return worth;
}

/// "unsupported: http/2 ..." stands among what was not seen already.
bool IsUnseenProtocol(const calls::Notice& notice, const BillFacts& facts) {
  return std::any_of(facts.unseen.begin(), facts.unseen.end(), [&](const calls::Unseen& unseen) {
    return notice.text.starts_with("unsupported: " + unseen.kind);
  });
}

void AddMoney(Remarks& remarks, const Bill& bill, const std::set<std::string>& why_partial) {
  const BillRow& total = bill.total();
  if (total.estimated > 0) {
    remarks.Add("estimated",
                "~" + Money(total.estimated_cost) + " for " + Plural(total.estimated, "call") +
                    " without usage on the wire; not in the total",
                Colour::kYellow);
  }
  if (total.notional > 0) {
    remarks.Add("notional", Notional(total) + " for " + Plural(total.notional, "call") +
                                " on a plan or reserved capacity; not in the total");
  }
  if (total.partial > 0) {
    std::string why;
    for (const std::string& reason : why_partial) why += (why.empty() ? "" : "; ") + reason;
    remarks.Add("partial", Plural(total.partial, "call") + " at a lower bound: " + why,
                Colour::kYellow);
  }
  if (total.inconsistent > 0) {
    remarks.Add("doubtful",
                Plural(total.inconsistent, "call") +
                    " with usage that does not add up, priced as the provider stated it",
                Colour::kYellow);
  }
  AddList(remarks, "unpriced", bill.unpriced(), [](const auto& entry) {
    return Plural(entry.second, "call") + ": " + Sanitize(entry.first.first) + " (" +
           entry.first.second + ")";
  });
}

}  // namespace

std::string Bill::Format(const BillFacts& facts, const LineStyle& style) const {
  Remarks remarks(style);
  std::string text;
  if (calls() > 0) {
    remarks.Add("bill", Plural(calls(), "call") + " to " + Plural(rows_.size(), "model"),
                Colour::kBold);
    text = remarks.Take() + Table(*this, style);
  }
  std::string_view label = calls() > 0 ? "" : "bill";
  for (const std::string& line : facts.silence) {
    remarks.Add(label, Sanitize(line, kLongestLine), Colour::kBold);
    label = "";
  }
  AddMoney(remarks, *this, why_partial_);
  if (incomplete_calls_ > 0) {
    remarks.Add("incomplete", Plural(incomplete_calls_, "call") + ": " + Counts(incomplete_),
                Colour::kYellow);
  }
  uint64_t unseen = 0;
  for (const calls::Unseen& entry : facts.unseen) unseen += entry.connections;
  const std::vector<calls::Unseen> worth = Worth(facts.unseen);
  AddList(remarks, "unseen", worth, Unseen);
  if (!worth.empty() && !facts.next.empty()) {
    remarks.Add("next", Sanitize(facts.next, kLongestLine), Colour::kCyan);
  }
  if (!facts.losses.empty()) remarks.Add("lost", Counts(facts.losses), Colour::kYellow);
  AddList(remarks, "late", facts.late, [](const BillFacts::LateFile& file) {
    return Sanitize(file.path) + " in " + Sanitize(file.process) + ": probes in " +
           FormatDuration(file.late_ns) + " after it was mapped; what it sent before is not here";
  });
  if (facts.still_running > 0) {
    std::string running = Plural(facts.still_running, "process") + " still running";
    if (open_at_end_ > 0) running += ", " + Plural(open_at_end_, "call") + " open";
    remarks.Add("running", running + " (--wait-all waits for them)", Colour::kYellow);
  }
  for (const calls::Notice& notice : notices_) {
    if (IsUnseenProtocol(notice, facts)) continue;
    remarks.Add("hint", Sanitize(notice.text), Colour::kCyan);
  }
  for (const std::string& warning : facts.warnings) {
    remarks.Add("warning", Sanitize(warning), Colour::kYellow);
  }
  if (!total_.duration.exact()) {
    remarks.Add("note", "percentiles are of a random sample of " +
                            FormatCount(static_cast<int64_t>(Samples::kLimit)) + " calls");
  }
  text += remarks.Take();
  std::string foot = "unseen (" + std::to_string(unseen) + "), lost (" +
                     std::to_string(Sum(facts.losses)) + "), incomplete (" +
                     std::to_string(incomplete_calls_) + ")";
  if (!facts.price_book.empty()) foot += "; prices of " + Sanitize(facts.price_book);
  return text + Lines(foot, style, Colour::kDim);
}

}  // namespace sonde::exporter::console
