#include "agent/export/otlp/collector_says.h"

#include <google/protobuf/any.pb.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agent/export/text.h"
#include "sonde/rpc_status.pb.h"

namespace sonde::exporter {
namespace {

constexpr size_t kSentenceBytes = 400;
constexpr std::string_view kRetryInfoType = "/google.rpc.RetryInfo";

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

SendResult PartialSuccess(
    std::string_view endpoint,
    const opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse& response) {
  SendResult result;
  result.answered = true;
  const auto& partial = response.partial_success();
  if (partial.rejected_spans() > 0) {
    result.rejected = static_cast<uint64_t>(partial.rejected_spans());
    result.message =
        Sentence(endpoint, "rejected ",
                 absl::StrCat(result.rejected, " spans: ", partial.error_message()), "");
  } else if (!partial.error_message().empty()) {
    result.message = Sentence(endpoint, "warns: ", partial.error_message(), "");
  }
  return result;
}

SendResult Ended(std::string_view endpoint) {
  SendResult result;
  result.outcome = SendOutcome::kRetry;
  result.message = Sentence(endpoint, "did not answer ", "before Sonde ended",
                            "spans were lost; is it an OTLP port?");
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
