#include "agent/cli/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/cli/child_process.h"
#include "agent/cli/nearest.h"
#include "agent/pricing/host_mappings.h"

#ifndef SONDE_VERSION
#define SONDE_VERSION "0.0.0"
#endif

namespace sonde::cli {
namespace {

constexpr char kGroupOutput[] = "Output";
constexpr char kGroupExport[] = "Export";
constexpr char kGroupPrices[] = "Prices";
constexpr char kGroupCapture[] = "Capture";

/// CLI11 does not know of the command behind the flags.
class CommandFormatter : public CLI::Formatter {
 public:
  explicit CommandFormatter(std::string rest) : rest_(std::move(rest)) {}
  std::string make_usage(const CLI::App* app, std::string name) const override {
    return "Usage: " + (name.empty() ? app->get_name() : name) + " " + rest_ + "\n";
  }

 private:
  std::string rest_;
};

void AddPriceFlags(CLI::App& app, OutputOptions& output) {
  app.add_option("--prices", output.prices, "Merge the price files of this directory over the book")
      ->type_name("DIR")
      ->group(kGroupPrices);
  app.add_option("--provider", output.providers,
                 "Bill calls to this host as those of provider ID; may be repeated")
      ->type_name("HOST[:PORT]=ID")
      ->expected(1)
      ->take_all()
      ->group(kGroupPrices);
}

void AddOutputFlags(CLI::App& app, OutputOptions& output, const char* records) {
  app.add_option("--lines", output.lines,
                 "Live lines: auto (wait while a program has the terminal in raw mode or in the "
                 "alternate screen), always, never, or into FILE (write ./FILE)")
      ->type_name("WHEN|FILE")
      ->group(kGroupOutput);
  app.add_flag("--json", output.json,
               "Usage records and the bill as JSON lines on standard error instead of text")
      ->group(kGroupOutput);
  app.add_option(records, output.records,
                 "Write one usage record (JSON) per call to FILE; - is standard output")
      ->type_name("FILE")
      ->group(kGroupOutput);
  app.add_option("--otlp", output.otlp,
                 "Send spans to http://, https:// (HTTP/protobuf), grpc:// or grpcs:// URL")
      ->type_name("URL")
      ->group(kGroupExport);
  app.add_option("--otlp-header", output.otlp_headers, "Header of every export; may be repeated")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->take_all()
      ->group(kGroupExport);
  app.add_option("--metrics", output.metrics,
                 "Serve a Prometheus page at http://ADDR/metrics while the command runs")
      ->type_name("ADDRESS:PORT")
      ->group(kGroupExport);
  app.add_flag("--otlp-from-env", output.otlp_from_env,
               "Take the export's settings from the OTEL_* variables")
      ->group(kGroupExport);
  app.add_option("--service-name", output.service_name,
                 "service.name of spans; default is the program's name")
      ->type_name("NAME")
      ->group(kGroupExport);
  app.add_option("--profile", output.profile, "Names of spans: 1.41, main or seed")
      ->type_name("NAME")
      ->group(kGroupExport);
  app.add_option("--seed", output.seed, "Make the ids of calls from this text, not from chance")
      ->type_name("TEXT")
      ->group(kGroupExport);
  AddPriceFlags(app, output);
}

void AddCaptureFlags(CLI::App& app, CaptureFlags& capture, std::string& ring) {
  app.add_flag("--no-sockets", capture.no_sockets,
               "Do not watch sockets: no plain HTTP, and TLS that cannot be read goes unnoticed")
      ->group(kGroupCapture);
  app.add_option("--ring-size", ring,
                 "Buffer between kernel and Sonde, a power of two; default 16M")
      ->type_name("SIZE")
      ->group(kGroupCapture);
}

void AddRunFlags(CLI::App& app, Options& options) {
  app.add_flag("--keep-root", options.keep_root,
               "Under sudo: run the command as root, not as the invoking user");
  app.add_flag("--wait-all", options.wait_all,
               "Wait for all descendants of the command, daemons too");
}

/// The program's parser and what its callbacks fill.
struct Grammar {
  explicit Grammar(Options& to);
  void AddAgent();
  void AddRun();
  void AddAttach();
  void AddRecord();
  void AddReplay();
  void AddPrices();

