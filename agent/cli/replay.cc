// `sonde replay`.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "agent/capture/file/capture_reader.h"
#include "agent/cli/commands.h"
#include "agent/cli/event_hub.h"
#include "agent/cli/live_session.h"
#include "agent/cli/outputs.h"

namespace sonde::cli {
namespace {

constexpr absl::Duration kExportDeadline = absl::Seconds(30);

std::string Setting(const capture::CaptureHeader& header, const std::string& name) {
  const auto found = header.settings.find(name);
  return found == header.settings.end() ? "" : found->second;
}

/// What the command line leaves open stands in the file.
OutputOptions WithHeader(OutputOptions output, const capture::CaptureHeader& header) {
  if (output.seed.empty()) output.seed = header.id_seed;
  const std::string providers = Setting(header, kSettingProviders);
  if (output.providers.empty() && !providers.empty()) {
    for (absl::string_view one : absl::StrSplit(providers, '\n'))
      output.providers.emplace_back(one);
  }
  return output;
}

}  // namespace

int ReplayCommand(const Options& options, const Start& start) {
  auto reader = capture::CaptureReader::Open(options.capture_file);
  if (!reader.ok()) return Fail(1, reader.status());
  const capture::CaptureHeader& header = (*reader)->header();
  const OutputOptions output = WithHeader(options.output, header);
  const auto book = LoadPrices(output);
  if (!book.ok() && output.providers != options.output.providers) {
    // Nobody typed what the error names: it stands in the file.
    return Fail(1,
                absl::StrCat(options.capture_file, ": its settings cannot be used (damaged, or of ",
                             "another Sonde): ", book.status().message()));
  }
  if (!book.ok()) return Fail(1, book.status());
  const auto outputs =
      Outputs::Create(output, std::nullopt, start.environment, Outputs::Slow::kWait);
  if (!outputs.ok()) return Fail(1, outputs.status());
  const absl::Status exporting = (*outputs)->StartExport();
  if (!exporting.ok()) return Fail(1, exporting);

  EventHub hub(output.seed, *book, outputs->get(), nullptr, nullptr);
  const absl::Status read = (*reader)->ReadAll(&hub);
  EventHub::BillContext context;
  context.replay = true;
  context.launched = Setting(header, kSettingCommand) == "run";
  exporter::console::BillFacts facts = hub.Finish(context);
  if (!read.ok()) facts.warnings.emplace_back(read.message());
  if ((*reader)->unknown() > 0) {
    facts.warnings.push_back(
        absl::StrCat((*reader)->unknown(), " records of a newer Sonde were passed over"));
  }
  if ((*book)->hash() != header.price_book_hash) {
    facts.warnings.push_back(absl::StrCat("priced with the book of ", (*book)->version(),
                                          ", recorded with another one of ",
                                          header.price_book_version));
  }
  (*outputs)->Finish(std::move(facts), kExportDeadline);
  return read.ok() ? 0 : 1;
}

}  // namespace sonde::cli
