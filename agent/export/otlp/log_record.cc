#include "agent/export/otlp/log_record.h"

#include <cstdint>

namespace sonde::exporter {

namespace otlp = opentelemetry::proto::logs::v1;

otlp::LogRecord ToLogRecord(const calls::Call& call, const SpanOptions& options) {
  otlp::LogRecord record;
  const uint64_t end = static_cast<uint64_t>(call.start_unix_ns) + call.duration_ns();
  record.set_time_unix_nano(end);
  record.set_observed_time_unix_nano(end);
  record.set_event_name(kInferenceEvent.data(), kInferenceEvent.size());
  const bool failed = call.error != calls::ErrorClass::kNone;
  record.set_severity_number(failed ? otlp::SEVERITY_NUMBER_ERROR : otlp::SEVERITY_NUMBER_INFO);
  record.set_severity_text(failed ? "ERROR" : "INFO");
  record.set_trace_id(call.trace_id.data(), call.trace_id.size());
  record.set_span_id(call.span_id.data(), call.span_id.size());
  record.set_flags(call.trace_flags);
  // Unlike spans, logs are read by many: no text of the provider's, which can repeat the caller's.
  SpanOptions without_text = options;
  without_text.error_message = false;
  PutCallAttributes(call, without_text, record.mutable_attributes());
  return record;
}

}  // namespace sonde::exporter
