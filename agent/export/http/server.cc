#include "agent/export/http/server.h"

#include <httplib.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace sonde::exporter {
namespace {

constexpr time_t kStalledSeconds = 5;
constexpr size_t kThreads = 8;
constexpr size_t kMostBodyBytes = 1024;  ///< Of a request: nobody sends one.
constexpr char kText[] = "text/plain; charset=utf-8";
constexpr char kJson[] = "application/json";

bool IsHealthPage(const std::string& path) {
  return path == "/healthz" || path == "/readyz" || path == "/livez" ||
         path.rfind("/api/health", 0) == 0;
}

/// Only the address: the library's default would let two agents share one port.
void ReuseAddress(socket_t socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(const Options& options, Pages pages) : access_(options.access), pages_(std::move(pages)) {
    if (options.cert_file.empty()) {
      server_ = std::make_unique<httplib::Server>();
    } else {
      server_ =
          std::make_unique<httplib::SSLServer>(options.cert_file.c_str(), options.key_file.c_str());
    }
  }

  ~Impl() {
    server_->stop();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Listen(const Options& options) {
    if (!server_->is_valid()) {
      return absl::InvalidArgumentError(absl::StrCat("cannot use certificate ", options.cert_file,
                                                     " with key ", options.key_file,
                                                     ": both must be PEM and belong together"));
    }
    SetUp();
    errno = 0;
    bool bound = true;
    port_ = options.port;
    if (options.port == 0) {
      const int chosen = server_->bind_to_any_port(options.host);
      bound = chosen > 0;
      port_ = static_cast<uint16_t>(chosen);
    } else {
      bound = server_->bind_to_port(options.host, options.port);
    }
    if (!bound) {
      const std::string reason =
          errno == 0 ? "the address is not usable" : std::generic_category().message(errno);
      return absl::UnavailableError(absl::StrCat("cannot listen on ", options.host, ":",
                                                 options.port, ": ", reason,
                                                 "; free the port or choose another address"));
    }
    Run();
    return absl::OkStatus();
  }

  uint16_t port() const { return port_; }
  ServerStats stats() const { return {served_, refused_}; }

 private:
  using Request = httplib::Request;
  using Response = httplib::Response;
  using Handled = httplib::Server::HandlerResponse;

  void SetUp() {
    server_->set_socket_options(ReuseAddress);
    server_->set_read_timeout(kStalledSeconds);
    server_->set_write_timeout(kStalledSeconds);
    server_->set_keep_alive_timeout(kStalledSeconds);
    server_->set_payload_max_length(kMostBodyBytes);
    server_->new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    server_->set_pre_routing_handler(
        [this](const Request& request, Response& response) { return Gate(request, response); });
    server_->Get("/metrics", [this](const Request& request, Response& response) {
      const std::string reader =
          absl::StrCat(request.remote_addr, " ", request.get_header_value("User-Agent"));
      const Page page = pages_.metrics(reader, request.get_header_value("Accept"));
      response.set_content(page.body, page.content_type);
    });
    // Alive: the server answers. A restart would mend nothing that a check finds.
    const auto live = [](const Request&, Response& response) {
      response.set_content("ok\n", kText);
    };
    const auto ready = [this](const Request&, Response& response) { Ready(response); };
    for (const char* path : {"/livez", "/api/health/live"}) server_->Get(path, live);
    for (const char* path : {"/readyz", "/healthz", "/api/health/ready"}) server_->Get(path, ready);
    server_->Get("/api/health", [this](const Request&, Response& response) {
      const HealthReport report = pages_.health();
      response.status = report.state() == HealthState::kDown ? 503 : 200;
      response.set_content(HealthJson(report), kJson);
    });
    server_->Get("/", [](const Request&, Response& response) {
      response.set_content("sonde: /metrics /healthz /readyz /livez /api/health\n", kText);
    });
  }

  Handled Gate(const Request& request, Response& response) {
    const Verdict verdict = access_.Ask(
        request.remote_addr, request.get_header_value("Authorization"), IsHealthPage(request.path));
    if (verdict == Verdict::kAllow) {
      ++served_;
      return Handled::Unhandled;
    }
    ++refused_;
    response.status = verdict == Verdict::kForbidden ? 403 : 401;
    if (verdict == Verdict::kNoCredentials) {
      response.set_header("WWW-Authenticate", "Basic realm=\"sonde\"");
    }
    response.set_content(
        verdict == Verdict::kForbidden ? "address not allowed\n" : "credentials needed\n", kText);
    return Handled::Handled;
  }

  void Ready(Response& response) {
    const HealthReport report = pages_.health();
    std::string body = absl::StrCat(HealthStateName(report.state()), "\n");
    for (const HealthCheck& check : report.checks) {
      if (check.state == HealthState::kUp) continue;
      absl::StrAppend(&body, check.component, ": ", check.message, "\n");
    }
    response.status = report.state() == HealthState::kDown ? 503 : 200;
    response.set_content(body, kText);
  }

  /// The server's threads take no signals: they are the agent's.
  void Run() {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] {
      server_->listen_after_bind();
      ended_ = true;
    });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    // The library forgets a stop() that comes before its loop runs, and tells of no other way.
    while (!server_->is_running() && !ended_) std::this_thread::yield();
  }

  const Access access_;
  const Pages pages_;
  std::unique_ptr<httplib::Server> server_;
  std::thread thread_;
  uint16_t port_ = 0;
  std::atomic<bool> ended_ = false;
  std::atomic<uint64_t> served_ = 0;
  std::atomic<uint64_t> refused_ = 0;
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const Options& options, Pages pages) {
  auto impl = std::make_unique<Impl>(options, std::move(pages));
  if (absl::Status status = impl->Listen(options); !status.ok()) return status;
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;
uint16_t HttpServer::port() const { return impl_->port(); }
ServerStats HttpServer::stats() const { return impl_->stats(); }

}  // namespace sonde::exporter
