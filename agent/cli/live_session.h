// One run of the kernel as a source: capture, recorder, hub, and the loop's turn.
#ifndef SONDE_AGENT_CLI_LIVE_SESSION_H_
#define SONDE_AGENT_CLI_LIVE_SESSION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/capture/file/capture_writer.h"
#include "agent/capture/file/masker.h"
#include "agent/capture/live_capture.h"
#include "agent/cli/event_hub.h"
#include "agent/cli/options.h"
#include "agent/cli/outputs.h"
#include "agent/flow/exchange_sink.h"

namespace sonde::cli {

/// Settings under which a capture file repeats its run; names of CaptureHeader::settings.
inline constexpr char kSettingProviders[] = "providers";
inline constexpr char kSettingCommand[] = "command";

/// Used on one thread.
class LiveSession final : public flow::VerdictSink {
 public:
  /// Loads the kernel programs; with a capture file named, opens it first. Forks (the keeper): call
  /// it before any thread starts.
  static absl::StatusOr<std::unique_ptr<LiveSession>> Start(
      const Options& options, const std::optional<User>& owner,
      std::shared_ptr<const pricing::PriceBook> book, Outputs* outputs);
  ~LiveSession() override;

  capture::CaptureSource& capture() { return *capture_; }
  EventHub& hub() { return *hub_; }

  /// Waits for the ring, for one of `wake` or for at most 25 ms, then takes events. An error of the
  /// ring is reported once and ends the taking of events; the waiting goes on.
  void Turn(const std::vector<int>& wake);
  /// Takes what the ring still holds until `pid`'s end was seen, for at most 100 ms.
  void DrainUntilExit(uint32_t pid);

  /// Stops the capture and prints everything.
  void Finish(const EventHub::BillContext& context);

  /// A sentence for the bill.
  void Warn(std::string warning) { warnings_.push_back(std::move(warning)); }

  void OnVerdict(const flow::Verdict& verdict) override;

 private:
  LiveSession() = default;
  absl::Status OpenRecorder(const Options& options, const std::optional<User>& owner,
                            const pricing::PriceBook& book);
  void AddCaptureWarnings(exporter::console::BillFacts& facts);

  Outputs* outputs_ = nullptr;
  std::string id_seed_;
  std::string capture_path_;
  std::unique_ptr<capture::CaptureWriter> writer_;
  std::unique_ptr<EventHub> hub_;
  std::unique_ptr<capture::Masker> masker_;  ///< Before the hub: a replay sees what it let through.
  std::unique_ptr<capture::CaptureSource> capture_;
  bool broken_ = false;
  std::vector<std::string> warnings_;
};

}  // namespace sonde::cli

#endif  // SONDE_AGENT_CLI_LIVE_SESSION_H_
