#include "agent/cli/outputs.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace sonde::cli {
namespace {

using exporter::console::BillFacts;
using exporter::console::Console;
using exporter::console::LineOutput;

/// A reader who takes nothing for so long is given up at the end: leaving takes at most 200 ms.
constexpr int kStallMs = 30;
constexpr int kBillStallMs = 60;
constexpr char kStandardOutput[] = "-";

exporter::LineQueue::Options QueueOptions(const std::optional<User>& user, bool patient) {
  exporter::LineQueue::Options options;
  if (user) options.owner = exporter::FileOwner{user->uid, user->gid, user->groups};
  options.patient = patient;
  return options;
}

absl::Status Prefixed(std::string_view flag, const absl::Status& status) {
  return {status.code(), absl::StrCat(std::string(flag), ": ", status.message())};
}

int64_t WallMinusBoottime() {
  timespec wall{};
  timespec boot{};
  clock_gettime(CLOCK_REALTIME, &wall);
  clock_gettime(CLOCK_BOOTTIME, &boot);
  return (static_cast<int64_t>(wall.tv_sec) - boot.tv_sec) * 1'000'000'000 + wall.tv_nsec -
         boot.tv_nsec;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const pricing::PriceBook>> LoadPrices(const OutputOptions& options) {
  std::vector<pricing::BookSource> sources;
  if (!options.prices.empty()) {
    absl::StatusOr<std::vector<pricing::BookSource>> read =
        pricing::ReadOverrideDirectory(options.prices);
    if (!read.ok()) return Prefixed("--prices", read.status());
    sources = *std::move(read);
  }
  absl::StatusOr<std::string> providers = ProviderSource(options.providers);
  if (!providers.ok()) return providers.status();
  if (!providers->empty()) sources.push_back({"--provider", *std::move(providers)});
  auto book = pricing::LoadPriceBook(sources);
  // The mappings are a source without lines as far as a person is concerned.
  const std::string_view message(book.status().message().data(), book.status().message().size());
  constexpr std::string_view kFromFlag = "--provider:1:";
  if (!book.ok() && message.starts_with(kFromFlag)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--provider:", std::string(message.substr(kFromFlag.size()))));
  }
  return book;
}

absl::StatusOr<std::unique_ptr<Outputs>> Outputs::Create(const OutputOptions& options,
                                                         const std::optional<User>& owner,
                                                         const Environment& environment,
                                                         Slow slow) {
  std::unique_ptr<Outputs> outputs(new Outputs);
  const absl::StatusOr<exporter::Profile> profile = exporter::ParseProfile(options.profile);
  if (!profile.ok()) return Prefixed("--profile", profile.status());
  outputs->profile_ = *profile;
  outputs->json_ = options.json;
  outputs->metrics_address_ = options.metrics;
  outputs->service_name_ = options.service_name;
  const exporter::LineQueue::Options queue = QueueOptions(owner, slow == Slow::kWait);
  absl::Status status = outputs->ReadExportSettings(options, environment);
  if (status.ok()) status = outputs->OpenLines(options, queue);
  if (status.ok()) status = outputs->OpenRecords(options, queue);
  if (!status.ok()) return status;
  return outputs;
}

absl::Status Outputs::OpenLines(const OutputOptions& options,
                                const exporter::LineQueue::Options& queue) {
  const bool always = options.lines == "always";
  const bool never = options.lines == "never";
  const bool to_file = !always && !never && options.lines != "auto";
  stderr_ = exporter::LineQueue::ForDescriptor(STDERR_FILENO, "standard error", queue);
  terminal_ = std::make_unique<LineOutput>(stderr_, LineOutput::Options{.hold = !always});
  LineOutput* lines = terminal_.get();
  if (to_file) {
    auto file = exporter::LineQueue::Open(options.lines, queue);
    if (!file.ok()) return Prefixed("--lines", file.status());
    const int fd = (*file)->fd();
    lines_file_ = std::make_unique<LineOutput>(
        *std::move(file), LineOutput::Options{.fd = fd, .hold = false, .fresh_line = false});
    lines = lines_file_.get();
  }
  console_ = std::make_unique<Console>(
      Console::Options{.lines = !never && (to_file || !options.json)}, lines);
  return absl::OkStatus();
}

absl::Status Outputs::OpenRecords(const OutputOptions& options,
                                  const exporter::LineQueue::Options& queue) {
  const auto add = [this](std::shared_ptr<exporter::LineQueue> to) {
    records_.push_back(std::make_unique<exporter::UsageRecordWriter>(std::move(to), ""));
  };
  if (options.records == kStandardOutput) {
    add(exporter::LineQueue::ForDescriptor(STDOUT_FILENO, "standard output", queue));
  } else if (!options.records.empty()) {
    auto file = exporter::LineQueue::Open(options.records, queue);
    if (!file.ok()) return Prefixed("-o", file.status());
    add(*std::move(file));
  }
  if (options.json) add(stderr_);
  return absl::OkStatus();
}

absl::Status Outputs::ReadExportSettings(const OutputOptions& options,
                                         const Environment& environment) {
  if (options.otlp.empty() && !options.otlp_from_env) {
    if (options.otlp_headers.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError("--otlp-header needs --otlp or --otlp-from-env");
  }
  absl::StatusOr<exporter::OtlpSettings> settings;
  if (options.otlp_from_env) {
    std::map<std::string, std::string> variables;
    for (const auto& [name, value] : environment.variables()) variables.emplace(name, value);
    settings = exporter::SettingsFromEnvironment(variables);
    if (!settings.ok()) return Prefixed("--otlp-from-env", settings.status());
  }
  if (!options.otlp.empty()) {
    absl::StatusOr<exporter::OtlpSettings> url = exporter::SettingsFromUrl(options.otlp);
    if (!url.ok()) return Prefixed("--otlp", url.status());
    if (options.otlp_from_env) {
      // The URL says where; headers and certificates stay those of the environment.
      settings->TakeEndpoint(*url);
    } else {
      settings = *std::move(url);
    }
  }
  for (const std::string& header : options.otlp_headers) {
    const size_t equals = header.find('=');
    if (equals == std::string::npos || equals == 0) {
      return absl::InvalidArgumentError("--otlp-header: write NAME=VALUE");
    }
    settings->headers.emplace_back(absl::AsciiStrToLower(header.substr(0, equals)),
                                   header.substr(equals + 1));
  }
  if (!options.service_name.empty()) settings->service_name = options.service_name;
  warnings_.insert(warnings_.end(), settings->warnings.begin(), settings->warnings.end());
  if (!settings->disabled) export_settings_ = *std::move(settings);
  return absl::OkStatus();
}

absl::Status Outputs::StartExport() {
  if (!metrics_address_.empty()) {
    auto metrics = MetricsPort::Open(metrics_address_, profile_, service_name_);
    if (!metrics.ok()) return Prefixed("--metrics", metrics.status());
    metrics_ = *std::move(metrics);
  }
  if (!export_settings_) return absl::OkStatus();
  exporter::SpanExporter::Options options;
  options.settings = *export_settings_;
  options.profile = profile_;
  options.wall_minus_boottime_ns = WallMinusBoottime();
  auto spans = exporter::SpanExporter::Start(std::move(options));
  if (!spans.ok()) return spans.status();
  spans_ = *std::move(spans);
  return absl::OkStatus();
}

void Outputs::OnCall(const calls::Call& call) {
  console_->OnCall(call);
  for (const auto& writer : records_) writer->OnCall(call);
  if (spans_ != nullptr) spans_->OnCall(call);
  if (metrics_ != nullptr) metrics_->OnCall(call);
}

void Outputs::OnNotice(const calls::Notice& notice) { console_->OnNotice(notice); }

void Outputs::Say(const std::string& line) {
  if (!json_) terminal_->Write("sonde: " + line);
}

void Outputs::Flush() {
  terminal_->Flush();
  if (lines_file_ != nullptr) lines_file_->Flush();
  for (const auto& writer : records_) writer->queue().Flush();
}

void Outputs::AddRecordWarnings(std::vector<std::string>& warnings) const {
  for (const auto& writer : records_) {
    const uint64_t lost = writer->queue().stats().lost;
    if (lost == 0) continue;
    warnings.push_back(absl::StrCat(lost, " of ", bill().calls(), " usage records are lost: ",
                                    writer->queue().status().message()));
  }
}

void Outputs::AddExportWarnings(std::vector<std::string>& warnings) const {
  if (spans_ == nullptr) return;
  const exporter::SpanStats stats = spans_->stats();
  const uint64_t missing = stats.dropped() + stats.rejected;
  if (missing == 0) return;
  std::string text = absl::StrCat(missing, " of ", stats.queued, " spans not delivered to ",
                                  export_settings_->display);
  if (!stats.last_error.empty()) absl::StrAppend(&text, ": ", stats.last_error);
  warnings.push_back(std::move(text));
}

void Outputs::Finish(BillFacts facts, absl::Duration export_deadline) {
  if (spans_ != nullptr) spans_->Stop(export_deadline);
  for (const auto& writer : records_) {
    if (&writer->queue() != stderr_.get()) writer->queue().Finish("", kStallMs);
  }
  if (lines_file_ != nullptr) lines_file_->Finish("", kStallMs);
  facts.warnings.insert(facts.warnings.end(), warnings_.begin(), warnings_.end());
  AddRecordWarnings(facts.warnings);
  AddExportWarnings(facts.warnings);
  const uint64_t unshown =
      terminal_->dropped() + (lines_file_ == nullptr ? 0 : lines_file_->dropped());
  if (unshown > 0) {
    facts.warnings.push_back(absl::StrCat(unshown, " live lines were not shown"));
  }
  const std::string text =
      json_ ? bill().Json(facts) + "\n" : bill().Format(facts, terminal_->style());
  terminal_->Finish(text, kBillStallMs);
}

}  // namespace sonde::cli
