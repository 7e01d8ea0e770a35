// The usage record: one JSON line per call, fit for an audit. docs/usage-record.md says what each
// field means.
#ifndef SONDE_AGENT_EXPORT_USAGE_RECORD_H_
#define SONDE_AGENT_EXPORT_USAGE_RECORD_H_

#include <string>
#include <string_view>

#include "agent/calls/call.h"

namespace sonde::exporter {

inline constexpr std::string_view kUsageSchema = "sonde.usage/1";

/// One line, without its newline: valid JSON in valid UTF-8 whatever the call's strings hold. Keys
/// stand in a fixed order, so equal calls give equal bytes. Money is decimal text, never a floating
/// point number. What is not known is left out, never zero. Holds no message text; credentials in
/// the provider's error text are masked; the end user's id is hashed with `user_salt`.
std::string UsageRecord(const calls::Call& call, std::string_view user_salt = {});

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_USAGE_RECORD_H_
