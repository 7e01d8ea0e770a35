// `sonde agent`: the pipeline of `sonde run`, living on a node.
#ifndef SONDE_AGENT_DAEMON_DAEMON_H_
#define SONDE_AGENT_DAEMON_DAEMON_H_

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/capture/live_capture.h"
#include "agent/config/config.h"
#include "agent/config/file_watch.h"
#include "agent/config/read.h"
#include "agent/daemon/exports.h"
#include "agent/daemon/log.h"
#include "agent/daemon/selection.h"
#include "agent/daemon/status.h"
#include "agent/events/event.h"
#include "agent/export/http/server.h"
#include "agent/export/metrics/metrics_page.h"
#include "agent/export/metrics/registry.h"
#include "agent/flow/exchange_sink.h"
#include "agent/pipeline/pipeline.h"
#include "agent/pricing/price_book.h"

namespace sonde::daemon {

/// The book that a configuration asks for.
absl::StatusOr<std::shared_ptr<const pricing::PriceBook>> LoadBook(const config::Prices& prices);

/// Everything on the thread that calls it, but for what scrapes and health checks read.
class Daemon final : public events::EventSink, public flow::VerdictSink {
 public:
  struct Options {
    std::string version;
    std::string config_path;
    config::Lookup environment = nullptr;
    std::shared_ptr<const config::Config> config;  ///< As read from `config_path`.
    std::string id_seed;
    /// SIGTERM, SIGINT and SIGHUP, blocked before: a descriptor to wait on, and the next of them.
    int signal_fd = -1;
    std::function<std::optional<int>()> next_signal;
  };

  /// Loads the kernel programs, gives up privileges, starts exporters and the port, selects. The
  /// process has one thread until then. Errors name the part of the configuration.
  static absl::StatusOr<std::unique_ptr<Daemon>> Start(Options options, Log* log);
  ~Daemon() override;

  /// Until SIGTERM or SIGINT; then sends and writes what waits.
  void Run();

  void OnEvent(const events::Event& event) override;
  void OnVerdict(const flow::Verdict& verdict) override;

 private:
  Daemon(Options options, Log* log);

  absl::Status Load();
  absl::Status StartServer(const config::Http& http);
  absl::Status RestartServer(const config::Http& http);
  void Select();
  void HandleSignals();
  void EverySecond();
  void Reload();
  absl::Status TryReload(const std::shared_ptr<const config::Config>& next);
  void Refuse(std::string_view why);
  void Count();
  void TakeHealth();
  exporter::HealthReport Health();

  const Options options_;
  Log* const log_;
  std::shared_ptr<const config::Config> config_;
  config::FileWatch watch_;
  exporter::Registry registry_;
  exporter::MetricsPage page_;
  Exports exports_;
  SelfMetrics self_;
  std::unique_ptr<capture::CaptureSource> capture_;
  std::unique_ptr<pipeline::Pipeline> pipeline_;
  std::unique_ptr<Selection> selection_;
  absl::Status ring_;
  bool stopping_ = false;
  bool reload_asked_ = false;
  int64_t start_ns_ = 0;
  int64_t second_ns_ = 0;

  std::mutex mutex_;
  exporter::HealthReport health_;  ///< Guarded: the server's threads read it.

  std::unique_ptr<exporter::HttpServer> server_;  ///< Last: its threads use all of the above.
};

}  // namespace sonde::daemon

#endif  // SONDE_AGENT_DAEMON_DAEMON_H_
