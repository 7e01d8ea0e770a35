// What `sonde agent` is told to do. One value of each type is read from a file, checked whole, and
// then never changes: a new file makes a new snapshot.
#ifndef SONDE_AGENT_CONFIG_CONFIG_H_
#define SONDE_AGENT_CONFIG_CONFIG_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace sonde::config {

/// Everything here compares by value: what a new configuration leaves as it was goes on running.

/// A number of bytes; written "16MiB", "64k" or plain.
struct Bytes {
  uint64_t count = 0;
  friend bool operator==(const Bytes&, const Bytes&) = default;
};

/// Text that `show` never prints.
struct Secret {
  std::string value;
  friend bool operator==(const Secret&, const Secret&) = default;
};

/// Which processes are seen. What is given must all hold; one that gives nothing is refused, for it
/// would select every process of the host.
struct Selector {
  std::string name;    ///< For logs and status.
  std::string cgroup;  ///< A directory of the cgroup tree, or its path below the tree's root.
  std::optional<uint32_t> pid;
  std::string executable;  ///< Glob over the path of the program's file.
  std::string command;     ///< Regular expression (RE2) found in the command line.
  std::string user;        ///< Name or number.
  friend bool operator==(const Selector&, const Selector&) = default;
};

struct Capture {
  bool plain_http = false;  ///< Loads socket tracepoints, whose presence every process pays for.
  Bytes ring{16U << 20};
  uint32_t max_connections = 16384;
  uint32_t max_processes = 16384;
  friend bool operator==(const Capture&, const Capture&) = default;
};

enum class Names : uint8_t { k141, kMain, kSeed };
enum class Temporality : uint8_t { kCumulative, kDelta };
enum class Histograms : uint8_t { kExplicit, kExponential };

struct ExportTls {
  std::string ca_file;    ///< PEM; empty is the system's store.
  std::string cert_file;  ///< Of the client; with key_file.
  std::string key_file;
  friend bool operator==(const ExportTls&, const ExportTls&) = default;
};

/// One OTLP destination.
struct Otlp {
  std::string endpoint;  ///< http://, https://, grpc:// or grpcs:// URL.
  bool traces = true;
  bool metrics = true;
  bool logs = false;
  std::map<std::string, Secret> headers;
  ExportTls tls;
  bool gzip = true;
  absl::Duration timeout = absl::Seconds(10);
  uint32_t queue = 8192;  ///< Spans, and log records, that wait; beyond it the oldest are dropped.
  absl::Duration metrics_interval = absl::Seconds(30);
  Temporality temporality = Temporality::kCumulative;
  Histograms histograms = Histograms::kExplicit;
  friend bool operator==(const Otlp&, const Otlp&) = default;
};

/// TLS of Sonde's own port.
struct ServerTls {
  std::string cert_file;
  std::string key_file;
  friend bool operator==(const ServerTls&, const ServerTls&) = default;
};

struct BasicUser {
  std::string user;
  Secret password;
  friend bool operator==(const BasicUser&, const BasicUser&) = default;
};

/// The port for Prometheus and health checks.
struct Http {
  bool enabled = true;
  std::string listen = "127.0.0.1:9464";
  ServerTls tls;
  std::vector<BasicUser> basic;
  std::vector<Secret> bearer;
  std::vector<std::string> allow;  ///< Addresses and networks ("10.0.0.0/8"); empty: every peer.
  bool health_open = true;         ///< Health paths ask for no credentials, as a kubelet has none.
  friend bool operator==(const Http&, const Http&) = default;
};

struct Ledger {
  std::string directory;  ///< Empty: no ledger.
  Bytes max_file{64U << 20};
  uint32_t keep_days = 0;  ///< 0: for ever.
  absl::Duration sync_interval = absl::Seconds(1);
  friend bool operator==(const Ledger&, const Ledger&) = default;
};

/// Which spans are exported. Metrics and the ledger have every call whatever stands here.
struct Sampling {
  double ratio = 1.0;
  bool keep_errors = true;
  double keep_above_usd = 0;  ///< Calls at least so dear are kept; 0: none for that reason.
  friend bool operator==(const Sampling&, const Sampling&) = default;
};

struct Limits {
  Bytes memory{256U << 20};  ///< Of buffers and tables together, without the ring.
  uint32_t series = 10000;   ///< Of one metric; beyond it they fold into "_other".
  uint32_t models = 500;     ///< Different model names as label values.
  friend bool operator==(const Limits&, const Limits&) = default;
};

struct Prices {
  std::string directory;                         ///< Of overrides; empty: the built-in book alone.
  std::map<std::string, std::string> providers;  ///< host[:port] -> id of a provider.
  friend bool operator==(const Prices&, const Prices&) = default;
};

enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError };
enum class LogFormat : uint8_t { kJson, kText };

struct Log {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kJson;
  friend bool operator==(const Log&, const Log&) = default;
};

struct Config {
  std::vector<Selector> select;  ///< A process is seen when one of them fits. Empty: nothing is.
  Capture capture;
  std::string service_name;                     ///< Empty: of the program that made the call.
  std::map<std::string, std::string> resource;  ///< Attributes of everything exported.
  Names names = Names::k141;
  std::vector<Otlp> otlp;
  Http http;
  Ledger ledger;
  Sampling sampling;
  Limits limits;
  Prices prices;
  Log log;
  friend bool operator==(const Config&, const Config&) = default;
};

}  // namespace sonde::config

#endif  // SONDE_AGENT_CONFIG_CONFIG_H_
