// One way to carry an export request to a collector.
#ifndef SONDE_AGENT_EXPORT_OTLP_TRANSPORT_H_
#define SONDE_AGENT_EXPORT_OTLP_TRANSPORT_H_

#include <google/protobuf/message_lite.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/export/otlp/settings.h"

namespace sonde::exporter {

enum class SendOutcome : uint8_t {
  kAccepted,  ///< Whole, or in part: see `rejected`. Never sent again.
  kRetry,     ///< Retryable by OTLP's table, or no answer came.
  kRefused,   ///< Final.
};

struct SendResult {
  SendOutcome outcome = SendOutcome::kAccepted;
  uint64_t rejected = 0;                      ///< Items that an accepting collector refused.
  bool answered = false;                      ///< The collector said something: it lives.
  std::optional<absl::Duration> retry_after;  ///< The collector asked to wait so long.
  std::string message;  ///< For a person: the endpoint, what happened, what to do. Empty if whole.
};

/// Send() is called by one thread, Cancel() by any.
class OtlpTransport {
 public:
  using Request = google::protobuf::MessageLite;
  virtual ~OtlpTransport() = default;
  /// Blocks for at most `timeout`. `request` is the signal's own Export...ServiceRequest.
  virtual SendResult Send(Signal signal, const Request& request, absl::Duration timeout) = 0;
  /// Ends a Send() under way soon; later ones fail at once.
  virtual void Cancel() = 0;
};

/// InvalidArgument or NotFound for certificates that cannot be read; nothing is connected yet.
absl::StatusOr<std::unique_ptr<OtlpTransport>> MakeGrpcTransport(const OtlpSettings& settings);
absl::StatusOr<std::unique_ptr<OtlpTransport>> MakeHttpTransport(const OtlpSettings& settings);
/// By settings.protocol. InvalidArgument for a header that cannot be sent; its value is not shown.
absl::StatusOr<std::unique_ptr<OtlpTransport>> MakeTransport(const OtlpSettings& settings);
/// The same for an exporter of `signal`. InvalidArgument when the settings do not say where to.
absl::StatusOr<std::unique_ptr<OtlpTransport>> MakeTransport(Signal signal,
                                                             const OtlpSettings& settings);

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_TRANSPORT_H_