  Options& options;
  std::string ring;
  bool version = false;
  CLI::App app{"Sees every call to a model provider from the kernel, and bills it."};
  std::map<CLI::App*, Command> commands;
};

Grammar::Grammar(Options& to) : options(to) {
  app.name("sonde");
  app.require_subcommand(1);
  app.set_version_flag("--version", "sonde " SONDE_VERSION);
  app.footer("Begin with:  sudo sonde run -- python your.py\nHelp of one:  sonde run --help");
  AddRun();
  AddAttach();
  AddRecord();
  AddReplay();
  AddPrices();
  CLI::App* doctor = app.add_subcommand("doctor", "What this host supports, and what is missing");
  commands[doctor] = Command::kDoctor;
  AddAgent();
}

void Grammar::AddAgent() {
  CLI::App* agent = app.add_subcommand("agent", "Watch a node by a configuration file, for good");
  agent->add_option("--config,-c", options.config_file, "The configuration (YAML)")
      ->type_name("FILE")
      ->required();
  agent->footer("SIGHUP, or a changed file, takes the new configuration; SIGTERM ends.");
  commands[agent] = Command::kAgent;

  CLI::App* config = app.add_subcommand("config", "The agent's configuration: check, show, schema");
  config->require_subcommand(1);
  const std::pair<const char*, Command> with_file[] = {{"check", Command::kConfigCheck},
                                                       {"show", Command::kConfigShow}};
  const char* const meanings[] = {"Whether a file can be used, and what is wrong with it",
                                  "A file with every default filled in; secrets are hidden"};
  for (size_t i = 0; i < std::size(with_file); ++i) {
    CLI::App* sub = config->add_subcommand(with_file[i].first, meanings[i]);
    sub->add_option("FILE", options.config_file, "The configuration (YAML)")->required();
    commands[sub] = with_file[i].second;
  }
  commands[config->add_subcommand("schema", "JSON Schema of the file, for editors")] =
      Command::kConfigSchema;
}

void Grammar::AddRun() {
  CLI::App* run = app.add_subcommand("run", "Run a command, show its calls live, then the bill");
  run->formatter(std::make_shared<CommandFormatter>("[FLAGS] [--] CMD [ARGS...]"));
  AddRunFlags(*run, options);
  AddOutputFlags(*run, options.output, "-o,--output,--records");
  AddCaptureFlags(*run, options.capture, ring);
  run->footer(
      "Exit status: CMD's own, or 128+n when signal n ended it; 125 when Sonde failed before CMD\n"
      "began, 126 when CMD cannot be executed, 127 when it was not found.");
  commands[run] = Command::kRun;
}

void Grammar::AddAttach() {
  CLI::App* attach =
      app.add_subcommand("attach", "Watch a process that runs already, until Ctrl-C or its end");
  attach->add_option("--pid,-p", options.pid, "Its process id")->type_name("PID")->required();
  attach->add_flag("--tree", options.tree, "And its descendants that run already");
  AddOutputFlags(*attach, options.output, "-o,--output,--records");
  AddCaptureFlags(*attach, options.capture, ring);
  commands[attach] = Command::kAttach;
}

void Grammar::AddRecord() {
  CLI::App* record = app.add_subcommand("record", "As run, and keep what was seen in a file");
  record->formatter(std::make_shared<CommandFormatter>("-o FILE [FLAGS] [--] CMD [ARGS...]"));
  record
      ->add_option("-o,--output", options.capture_file,
                   "The capture file; it holds prompts and replies, its mode is 0600")
      ->type_name("FILE")
      ->required();
  record->add_flag("--mask-text", options.mask_text,
                   "Mask message text at equal length; keep only the lengths of compressed bodies");
  AddRunFlags(*record, options);
  AddOutputFlags(*record, options.output, "--records");
  AddCaptureFlags(*record, options.capture, ring);
  commands[record] = Command::kRecord;
}

void Grammar::AddReplay() {
  CLI::App* replay =
      app.add_subcommand("replay", "Report the calls of a capture file; needs no privilege");
  replay->add_option("FILE", options.capture_file, "A file made by sonde record")->required();
  AddOutputFlags(*replay, options.output, "-o,--output,--records");
  commands[replay] = Command::kReplay;
}

void Grammar::AddPrices() {
  CLI::App* prices = app.add_subcommand("prices", "The price book: show, explain, check");
  prices->require_subcommand(1);
  prices->footer("");
  PriceOptions& price = options.price;

  CLI::App* show = prices->add_subcommand("show", "The book's version and sources, or one price");
  show->formatter(std::make_shared<CommandFormatter>("[PROVIDER] [MODEL] [FLAGS]"));
  show->add_option("WORDS", price.words,
                   "Nothing: all providers; a provider: its models; a model: all its prices")
      ->type_name("")
      ->expected(0, 2);
  show->add_option("--of", price.provider, "The provider, when others have the model too")
      ->type_name("PROVIDER");
  show->add_option("--prices", options.output.prices, "Directory of overrides")->type_name("DIR");
  commands[show] = Command::kPricesShow;

  CLI::App* explain = prices->add_subcommand("explain", "How a call would be billed, row by row");
  explain->formatter(
      std::make_shared<CommandFormatter>("[PROVIDER] MODEL [UNIT=COUNT...] [FLAGS]"));
  explain
      ->add_option("WORDS", price.words,
                   "The model as it stands on the wire, its provider (an id or a host) when others "
                   "have it too, and tokens: input=180 cache_read=1024 output=318")
      ->type_name("")
      ->expected(0, 64);
  explain->add_option("--provider", price.provider, "Provider id, or a host")
      ->type_name("ID|HOST[:PORT]");
  explain->add_option("--model", price.model, "As it stands on the wire")->type_name("NAME");
  explain->add_option("--tier", price.tier, "Service tier of the reply")->type_name("NAME");
  explain->add_option("--region", price.region, "us, eu, global, ...")->type_name("CLASS");
  explain
      ->add_option("--at", price.at, "Start of the call, UTC: 2026-11-21 or 2026-11-21T12:00:00Z")
      ->type_name("TIME");
  explain->add_option("--usage", price.quantities, "Tokens by unit; the same as words")
      ->type_name("UNIT=COUNT");
  explain->add_option("--prices", options.output.prices, "Directory of overrides")
      ->type_name("DIR");
  commands[explain] = Command::kPricesExplain;

  CLI::App* check = prices->add_subcommand("check", "Whether price files can be used");
  check->add_option("PATH", price.paths, "Files, or directories of *.json")->required();
  commands[check] = Command::kPricesCheck;
}

/// Where the command begins in the words behind the subcommand: after "--", or at the first word
/// that is neither a flag nor a flag's value.
size_t CommandStart(const CLI::App& app, const std::vector<std::string>& words, size_t from) {
  for (size_t i = from; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--" || word.size() < 2 || word[0] != '-') return i;
    const bool is_long = word[1] == '-';
    const std::string name = is_long ? word.substr(0, word.find('=')) : word.substr(0, 2);
    const bool has_value = is_long ? name.size() < word.size() : word.size() > 2;
    const CLI::Option* option = app.get_option_no_throw(name);
    if (option != nullptr && option->get_items_expected_max() > 0 && !has_value) ++i;
  }
  return words.size();
}

std::vector<std::string> FlagNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

/// CLI11's message, and the nearest flag or command when a word is not known.
std::string Message(const CLI::App& app, const CLI::ParseError& error,
                    const std::vector<std::string>& words) {
  const auto code = static_cast<CLI::ExitCodes>(error.get_exit_code());
  if (code != CLI::ExitCodes::ExtrasError && code != CLI::ExitCodes::RequiredError) {
    return error.what();
  }
  for (const std::string& word : words) {
    if (word.size() < 2 || word[0] != '-') continue;
    const std::string name = word.substr(0, word.find('='));
    if (app.get_option_no_throw(name) != nullptr) continue;
    return "unknown flag " + name + Nearest(name, FlagNames(app));
  }
  return error.what();
}

CLI::App* FindCommand(CLI::App& app, const std::string& name) {
  for (CLI::App* sub : app.get_subcommands([](CLI::App*) { return true; })) {
    if (sub->get_name() == name) return sub;
  }
  return nullptr;
}

/// A word in the place of a command that is none.
std::string UnknownCommand(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(sub->get_name());
  }
  return "unknown command " + word + Nearest(word, names);
}

/// A bare word is rather a mistyped mode than a file.
std::string LinesMistake(const std::string& lines) {
  const std::vector<std::string> modes = {"auto", "always", "never"};
  if (std::find(modes.begin(), modes.end(), lines) != modes.end()) return "";
  if (lines.find_first_of("/.") != std::string::npos) return "";
  return "--lines " + lines + ": write auto, always, never, or a file with its folder (./" + lines +
         ")" + Nearest(lines, modes);
}

}  // namespace

