// A call as an OpenTelemetry span, and its process as the resource.
#ifndef SONDE_AGENT_EXPORT_OTLP_SPAN_H_
#define SONDE_AGENT_EXPORT_OTLP_SPAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/calls/call.h"
#include "agent/export/names.h"
#include "agent/export/otlp/attributes.h"
#include "opentelemetry/proto/resource/v1/resource.pb.h"
#include "opentelemetry/proto/trace/v1/trace.pb.h"

namespace sonde::exporter {

struct SpanOptions {
  Profile profile = Profile::kSemconv141;
  std::string user_salt;      ///< See HashUser.
  bool error_message = true;  ///< The provider's words, masked, where the profile has a name.
};

struct ResourceOptions {
  Profile profile = Profile::kSemconv141;
  std::optional<std::string> service_name;  ///< Given by the user; else unknown_service:EXECUTABLE.
  /// Further attributes (OTEL_RESOURCE_ATTRIBUTES); those that Sonde states itself win.
  std::vector<std::pair<std::string, std::string>> attributes;
  /// Wall clock minus CLOCK_BOOTTIME, for process.creation.time; absent leaves it out.
  std::optional<int64_t> wall_minus_boottime_ns;
};

/// One span per call on the wire, so one per attempt: tokens are billed per attempt. Pure. Holds no
/// message text; every string is valid UTF-8 of bounded length.
///
/// Status is ERROR with error.type when the call failed, else unset. Usage and cost are left out
/// when unknown: estimates, lower bounds and notional costs have names of their own.
opentelemetry::proto::trace::v1::Span ToSpan(const calls::Call& call, const SpanOptions& options);

/// The attributes of that span alone.
void PutCallAttributes(const calls::Call& call, const SpanOptions& options,
                       AttributeList::Target* attributes);

/// `process` may be null. The command line is left out: it can hold secrets.
opentelemetry::proto::resource::v1::Resource ToResource(const calls::Process* process,
                                                        const ResourceOptions& options);

/// Name and version of the scope, "sonde".
opentelemetry::proto::common::v1::InstrumentationScope Scope();

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_SPAN_H_
