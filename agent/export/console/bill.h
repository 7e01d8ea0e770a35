// The bill: sums over the calls of a run, per model, and what they leave out.
#ifndef SONDE_AGENT_EXPORT_CONSOLE_BILL_H_
#define SONDE_AGENT_EXPORT_CONSOLE_BILL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent/calls/call.h"
#include "agent/export/console/live_line.h"
#include "agent/export/console/samples.h"

namespace sonde::exporter::console {

/// Sums over the calls of one model. Money is exact: integers of 1e-12 USD.
struct BillRow {
  std::string provider;
  std::string model;
  uint64_t calls = 0;
  uint64_t errors = 0;
  uint64_t input = 0;  ///< As stated by providers; estimates are not in it.
  uint64_t cached = 0;
  uint64_t output = 0;
  uint64_t without_usage = 0;  ///< Calls that state no tokens.
  uint64_t priced = 0;         ///< Calls in `cost`, of which
  uint64_t partial = 0;        ///< so many are lower bounds.
  uint64_t inconsistent = 0;   ///< Calls whose usage, as the provider states it, cannot add up.
  pricing::PicoUsd cost = 0;
  uint64_t estimated = 0;  ///< Calls in the sums that follow.
  uint64_t estimated_input = 0;
  uint64_t estimated_output = 0;
  pricing::PicoUsd estimated_cost = 0;
  uint64_t notional = 0;  ///< Calls on a plan or reserved capacity: nobody is billed for them.
  uint64_t notional_estimated = 0;  ///< Of them, estimated ones
  uint64_t notional_partial = 0;    ///< and lower bounds.
  pricing::PicoUsd notional_cost = 0;
  bool in_book = false;   ///< `model` is the price book's name.
  uint64_t unpriced = 0;  ///< Calls whose cost is not known, errors that nobody bills left out.
  Samples first;          ///< Time to first chunk of streams that succeeded.
  Samples duration;       ///< Of calls that succeeded.

  void Add(const calls::Call& call);
  void Add(const BillRow& other);
};

/// What the bill says beside the sums; filled by whoever ran the capture.
struct BillFacts {
  std::vector<calls::Unseen> unseen;
  std::map<std::string, uint64_t> losses;  ///< By cause.
  struct LateFile {
    std::string process;
    std::string path;
    uint64_t late_ns = 0;
  };
  std::vector<LateFile> late;
  uint64_t still_running = 0;         ///< Descendants that outlived the command.
  std::vector<std::string> silence;   ///< When no call was seen: why, line by line.
  std::string next;                   ///< Else, the command to type next for what was not seen.
  std::vector<std::string> warnings;  ///< Spans not delivered, a file not written, ...
  std::string price_book;             ///< Version.
};

/// Counts calls; keeps no call. Used on one thread.
class Bill {
 public:
  /// Rows beyond this many fold into one named "(other models)".
  static constexpr size_t kRows = 200;

  void Add(const calls::Call& call);
  /// Equal keys are kept once, at most 64.
  void AddNotice(const calls::Notice& notice);

  /// The table and its remarks, each line ended by a newline. The cost of the total row is exactly
  /// the sum of the rows' costs. A narrow terminal loses columns in this order: time to first
  /// chunk, cached, provider, duration, errors.
  std::string Format(const BillFacts& facts, const LineStyle& style) const;
  /// One JSON object in one line, without its newline; money is decimal text.
  std::string Json(const BillFacts& facts) const;

  uint64_t calls() const { return total_.calls; }
  const BillRow& total() const { return total_; }
  /// In order of cost, dearest first; then by name.
  std::vector<const BillRow*> rows() const;
  /// Calls without a known cost by "reason model"; calls that are not whole by reason.
  const std::map<std::pair<std::string, std::string>, uint64_t>& unpriced() const {
    return unpriced_;
  }
  const std::map<std::string, uint64_t>& incomplete() const { return incomplete_; }
  const std::vector<calls::Notice>& notices() const { return notices_; }
  uint64_t incomplete_calls() const { return incomplete_calls_; }
  uint64_t open_at_end() const { return open_at_end_; }

 private:
  using Key = std::pair<std::string, std::string>;  ///< Provider, model.
  BillRow& RowOf(const calls::Call& call);
  void LearnNames(const Key& row, const calls::Call& call);

  std::map<Key, BillRow> rows_;
  BillRow total_;
  std::map<std::pair<std::string, std::string>, uint64_t> unpriced_;
  /// Names on the wire -> the price book's model; empty when there is more than one.
  std::map<Key, std::string> names_;
  std::set<std::string> why_partial_;
  std::map<std::string, uint64_t> incomplete_;
  std::vector<calls::Notice> notices_;
  uint64_t incomplete_calls_ = 0;
  uint64_t open_at_end_ = 0;
};

}  // namespace sonde::exporter::console

#endif  // SONDE_AGENT_EXPORT_CONSOLE_BILL_H_