Parsed ParseCommandLine(const std::vector<std::string>& words) {
  Parsed parsed;
  Options options;
  Grammar grammar(options);
  if (words.empty()) return {std::nullopt, {kExitUsage, grammar.app.help()}};
  CLI::App* command = FindCommand(grammar.app, words[0]);
  if (command == nullptr && !words[0].starts_with("-")) {
    return {std::nullopt,
            {kExitUsage,
             "sonde: " + UnknownCommand(grammar.app, words[0]) + "; sonde --help lists them\n"}};
  }
  const bool starts_command = command != nullptr && (words[0] == "run" || words[0] == "record");
  const int failure = starts_command ? kExitSondeFailed : kExitUsage;
  std::vector<std::string> own = words;
  if (starts_command) {
    const size_t start = CommandStart(*command, words, 1);
    own.resize(start);
    const size_t skip = start < words.size() && words[start] == "--" ? 1 : 0;
    options.arguments.assign(words.begin() + static_cast<std::ptrdiff_t>(start + skip),
                             words.end());
  }
  try {
    std::vector<std::string> reversed(own.rbegin(), own.rend());
    grammar.app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    const CLI::App* innermost = &grammar.app;
    std::string before;  // What stands before the command's own name.
    while (!innermost->get_subcommands().empty()) {
      before += (before.empty() ? "" : " ") + innermost->get_name();
      innermost = innermost->get_subcommands().front();
    }
    return {std::nullopt, {0, innermost->help(before)}};
  } catch (const CLI::CallForVersion& version) {
    return {std::nullopt, {0, std::string(version.what()) + "\n"}};
  } catch (const CLI::ParseError& error) {
    const CLI::App& about = command != nullptr ? *command : grammar.app;
    return {std::nullopt, {failure, "sonde: " + Message(about, error, own) + "\n"}};
  }
  for (const auto& [app, value] : grammar.commands) {
    if (app->parsed()) options.command = value;
  }
  if (!grammar.ring.empty()) {
    const absl::StatusOr<uint64_t> size = ParseSize(grammar.ring);
    if (!size.ok()) {
      return {std::nullopt,
              {failure, absl::StrCat("sonde: --ring-size: ", size.status().message(), "\n")}};
    }
    options.capture.ring_bytes = *size;
  }
  if (const std::string mistake = LinesMistake(options.output.lines); !mistake.empty()) {
    return {std::nullopt, {failure, "sonde: " + mistake + "\n"}};
  }
  if (starts_command && options.arguments.empty()) {
    return {
        std::nullopt,
        {failure, "sonde: no command given: sonde " + words[0] + " [FLAGS] -- CMD [ARGS...]\n"}};
  }
  parsed.options = std::move(options);
  return parsed;
}

absl::StatusOr<uint64_t> ParseSize(const std::string& text) {
  std::string digits = text;
  int shift = 0;
  if (!digits.empty()) {
    const std::string_view units = "kKmMgG";
    const size_t unit = units.find(digits.back());
    if (unit != std::string_view::npos) {
      shift = static_cast<int>(unit / 2 + 1) * 10;
      digits.pop_back();
    }
  }
  uint64_t value = 0;
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos ||
      !absl::SimpleAtoi(digits, &value) || value > (UINT64_MAX >> shift)) {
    return absl::InvalidArgumentError(absl::StrCat(text, " is no size; write for example 16M"));
  }
  return value << shift;
}

absl::StatusOr<std::string> ProviderSource(const std::vector<std::string>& mappings) {
  if (mappings.empty()) return std::string();
  std::vector<std::pair<std::string, std::string>> hosts;
  for (const std::string& mapping : mappings) {
    const size_t equals = mapping.rfind('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == mapping.size()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--provider ", mapping, ": write HOST[:PORT]=ID, for example localhost:8443=openai"));
    }
    hosts.emplace_back(mapping.substr(0, equals), mapping.substr(equals + 1));
  }
  return pricing::HostMappings("--provider", hosts).text;
}

}  // namespace sonde::cli
