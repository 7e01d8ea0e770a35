// Everything that hears of calls on behalf of a command line: console, usage records, spans.
#ifndef SONDE_AGENT_CLI_OUTPUTS_H_
#define SONDE_AGENT_CLI_OUTPUTS_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/calls/call.h"
#include "agent/cli/environment.h"
#include "agent/cli/invoking_user.h"
#include "agent/cli/metrics_port.h"
#include "agent/cli/options.h"
#include "agent/export/console/console.h"
#include "agent/export/console/line_output.h"
#include "agent/export/line_queue.h"
#include "agent/export/otlp/settings.h"
#include "agent/export/otlp/span_exporter.h"
#include "agent/export/usage_record_writer.h"
#include "agent/pricing/price_book.h"

namespace sonde::cli {

/// The built-in book with the overrides of --prices and --provider. Errors name flag or file and
/// line.
absl::StatusOr<std::shared_ptr<const pricing::PriceBook>> LoadPrices(const OutputOptions& options);

/// Used on one thread. Create opens files and checks every setting, and changes nothing else; a
/// mistake on the command line is found before the command starts.
class Outputs final : public calls::CallSink {
 public:
  /// What to do about a reader who does not keep up.
  enum class Slow : uint8_t {
    kLose,  ///< Capture and exit never wait; what was lost is in the bill.
    kWait,  ///< Nobody is held up: a replay is whole.
  };

  /// Files belong to `owner` when there is one. `environment` is asked only for --otlp-from-env.
  static absl::StatusOr<std::unique_ptr<Outputs>> Create(const OutputOptions& options,
                                                         const std::optional<User>& owner,
                                                         const Environment& environment, Slow slow);

  /// Starts the exporter's threads; after every fork.
  absl::Status StartExport();

  void OnCall(const calls::Call& call) override;
  void OnNotice(const calls::Notice& notice) override;
  /// See LineOutput; 0 also when no line goes there.
  uint32_t held_terminal() const {
    return json_ || !console_->lines() || lines_file_ != nullptr ? 0 : terminal_->held_terminal();
  }
  /// See LineOutput::HoldWhile.
  void HoldWhile(std::function<bool()> in_use) { terminal_->HoldWhile(std::move(in_use)); }
  void SetOrigin(events::MonoNs ns) { console_->SetOrigin(ns); }

  /// A remark outside the run's own text, for example that a capture file holds prompts.
  void Say(const std::string& line);
  /// Writes what waited for a terminal or a slow reader.
  void Flush();

  /// Sends what waits, for at most `export_deadline`, then prints the bill.
  void Finish(exporter::console::BillFacts facts, absl::Duration export_deadline);

  const exporter::console::Bill& bill() const { return console_->bill(); }

 private:
  Outputs() = default;
  absl::Status OpenLines(const OutputOptions& options, const exporter::LineQueue::Options& queue);
  absl::Status OpenRecords(const OutputOptions& options, const exporter::LineQueue::Options& queue);
  absl::Status ReadExportSettings(const OutputOptions& options, const Environment& environment);
  void AddRecordWarnings(std::vector<std::string>& warnings) const;
  void AddExportWarnings(std::vector<std::string>& warnings) const;

  bool json_ = false;
  exporter::Profile profile_ = exporter::Profile::kSemconv141;
  std::optional<exporter::OtlpSettings> export_settings_;
  std::shared_ptr<exporter::LineQueue> stderr_;
  std::unique_ptr<exporter::console::LineOutput> terminal_;  ///< Bill; lines unless in a file.
  std::unique_ptr<exporter::console::LineOutput> lines_file_;
  std::unique_ptr<exporter::console::Console> console_;
  std::vector<std::unique_ptr<exporter::UsageRecordWriter>> records_;
  std::unique_ptr<exporter::SpanExporter> spans_;
  std::string metrics_address_;
  std::string service_name_;
  std::unique_ptr<MetricsPort> metrics_;
  std::vector<std::string> warnings_;
};

}  // namespace sonde::cli

#endif  // SONDE_AGENT_CLI_OUTPUTS_H_
