#include "agent/calls/unseen_tracker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/calls/headers.h"
#include "decoders/dialects/dialect.h"

namespace sonde::calls {
namespace {

constexpr char kTls[] = "tls";
constexpr char kHttp2[] = "http/2";
constexpr char kQuic[] = "quic";
constexpr char kMidStream[] = "mid_stream";
constexpr char kWebSocket[] = "websocket";
constexpr uint16_t kHttpsPort = 443;
constexpr uint16_t kHttpPort = 80;

bool IsTlsLibrary(const flow::ConnectionView& connection) {
  return connection.id.transport == events::Transport::kTls;
}

constexpr char kPost[] = "POST";
/// Requests that no provider bills: counting, uploads, moderation, a client's own reports.
constexpr std::string_view kNotMetered[] = {"/count_tokens", "/files", "/uploads", "/moderations",
                                            "/event_logging"};
constexpr std::string_view kSelfHosted = "self_hosted";
constexpr size_t kPathSegments = 2;
constexpr size_t kPathBytes = 64;

/// The part of a path that names the API: ids behind it would make each call another kind.
std::string ApiPath(std::string_view target) {
  std::string path = PathOf(target);
  size_t end = 0;
  for (size_t i = 0; i < kPathSegments && end != std::string::npos; ++i) {
    end = path.find('/', end + 1);
  }
  if (end != std::string::npos) path.resize(end);
  if (path.size() > kPathBytes) path.resize(kPathBytes);
  return path;
}

}  // namespace

UnseenTracker::UnseenTracker(const Limits& limits, std::shared_ptr<const pricing::PriceBook> book,
                             ProcessTable* processes, CallSink* sink)
    : limits_(limits), book_(std::move(book)), processes_(processes), sink_(sink) {}

/// The name the client asked for: as its library was told, else as the socket below it showed.
std::string UnseenTracker::NameOf(const flow::ConnectionView& connection) const {
  if (!connection.server_name.empty() || !connection.fd) return connection.server_name;
  const auto below = socket_names_.find({connection.id.process, *connection.fd});
  return below == socket_names_.end() ? std::string() : below->second;
}

UnseenTracker::Tally* UnseenTracker::At(const events::ProcessId& process, std::string kind,
                                        std::string host) {
  Key key{process, std::move(kind), std::move(host)};
  const auto found = hosts_.find(key);
  if (found != hosts_.end()) return &found->second;
  if (hosts_.size() >= limits_.hosts) {
    ++dropped_;
    return nullptr;
  }
  return &hosts_[std::move(key)];
}

UnseenTracker::ProcessTally* UnseenTracker::AtProcess(const events::ProcessId& process) {
  const auto found = tallies_.find(process);
  if (found != tallies_.end()) return &found->second;
  if (tallies_.size() >= limits_.processes) {
    ++dropped_;
    return nullptr;
  }
  return &tallies_[process];
}

void UnseenTracker::OnLibraryFound(const events::LibraryFound& event) {
  ProcessTally* tally = AtProcess(event.process);
  if (tally == nullptr) return;
  const bool late = event.attached && event.mapped_ns != 0 && event.attached_ns > event.mapped_ns;
  LibraryStatus status{.path = event.path,
                       .family = event.family,
                       .rung = event.rung,
                       .attached = event.attached,
                       .problem = event.problem,
                       .late_ns = late ? event.attached_ns - event.mapped_ns : 0};
  if (event.attached && tally->first_attached_ns == 0) {
    tally->first_attached_ns = event.attached_ns;
  }
  const auto known =
      std::find_if(tally->libraries.begin(), tally->libraries.end(),
                   [&event](const auto& library) { return library.path == event.path; });
  if (known != tally->libraries.end()) {
    *known = std::move(status);
  } else if (tally->libraries.size() < limits_.libraries) {
    tally->libraries.push_back(std::move(status));
  } else {
    ++dropped_;
  }
}

void UnseenTracker::OnPlaintext(const flow::ConnectionView& connection) {
  ProcessTally* tally = AtProcess(connection.id.process);
  if (tally == nullptr) return;
  ++(IsTlsLibrary(connection) ? tally->plaintext : tally->plain_http);
}

/// The plaintext of one TLS connection was seen: a socket with this name needs no other reason.
void UnseenTracker::Explain(const flow::ConnectionView& connection, const std::string& host) {
  if (host.empty()) {
    if (ProcessTally* tally = AtProcess(connection.id.process)) ++tally->anonymous;
    return;
  }
  if (Tally* tally = At(connection.id.process, kTls, host)) ++tally->explained;
}

void UnseenTracker::OnRequestHead(const flow::ConnectionView& connection, uint64_t exchange,
                                  const wire::RequestHead& head) {
  CountUndecoded(connection, head);
  if (exchange != 0 || !IsTlsLibrary(connection)) return;
  // The name in the ClientHello, when it is known, is what the socket shows too.
  std::string host = NameOf(connection);
  if (host.empty()) host = SplitAuthority(head.authority).host;
  Explain(connection, host);
}

void UnseenTracker::OnProtocol(const flow::ConnectionView& connection, wire::Protocol protocol) {
  const bool first_bytes =
      protocol == wire::Protocol::kHttp2Preface || protocol == wire::Protocol::kUnknown;
  if (first_bytes && IsTlsLibrary(connection)) Explain(connection, NameOf(connection));
  if (protocol == wire::Protocol::kHttp2Preface) CountUnsupported(connection, kHttp2);
  if (protocol == wire::Protocol::kWebSocket) CountUnsupported(connection, kWebSocket);
}

/// A request to a model provider in an API that Sonde does not decode may well be billed.
void UnseenTracker::CountUndecoded(const flow::ConnectionView& connection,
                                   const wire::RequestHead& head) {
  if (head.method != kPost || connection.role == events::Role::kServer) return;
  if (dialects::Recognize(head) != nullptr) return;
  const std::string path = PathOf(head.target);
  for (const std::string_view free : kNotMetered) {
    if (path.find(free) != std::string::npos) return;
  }
  HostPort host = SplitAuthority(head.authority);
  if (host.host.empty()) host = HostPort{NameOf(connection), 0};
  if (host.port == 0) host.port = IsTlsLibrary(connection) ? kHttpsPort : kHttpPort;
  const std::string provider = book_->ProviderForHost(host.host, host.port);
  if (provider.empty() || provider == kSelfHosted) return;
  CountUnsupported(connection, absl::StrCat(kPost, " ", ApiPath(head.target)), host.host);
}

void UnseenTracker::CountUnsupported(const flow::ConnectionView& connection,
                                     const std::string& kind, std::string host) {
  if (host.empty()) host = NameOf(connection);
  if (host.empty()) host = connection.peer_address;
  Tally* tally = At(connection.id.process, kind, host);
  if (tally == nullptr || ++tally->connections > 1) return;
  const std::string& program = processes_->Get(connection.id.process)->display_name;
  sink_->OnNotice(Notice{.key = absl::StrCat("unsupported ", kind, " ", program, " ", host),
                         .text = absl::StrCat("unsupported: ", kind, " (", program,
                                              host.empty() ? "" : " to ", host, ")"),
                         .ns = connection.opened_ns});
}

void UnseenTracker::OnTlsSocket(const flow::ConnectionView& connection,
                                const flow::TlsHello& hello) {
  if (ProcessTally* process = AtProcess(connection.id.process)) ++process->tls_sockets;
  const std::string& name = connection.server_name;
  const std::pair socket(connection.id.process, connection.id.handle);
  // Only helps to name things: starting anew when it is full forgets no count.
  if (socket_names_.size() >= limits_.hosts) socket_names_.clear();
  socket_names_[socket] = name;
  Tally* tally = At(connection.id.process, kTls, name.empty() ? connection.peer_address : name);
  if (tally == nullptr) return;
  if (tally->connections++ == 0) tally->first_ns = connection.opened_ns;
  tally->h2_offered |= std::find(hello.alpn.begin(), hello.alpn.end(), "h2") != hello.alpn.end();
}

void UnseenTracker::OnQuic(const flow::ConnectionView& connection) {
  CountUnsupported(connection, kQuic);
}

void UnseenTracker::OnConnectionEnd(const flow::ConnectionView& connection) {
  const auto exceeds = [&connection](uint64_t out_limit, uint64_t in_limit, bool if_unknown) {
    const auto& [out, in] = connection.total_bytes;
    return out && in ? *out > out_limit || *in > in_limit : if_unknown;
  };
  std::string host = NameOf(connection);
  if (connection.tls_socket) {
    if (host.empty()) host = connection.peer_address;
    Tally* tally = At(connection.id.process, kTls, host);
    const uint64_t hello = connection.hello_bytes > 0 ? connection.hello_bytes : kUnreadHelloBytes;
    if (tally != nullptr && exceeds(hello + kClientFinishBytes, kServerHandshakeBytes, true)) {
      ++tally->loud;
    }
    return;
  }
  if (connection.unread_reply_bytes > 0 &&
      (IsTlsLibrary(connection) || book_->IsProviderHost(host))) {
    // What Sonde met in its middle and could not read may have been a call.
    Tally* tally =
        At(connection.id.process, kMidStream, host.empty() ? connection.peer_address : host);
    if (tally != nullptr) ++tally->connections;
  }
  if (!IsTlsLibrary(connection) || connection.role != events::Role::kClient) return;
  if (connection.has_data) {
    Tally* tally = host.empty() ? nullptr : At(connection.id.process, kTls, host);
    if (tally != nullptr && exceeds(kLoudPlaintextBytes, kServerHandshakeBytes, true)) {
      ++tally->large;
    }
  } else if (host.empty()) {
    if (ProcessTally* tally = AtProcess(connection.id.process)) ++tally->anonymous_idle;
  } else if (Tally* tally = At(connection.id.process, kTls, host)) {
    ++tally->idle;
  }
}

void UnseenTracker::OnCall(const Call& call) {
  if (ProcessTally* tally = AtProcess(call.connection.process)) ++tally->calls;
}

std::string UnseenTracker::TlsReason(const events::ProcessId& process, const Tally& tally) const {
  const auto found = tallies_.find(process);
  if (found == tallies_.end()) return "TLS library not recognised";
  const LibraryStatus* refused = nullptr;
  bool attached = false;
  for (const LibraryStatus& library : found->second.libraries) {
    if (library.family == "io_uring") continue;  // No TLS library: explains plain HTTP only.
    attached |= library.attached;
    if (!library.attached && refused == nullptr) refused = &library;
  }
  if (!attached && refused == nullptr) return "TLS library not recognised";
  if (!attached) {
    return absl::StrCat(refused->family, " in ", refused->path, ": ",
                        refused->problem.empty() ? "not attached" : refused->problem);
  }
  if (found->second.first_attached_ns > tally.first_ns) {
    return "connected before the probes were in";
  }
  return "another TLS library than the ones attached";
}

/// Sockets without plaintext that moved no more than a handshake.
uint64_t UnseenTracker::MayBeIdle(const Tally& tally) {
  const uint64_t unseen = tally.connections - std::min(tally.connections, tally.explained);
  const uint64_t loud = tally.loud - std::min(tally.loud, tally.large);
  return unseen - std::min(unseen, loud);
}

std::vector<Unseen> UnseenTracker::List() const {
  std::vector<Unseen> list;
  struct Spare {
    uint64_t plaintext = 0;
    uint64_t idle = 0;
  };
  std::map<events::ProcessId, Spare> anonymous;
  for (const auto& [process, tally] : tallies_) {
    anonymous[process] = {tally.anonymous, tally.anonymous_idle};
  }
  for (const auto& [key, tally] : hosts_) {
    uint64_t unseen = tally.connections - std::min(tally.connections, tally.explained);
    if (key.kind == kTls) {
      Spare& spare = anonymous[key.process];
      uint64_t may_be_idle = MayBeIdle(tally);
      const auto match = [](uint64_t& from, uint64_t& to) {
        const uint64_t matched = std::min(from, to);
        from -= matched;
        to -= matched;
        return matched;
      };
      uint64_t idle = tally.idle;
      unseen -= match(idle, may_be_idle);
      match(spare.plaintext, unseen);
      may_be_idle = std::min(may_be_idle, unseen);
      unseen -= match(spare.idle, may_be_idle);
    }
    if (unseen == 0) continue;
    list.push_back(
        Unseen{.process = processes_->Get(key.process),
               .kind = key.kind,
               .host = key.host,
               .provider_host = book_->IsProviderHost(key.host) || key.kind.starts_with(kPost),
               .reason = key.kind == kTls         ? TlsReason(key.process, tally)
                         : key.kind == kMidStream ? "met in its middle"
                                                  : absl::StrCat("unsupported: ", key.kind),
               .connections = unseen});
  }
  return list;
}

std::vector<ProcessCapture> UnseenTracker::Processes() const {
  std::map<events::ProcessId, uint64_t> unseen;
  for (const Unseen& entry : List()) unseen[entry.process->id] += entry.connections;
  std::vector<ProcessCapture> processes;
  for (const auto& [id, tally] : tallies_) {
    processes.push_back(ProcessCapture{.process = processes_->Get(id),
                                       .libraries = tally.libraries,
                                       .calls = tally.calls,
                                       .plaintext_connections = tally.plaintext,
                                       .plain_http_connections = tally.plain_http,
                                       .tls_sockets = tally.tls_sockets,
                                       .unseen_connections = unseen[id]});
  }
  return processes;
}

}  // namespace sonde::calls
