// The one description of the configuration: name, place, meaning and bounds of every key. Reading,
// showing and the JSON Schema all visit it, so they cannot disagree.
#ifndef SONDE_AGENT_CONFIG_FIELDS_H_
#define SONDE_AGENT_CONFIG_FIELDS_H_

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>

#include "agent/config/config.h"

namespace sonde::config {

/// The words of an enumeration, in the order of its values.
template <class E>
struct Words;
template <>
struct Words<Names> {
  static constexpr std::array<std::string_view, 3> kAll = {"1.41", "main", "seed"};
};
template <>
struct Words<Temporality> {
  static constexpr std::array<std::string_view, 2> kAll = {"cumulative", "delta"};
};
template <>
struct Words<Histograms> {
  static constexpr std::array<std::string_view, 2> kAll = {"explicit", "exponential"};
};
template <>
struct Words<LogLevel> {
  static constexpr std::array<std::string_view, 4> kAll = {"debug", "info", "warn", "error"};
};
template <>
struct Words<LogFormat> {
  static constexpr std::array<std::string_view, 2> kAll = {"json", "text"};
};

/// Inclusive bounds of a number, of a duration in seconds, or of a size in bytes.
struct Bounds {
  double least = 0;
  double most = std::numeric_limits<double>::max();
};

// Fields(visitor, value) calls visitor(name, member, meaning[, bounds]) for every key in the order
// of the documents.

template <class V, class T>
requires std::is_same_v<std::remove_const_t<T>, Selector>
void Fields(V& visit, T& s) {
  visit("name", s.name, "Name of this selector in logs and in the status");
  visit("cgroup", s.cgroup,
        "cgroup directory, or its path below the tree's root; the root itself is refused");
  visit("pid", s.pid, "A process that runs, with everything it starts", Bounds{1, 4194304});
  visit("executable", s.executable, "Glob over the path of the program's file");
  visit("command", s.command, "Regular expression (RE2) found in the command line");
  visit("user", s.user, "Name or number of the user the process runs as");
}

template <class V, class T>
requires std::is_same_v<std::remove_const_t<T>, Capture>
void Fields(V& visit, T& c) {
  visit("plain_http", c.plain_http,
        "Also see HTTP without TLS; its tracepoints cost every process of the host a little");
  visit("ring", c.ring, "Ring between kernel and agent; a power of two", Bounds{65536, 1U << 30});
  visit("max_connections", c.max_connections, "Connections followed at a time",
        Bounds{64, 1048576});
  visit("max_processes", c.max_processes, "Processes selected at a time", Bounds{16, 1048576});
}

template <class V, class T>
requires std::is_same_v<std::remove_const_t<T>, ExportTls>
void Fields(V& visit, T& t) {
  visit("ca_file", t.ca_file, "PEM file of trusted authorities instead of the system's");
  visit("cert_file", t.cert_file, "PEM file of the client's certificate");
  visit("key_file", t.key_file, "PEM file of the client's key");
}

template <class V, class T>
requires std::is_same_v<std::remove_const_t<T>, Otlp>
void Fields(V& visit, T& o) {
  visit("endpoint", o.endpoint,
        "http:// or https:// for HTTP/protobuf, grpc:// or grpcs:// for gRPC");
  visit("traces", o.traces, "Send a span for each call");
  visit("metrics", o.metrics, "Send metrics");
  visit("logs", o.logs, "Send a log record for each call; without message text");
  visit("headers", o.headers, "Headers of every request, for example an API key");
  visit("tls", o.tls, "Trust and client certificate");
  visit("gzip", o.gzip, "Compress what is sent");
  visit("timeout", o.timeout, "Longest wait for one answer", Bounds{0.1, 300});
  visit("queue", o.queue, "Spans that wait at most; beyond it the oldest are dropped and counted",
        Bounds{64, 1048576});
  visit("metrics_interval", o.metrics_interval, "Time between two exports of metrics",
        Bounds{1, 3600});
  visit("temporality", o.temporality, "Of counters and histograms");
  visit("histograms", o.histograms, "Kind of buckets");
}

template <class V, class T>
requires std::is_same_v<std::remove_const_t<T>, ServerTls>
void Fields(V& visit, T& t) {
  visit("cert_file", t.cert_file, "PEM file of the certificate; with key_file it turns TLS on");
  visit("key_file", t.key_file, "PEM file of its key");
}

template <class V, class T>
requires std::is_same_v<std::remove_const_t<T>, BasicUser>
void Fields(V& visit, T& u) {
  visit("user", u.user, "Name");
  visit("password", u.password, "Password");
}

template <class V, class T>
requires std::is_same_v<std::remove_const_t<T>, Http>
void Fields(V& visit, T& h) {
  visit("enabled", h.enabled, "Open the port");
  visit("listen", h.listen, "ADDRESS:PORT");
  visit("tls", h.tls, "TLS of the port");
  visit("basic", h.basic, "Users that may read (HTTP basic authentication)");
  visit("bearer", h.bearer, "Tokens that may read");
  visit("allow", h.allow, "Addresses and networks that may connect; empty: all");
  visit("health_open", h.health_open, "Health checks need no credentials");
}

template <class V, class T>
requires std::is_same_v<std::remove_const_t<T>, Ledger>
void Fields(V& visit, T& l) {
  visit("directory", l.directory, "Folder of usage records, one JSON line per call; empty: none");
  visit("max_file", l.max_file, "A file of this size is closed and the next begun",
        Bounds{65536, 1U << 30});
  visit("keep_days", l.keep_days, "Closed files older than this are removed; 0: never",
        Bounds{0, 36500});
  visit("sync_interval", l.sync_interval, "Time between two fsyncs", Bounds{0.01, 3600});
}

template <class V, class T>
requires std::is_same_v<std::remove_const_t<T>, Sampling>
void Fields(V& visit, T& s) {
  visit("ratio", s.ratio, "Part of the traces whose spans are sent", Bounds{0, 1});
  visit("keep_errors", s.keep_errors, "Always send spans of failed calls");
  visit("keep_above_usd", s.keep_above_usd, "Always send spans of calls that cost at least this",
        Bounds{0, 1e9});
}

template <class V, class T>
requires std::is_same_v<std::remove_const_t<T>, Limits>
void Fields(V& visit, T& l) {
  visit("memory", l.memory, "Of buffers and tables together, without the ring",
        Bounds{16U << 20, 1ULL << 40});
  visit("series", l.series, "Label sets of one metric; the rest folds into _other",
        Bounds{10, 1000000});
  visit("models", l.models, "Different model names in labels; the rest folds into _other",
        Bounds{1, 100000});
}

template <class V, class T>
requires std::is_same_v<std::remove_const_t<T>, Prices>
void Fields(V& visit, T& p) {
  visit("directory", p.directory, "Folder of price overrides");
  visit("providers", p.providers, "host[:port] of a private gateway or mirror: provider id");
}

template <class V, class T>
requires std::is_same_v<std::remove_const_t<T>, Log>
void Fields(V& visit, T& l) {
  visit("level", l.level, "Least level that is written");
  visit("format", l.format, "One JSON object per line, or text for people");
}

template <class V, class T>
requires std::is_same_v<std::remove_const_t<T>, Config>
void Fields(V& visit, T& c) {
  visit("select", c.select, "Which processes are seen; none when it is empty");
  visit("capture", c.capture, "How they are seen");
  visit("service_name", c.service_name, "service.name of everything; empty: the program's");
  visit("resource", c.resource, "Attributes of everything that is exported");
  visit("names", c.names, "Generation of names: semantic conventions 1.41, main, or seed");
  visit("otlp", c.otlp, "Where spans, metrics and logs are sent");
  visit("http", c.http, "The port of Prometheus and of health checks");
  visit("ledger", c.ledger, "Usage records on disk");
  visit("sampling", c.sampling, "Which spans are sent");
  visit("limits", c.limits, "Bounds of memory and labels");
  visit("prices", c.prices, "What calls cost");
  visit("log", c.log, "What the agent says of itself, on standard error");
}

}  // namespace sonde::config

#endif  // SONDE_AGENT_CONFIG_FIELDS_H_
