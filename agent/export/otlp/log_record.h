// A call as an OpenTelemetry event: a log record that its name describes.
#ifndef SONDE_AGENT_EXPORT_OTLP_LOG_RECORD_H_
#define SONDE_AGENT_EXPORT_OTLP_LOG_RECORD_H_

#include "agent/calls/call.h"
#include "agent/export/otlp/span.h"
#include "opentelemetry/proto/logs/v1/logs.pb.h"

namespace sonde::exporter {

/// The event gen_ai.client.inference.operation.details of the GenAI conventions, at the call's end:
/// ERROR when the call failed, else INFO. Has the attributes and the ids of the call's span. Holds
/// no text of messages and no body. Pure.
opentelemetry::proto::logs::v1::LogRecord ToLogRecord(const calls::Call& call,
                                                      const SpanOptions& options);

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_LOG_RECORD_H_
