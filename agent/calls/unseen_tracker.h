// What went by without becoming calls, and why: so that silence is never mistaken for nothing.
#ifndef SONDE_AGENT_CALLS_UNSEEN_TRACKER_H_
#define SONDE_AGENT_CALLS_UNSEEN_TRACKER_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "agent/calls/call.h"
#include "agent/calls/process_table.h"
#include "agent/events/event.h"
#include "agent/flow/exchange_sink.h"
#include "agent/pricing/price_book.h"

namespace sonde::calls {

/// One file with TLS code in a process.
struct LibraryStatus {
  std::string path;
  std::string family;
  std::string rung;
  bool attached = false;
  std::string problem;
  /// Time between its mapping and its last probe, when that was later; what was sent meanwhile is
  /// not seen. 0 also when it was mapped before Sonde looked.
  uint64_t late_ns = 0;
};

/// What was seen of one process; for the bill.
struct ProcessCapture {
  std::shared_ptr<const Process> process;
  std::vector<LibraryStatus> libraries;
  uint64_t calls = 0;
  uint64_t plaintext_connections = 0;   ///< Of TLS libraries.
  uint64_t plain_http_connections = 0;  ///< Of sockets.
  uint64_t tls_sockets = 0;             ///< TLS connections seen from outside.
  uint64_t unseen_connections = 0;      ///< Of any kind: the sum over its Unseen entries.
};

/// TLS sockets and the TLS libraries' connections are matched by process and server name: sockets
/// in excess gave no plaintext. A library's connection that ended without a byte was idle: it
/// accounts for one socket as well, but for none that sent more than a handshake does, since then
/// the bytes went another way than through the probes (a BIO, another library). Not thread-safe;
/// bounded.
class UnseenTracker {
 public:
  /// No server's part of a handshake is longer (certificate chains, tickets).
  static constexpr uint64_t kServerHandshakeBytes = uint64_t{16} * 1024;
  /// After its ClientHello a client that says nothing sends less: a key share, Finished, and
  /// close_notify; 104 bytes with TLS 1.3, 225 with TLS 1.2 and the largest curve. A call is
  /// longer. Client certificates and a second hello are longer too: those connections are not taken
  /// as idle.
  static constexpr uint64_t kClientFinishBytes = 256;
  /// A ClientHello that could not be read is taken to be so long.
  static constexpr uint64_t kUnreadHelloBytes = 1280;
  /// Plaintext that makes a socket's bytes exceed kClientFinishBytes with the least records around.
  static constexpr uint64_t kLoudPlaintextBytes = 128;

  struct Limits {
    size_t hosts = 4096;  ///< (process, kind, host) entries.
    size_t processes = 4096;
    size_t libraries = 64;  ///< Per process.
  };

  /// `processes` and `sink` must outlive the tracker. `sink` hears once per process and host of a
  /// protocol that is not supported.
  UnseenTracker(const Limits& limits, std::shared_ptr<const pricing::PriceBook> book,
                ProcessTable* processes, CallSink* sink);

  void SetPriceBook(std::shared_ptr<const pricing::PriceBook> book) { book_ = std::move(book); }
  void OnLibraryFound(const events::LibraryFound& event);
  void OnPlaintext(const flow::ConnectionView& connection);
  void OnRequestHead(const flow::ConnectionView& connection, uint64_t exchange,
                     const wire::RequestHead& head);
  void OnProtocol(const flow::ConnectionView& connection, wire::Protocol protocol);
  void OnTlsSocket(const flow::ConnectionView& connection, const flow::TlsHello& hello);
  void OnQuic(const flow::ConnectionView& connection);
  void OnConnectionEnd(const flow::ConnectionView& connection);
  void OnCall(const Call& call);

  /// In order of process, kind and host.
  std::vector<Unseen> List() const;
  /// Every process that had a library, a connection or a call, in order of id.
  std::vector<ProcessCapture> Processes() const;
  /// Entries not made because a bound was reached.
  uint64_t dropped() const { return dropped_; }

 private:
  struct Key {
    events::ProcessId process;
    std::string kind;
    std::string host;
    bool operator<(const Key& other) const {
      return std::tie(process, kind, host) < std::tie(other.process, other.kind, other.host);
    }
  };
  struct Tally {
    uint64_t connections = 0;
    uint64_t explained = 0;       // Their plaintext was seen,
    uint64_t large = 0;           // ... enough of it for a socket that is not quiet;
    uint64_t idle = 0;            // or they ended without any.
    uint64_t loud = 0;            // Sockets that sent or got more than a handshake.
    events::MonoNs first_ns = 0;  // When the first of them opened.
    bool h2_offered = false;
  };
  struct ProcessTally {
    std::vector<LibraryStatus> libraries;
    events::MonoNs first_attached_ns = 0;
    uint64_t calls = 0;
    uint64_t plaintext = 0;
    uint64_t plain_http = 0;
    uint64_t tls_sockets = 0;
    uint64_t anonymous = 0;       // Plaintext connections whose host is not known.
    uint64_t anonymous_idle = 0;  // Idle ones.
  };

  Tally* At(const events::ProcessId& process, std::string kind, std::string host);
  void CountUndecoded(const flow::ConnectionView& connection, const wire::RequestHead& head);
  void CountUnsupported(const flow::ConnectionView& connection, const std::string& kind,
                        std::string host = {});
  std::string NameOf(const flow::ConnectionView& connection) const;
  ProcessTally* AtProcess(const events::ProcessId& process);
  void Explain(const flow::ConnectionView& connection, const std::string& host);
  static uint64_t MayBeIdle(const Tally& tally);
  std::string TlsReason(const events::ProcessId& process, const Tally& tally) const;

  const Limits limits_;
  std::shared_ptr<const pricing::PriceBook> book_;
  ProcessTable* const processes_;
  CallSink* const sink_;
  std::map<Key, Tally> hosts_;
  // Names in the ClientHellos of sockets, for the TLS connections above them.
  std::map<std::pair<events::ProcessId, uint64_t>, std::string> socket_names_;
  std::map<events::ProcessId, ProcessTally> tallies_;
  uint64_t dropped_ = 0;
};

}  // namespace sonde::calls

#endif  // SONDE_AGENT_CALLS_UNSEEN_TRACKER_H_
