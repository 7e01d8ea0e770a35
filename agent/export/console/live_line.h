// One call as one line for a person.
#ifndef SONDE_AGENT_EXPORT_CONSOLE_LIVE_LINE_H_
#define SONDE_AGENT_EXPORT_CONSOLE_LIVE_LINE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/calls/call.h"

namespace sonde::exporter::console {

struct LineStyle {
  size_t width = 160;  ///< Columns of the terminal.
  bool colour = false;
  bool wrap = true;  ///< Remarks that do not fit go on a line of their own.
};

/// What a line needs to know beside the call.
struct LineContext {
  events::MonoNs origin_ns = 0;       ///< Start of the run; the first column counts from it.
  std::optional<uint64_t> waited_ns;  ///< A retry: time since the attempt before it ended.
};

/// Columns: start of the call since the run's start, provider, model, input (cached), output
/// (thinking), first chunk, duration, rate, cost, remarks. A narrow terminal first shortens the
/// model, then loses in this order: rate, thinking, cached, first chunk, provider, start. Cost,
/// tokens, duration and remarks always stay. Which columns there are depends on the width alone, so
/// lines align. `~` stands before what was estimated; a call without a price says why instead of a
/// cost. No newline at the end.
std::string LiveLine(const calls::Call& call, const LineContext& context, const LineStyle& style);

/// The cost column: "$0.0007066", "~$0.000085", ">=$0.003105", "unpriced: unknown_model", or "" for
/// an error that nobody bills.
std::string CostText(const calls::Call& call);

/// Response's model if there is one, else the request's; sanitised.
std::string ModelText(const calls::Call& call);

/// A reply that failed and reports no usage costs nothing: not a gap in the price book.
bool IsUnbilledError(const calls::Call& call);

}  // namespace sonde::exporter::console

#endif  // SONDE_AGENT_EXPORT_CONSOLE_LIVE_LINE_H_
