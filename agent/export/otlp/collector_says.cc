#include "agent/export/otlp/collector_says.h"

#include <google/protobuf/any.pb.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agent/export/text.h"
#include "sonde/rpc_status.pb.h"

namespace sonde::exporter {
namespace {

namespace otlp = opentelemetry::proto::collector;

constexpr size_t kSentenceBytes = 400;
constexpr std::string_view kRetryInfoType = "/google.rpc.RetryInfo";

std::string_view ItemsOf(Signal signal) {
  switch (signal) {
    case Signal::kMetrics:
      return "data points";
    case Signal::kLogs:
      return "log records";
    case Signal::kTraces:
      break;
  }
  return "spans";
}

SendResult Accepted(std::string_view endpoint, Signal signal, int64_t rejected,
                    const std::string& why) {
  SendResult result;
  result.answered = true;
  if (rejected > 0) {
    result.rejected = static_cast<uint64_t>(rejected);
    result.message =
        Sentence(endpoint, "rejected ",
                 absl::StrCat(result.rejected, " ", std::string(ItemsOf(signal)), ": ", why), "");
  } else if (!why.empty()) {
    result.message = Sentence(endpoint, "warns: ", why, "");
  }
  return result;
}

template <typename Response>
Response Parsed(const std::string& serialized) {
  Response response;
  if (!response.ParseFromString(serialized)) response.Clear();
  return response;
}

}  // namespace

std::string UserAgent() {
  return absl::StrCat("sonde/", SONDE_VERSION, " OTel-OTLP-Exporter-Cpp/", SONDE_VERSION);
}

std::string Sentence(std::string_view endpoint, std::string_view verb, std::string_view what,
                     std::string_view advice) {
  std::string text = "the OTLP collector at ";
  text.append(endpoint).append(" ").append(verb).append(what);
  // Bytes from the network: no line of a log may be forged with them.
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  text = CleanUtf8(text, kSentenceBytes);
  if (!advice.empty()) text.append("; ").append(advice);
  return text;
}

SendResult PartialSuccess(std::string_view endpoint,
                          const otlp::trace::v1::ExportTraceServiceResponse& response) {
  const auto& partial = response.partial_success();
  return Accepted(endpoint, Signal::kTraces, partial.rejected_spans(), partial.error_message());
}

SendResult PartialSuccess(std::string_view endpoint,
                          const otlp::metrics::v1::ExportMetricsServiceResponse& response) {
  const auto& partial = response.partial_success();
  return Accepted(endpoint, Signal::kMetrics, partial.rejected_data_points(),
                  partial.error_message());
}

SendResult PartialSuccess(std::string_view endpoint,
                          const otlp::logs::v1::ExportLogsServiceResponse& response) {
  const auto& partial = response.partial_success();
  return Accepted(endpoint, Signal::kLogs, partial.rejected_log_records(), partial.error_message());
}

SendResult PartialSuccess(std::string_view endpoint, Signal signal, const std::string& response) {
  switch (signal) {
    case Signal::kMetrics:
      return PartialSuccess(endpoint,
                            Parsed<otlp::metrics::v1::ExportMetricsServiceResponse>(response));
    case Signal::kLogs:
      return PartialSuccess(endpoint, Parsed<otlp::logs::v1::ExportLogsServiceResponse>(response));
    case Signal::kTraces:
      break;
  }
  return PartialSuccess(endpoint, Parsed<otlp::trace::v1::ExportTraceServiceResponse>(response));
}

SendResult Ended(std::string_view endpoint, Signal signal) {
  SendResult result;
  result.outcome = SendOutcome::kRetry;
  result.message =
      Sentence(endpoint, "did not answer ", "before Sonde ended",
               absl::StrCat(std::string(ItemsOf(signal)), " were lost; is it an OTLP port?"));
  return result;
}

std::optional<absl::Duration> RetryDelay(const std::string& serialized_status) {
  rpc::Status status;
  if (!status.ParseFromString(serialized_status)) return std::nullopt;
  for (const auto& detail : status.details()) {
    const std::string_view type = detail.type_url();
    rpc::RetryInfo info;
    if (!type.ends_with(kRetryInfoType) || !info.ParseFromString(detail.value())) continue;
    const absl::Duration delay =
        absl::Seconds(info.retry_delay().seconds()) + absl::Nanoseconds(info.retry_delay().nanos());
    if (delay >= absl::ZeroDuration()) return delay;
  }
  return std::nullopt;
}

std::string StatusMessage(const std::string& serialized_status) {
  rpc::Status status;
  if (!status.ParseFromString(serialized_status)) return {};
  return status.message();
}

}  // namespace sonde::exporter
