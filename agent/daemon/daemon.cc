#include "agent/daemon/daemon.h"

#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/config/address.h"
#include "agent/config/show.h"
#include "agent/daemon/privileges.h"
#include "agent/pricing/host_mappings.h"

namespace sonde::daemon {
namespace {

using exporter::Attribute;
using exporter::Metric;

constexpr int kTurnMs = 25;
constexpr int64_t kSecondNs = 1'000'000'000;
constexpr absl::Duration kStopDeadline = absl::Seconds(5);

int64_t ClockNs(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<int64_t>(now.tv_sec) * kSecondNs + now.tv_nsec;
}

/// Whether a probe can be put into this program: what attaching later will need, tried by itself.
absl::Status TryProbe() {
  uint32_t type = 0;
  std::ifstream("/sys/bus/event_source/devices/uprobe/type") >> type;
  if (type == 0) return absl::OkStatus();  // The kernel has another way; its test was the start.
  perf_event_attr attributes = {};
  attributes.type = type;
  attributes.size = sizeof(attributes);
  constexpr char kSelf[] = "/proc/self/exe";
  attributes.config1 = reinterpret_cast<uint64_t>(kSelf);
  const auto fd =
      static_cast<int>(syscall(SYS_perf_event_open, &attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC));
  if (fd < 0 && (errno == EACCES || errno == EPERM)) {
    return absl::ErrnoToStatus(errno, "perf_event_open");
  }
  if (fd >= 0) close(fd);
  return absl::OkStatus();
}

exporter::Registry::Limits RegistryLimits(const config::Config& config) {
  exporter::Registry::Limits limits;
  limits.series = config.limits.series;
  limits.values = config.limits.models;
  for (const config::Otlp& otlp : config.otlp) {
    limits.exponential |= otlp.histograms == config::Histograms::kExponential;
  }
  return limits;
}

exporter::AccessSettings AccessOf(const config::Http& http) {
  exporter::AccessSettings access;
  for (const config::BasicUser& user : http.basic) {
    access.basic.emplace_back(user.user, user.password.value);
  }
  for (const config::Secret& token : http.bearer) access.bearer.push_back(token.value);
  access.health_open = http.health_open;
  std::vector<config::Network> networks;
  for (const std::string& text : http.allow) {
    if (auto network = config::Network::Parse(text); network.ok()) networks.push_back(*network);
  }
  if (!networks.empty()) {
    access.address = [networks](std::string_view peer) {
      return std::any_of(networks.begin(), networks.end(),
                         [peer](const config::Network& network) { return network.Contains(peer); });
    };
  }
  return access;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const pricing::PriceBook>> LoadBook(const config::Prices& prices) {
  std::vector<pricing::BookSource> sources;
  if (!prices.directory.empty()) {
    auto read = pricing::ReadOverrideDirectory(prices.directory);
    if (!read.ok()) return read.status();
    sources = *std::move(read);
  }
  if (!prices.providers.empty()) {
    sources.push_back(pricing::HostMappings("prices.providers",
                                            {prices.providers.begin(), prices.providers.end()}));
  }
  return pricing::LoadPriceBook(sources);
}

Daemon::Daemon(Options options, Log* log)
    : options_(std::move(options)),
      log_(log),
      config_(options_.config),
      watch_(options_.config_path),
      registry_(RegistryLimits(*options_.config)),
      page_(ProfileOf(options_.config->names), &registry_),
      exports_(&registry_, log),
      self_(&registry_),
      start_ns_(ClockNs(CLOCK_MONOTONIC)) {}

Daemon::~Daemon() = default;

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Start(Options options, Log* log) {
  std::unique_ptr<Daemon> daemon(new Daemon(std::move(options), log));
  if (absl::Status status = daemon->Load(); !status.ok()) return status;
  return daemon;
}

absl::Status Daemon::Load() {
  auto book = LoadBook(config_->prices);
  if (!book.ok()) return book.status();
  pipeline::PipelineOptions pipeline;
  pipeline.id_seed = options_.id_seed;
  pipeline.price_book = *book;
  pipeline_ = std::make_unique<pipeline::Pipeline>(pipeline,
                                                   std::vector<calls::CallSink*>{&exports_}, this);

  capture::CaptureOptions capture;
  capture.sockets = config_->capture.plain_http;
  capture.ring_bytes = config_->capture.ring.count;
  capture.max_connections = config_->capture.max_connections;
  capture.max_processes = config_->capture.max_processes;
  auto source = capture::LiveCapture::Create(capture, this);
  if (!source.ok()) return source.status();
  capture_ = *std::move(source);
  selection_ = std::make_unique<Selection>(capture_.get(), ProcessList::OfHost(),
                                           [log = log_](const std::string& m) { log->Info(m); });
  const auto kept = DropPrivileges(TryProbe);
  if (!kept.ok()) return kept.status();
  log_->Info("privileges dropped", {{"kept", absl::StrJoin(*kept, ",")}});

  // Threads from here on.
  if (absl::Status status = exports_.Apply(*config_, kStopDeadline); !status.ok()) return status;
  if (absl::Status status = StartServer(config_->http); !status.ok()) return status;
  const int64_t now = ClockNs(CLOCK_REALTIME);
  registry_.Set(Metric::kStartTime, {}, now / kSecondNs, now);
  registry_.Set(Metric::kBuildInfo, {{Attribute::kVersion, options_.version}}, 1, now);
  registry_.Set(Metric::kPriceBookInfo,
                {{Attribute::kVersion, (*book)->version()}, {Attribute::kHash, (*book)->hash()}}, 1,
                now);
  registry_.Set(Metric::kMemoryLimit, {}, static_cast<int64_t>(config_->limits.memory.count), now);
  Select();
  {
    const std::lock_guard lock(mutex_);
    health_.started = true;
  }
  EverySecond();
  log_->Info("started", {{"version", options_.version},
                         {"config", options_.config_path},
                         {"mechanism", capture_->stats().mechanism},
                         {"price_book", (*book)->version()}});
  return absl::OkStatus();
}

absl::Status Daemon::StartServer(const config::Http& http) {
  if (!http.enabled) return absl::OkStatus();
  const auto listen = config::ParseListen(http.listen);
  if (!listen.ok()) return listen.status();
  exporter::HttpServer::Options options;
  options.host = listen->host;
  options.port = listen->port;
  options.cert_file = http.tls.cert_file;
  options.key_file = http.tls.key_file;
  options.access = AccessOf(http);
  auto server = exporter::HttpServer::Start(
      options, {[this](const std::string& reader, const std::string& accept) {
                  exporter::MetricsPage::Text text = page_.Render(reader, accept);
                  return exporter::Page{std::move(text.content_type), std::move(text.body)};
                },
                [this] { return Health(); }});
  if (!server.ok()) {
    return {server.status().code(),
            absl::StrCat("http.listen: ", std::string(server.status().message()))};
  }
  server_ = *std::move(server);
  return absl::OkStatus();
}

/// The old port is given back first, for the new one is mostly the same.
absl::Status Daemon::RestartServer(const config::Http& http) {
  server_.reset();
  const absl::Status status = StartServer(http);
  if (!status.ok()) {
    const absl::Status again = StartServer(config_->http);
    if (!again.ok())
      log_->Error("the port stays closed", {{"reason", std::string(again.message())}});
  }
  return status;
}

void Daemon::Select() {
  selection_->Apply(config_->select);
  const absl::Status status = capture_->HearExecs(
      selection_->wants_execs() ? [this](uint32_t pid) { selection_->OnExec(pid); }
                                : std::function<void(uint32_t)>());
  if (!status.ok()) log_->Error(std::string(status.message()));
}

void Daemon::OnEvent(const events::Event& event) {
  if (selection_ != nullptr) selection_->OnEvent(event);
  pipeline_->OnEvent(event);
}

void Daemon::OnVerdict(const flow::Verdict& verdict) {
  capture::Verdict order;
  order.connection = verdict.connection;
  order.mode = verdict.wanted == flow::Wanted::kFull ? capture::CaptureMode::kFull
                                                     : capture::CaptureMode::kLengths;
  capture_->SetVerdict(order).IgnoreError();
}

void Daemon::Run() {
  while (!stopping_) {
    // A ring that cannot be read any more would be readable for ever.
    pollfd waiting[] = {{options_.signal_fd, POLLIN, 0}, {capture_->epoll_fd(), POLLIN, 0}};
    poll(waiting, ring_.ok() ? 2 : 1, kTurnMs);
    if (ring_.ok()) {
      ring_ = capture_->Poll(0);
      if (!ring_.ok())
        log_->Error("the ring cannot be read", {{"reason", std::string(ring_.message())}});
    }
    HandleSignals();
    if (ClockNs(CLOCK_MONOTONIC) - second_ns_ >= kSecondNs) EverySecond();
  }
  log_->Info("stopping");
  capture_->Stop();
  pipeline_->Finish();
  Count();
  exports_.Stop(kStopDeadline);
  server_.reset();
  log_->Info("stopped");
  log_->Flush();
}

void Daemon::HandleSignals() {
  while (const auto signal = options_.next_signal()) {
    if (*signal == SIGHUP) reload_asked_ = true;
    if (*signal == SIGTERM || *signal == SIGINT) stopping_ = true;
  }
}

void Daemon::EverySecond() {
  second_ns_ = ClockNs(CLOCK_MONOTONIC);
  const bool changed = watch_.Changed();
  if (std::exchange(reload_asked_, false) || changed) Reload();
  selection_->Retry();
  Count();
  TakeHealth();
  log_->Flush();
}

void Daemon::Count() {
  const int64_t now = ClockNs(CLOCK_REALTIME);
  self_.Count(capture_->stats(), *pipeline_, now);
  exports_.Count(now);
  if (server_ == nullptr) return;
  const exporter::ServerStats served = server_->stats();
  registry_.Set(Metric::kScrapes, {{Attribute::kOutcome, "served"}},
                static_cast<int64_t>(served.served), now);
  registry_.Set(Metric::kScrapes, {{Attribute::kOutcome, "refused"}},
                static_cast<int64_t>(served.refused), now);
}

void Daemon::TakeHealth() {
  exporter::HealthReport report;
  report.version = options_.version;
  report.checks = CaptureHealth(capture_->stats(), ring_, selection_->states());
  exports_.AddHealth(report.checks);
  report.uptime_ns = ClockNs(CLOCK_MONOTONIC) - start_ns_;
  const std::lock_guard lock(mutex_);
  report.started = health_.started;
  health_ = std::move(report);
}

exporter::HealthReport Daemon::Health() {
  const std::lock_guard lock(mutex_);
  return health_;
}

void Daemon::Refuse(std::string_view why) {
  registry_.Add(Metric::kReloads, {{Attribute::kOutcome, "refused"}}, 1, ClockNs(CLOCK_REALTIME));
  log_->Error("configuration refused, the one before stays", {{"reason", std::string(why)}});
}

void Daemon::Reload() {
  const config::Loaded loaded = config::LoadConfig(options_.config_path, options_.environment);
  for (const config::Problem& problem : loaded.problems.all()) {
    const std::string text = config::Describe(options_.config_path, problem);
    problem.fatal ? log_->Error(text) : log_->Warn(text);
  }
  if (loaded.config == nullptr) return Refuse("see the lines before");
  if (*loaded.config == *config_) return;
  const absl::Status status = TryReload(loaded.config);
  if (!status.ok()) return Refuse(std::string(status.message()));
  registry_.Add(Metric::kReloads, {{Attribute::kOutcome, "taken"}}, 1, ClockNs(CLOCK_REALTIME));
  log_->Info("configuration taken");
}

absl::Status Daemon::TryReload(const std::shared_ptr<const config::Config>& next) {
  auto book = LoadBook(next->prices);
  if (!book.ok()) return book.status();
  const bool new_port = !(next->http == config_->http);
  if (new_port) {
    if (absl::Status status = RestartServer(next->http); !status.ok()) return status;
  }
  if (absl::Status status = exports_.Apply(*next, kStopDeadline); !status.ok()) {
    if (new_port) RestartServer(config_->http).IgnoreError();
    return status;
  }
  if (!(next->capture == config_->capture)) {
    log_->Warn("capture.* takes effect when the agent is started again");
  }
  if (!(next->limits == config_->limits)) {
    log_->Warn("limits.* takes effect when the agent is started again");
  }
  config_ = next;
  page_.SetProfile(ProfileOf(config_->names));
  pipeline_->SetPriceBook(*book);
  log_->Set(config_->log);
  Select();
  return absl::OkStatus();
}

}  // namespace sonde::daemon
