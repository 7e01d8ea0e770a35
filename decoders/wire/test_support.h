// For tests and fuzzers: writes down what a connection or an event stream reports.
#ifndef SONDE_DECODERS_WIRE_TEST_SUPPORT_H_
#define SONDE_DECODERS_WIRE_TEST_SUPPORT_H_

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "decoders/wire/http1_connection.h"
#include "decoders/wire/sse.h"

namespace sonde::wire::testing {

inline std::string_view Name(MessageEnd end) {
  switch (end) {
    case MessageEnd::kComplete:
      return "complete";
    case MessageEnd::kTruncated:
      return "truncated";
    case MessageEnd::kGarbled:
      return "garbled";
    case MessageEnd::kHole:
      return "hole";
    case MessageEnd::kUpgraded:
      return "upgraded";
  }
  return "?";
}

inline std::string_view Name(Protocol protocol) {
  switch (protocol) {
    case Protocol::kHttp1:
      return "http1";
    case Protocol::kHttp2Preface:
      return "http2";
    case Protocol::kTls:
      return "tls";
    case Protocol::kWebSocket:
      return "websocket";
    case Protocol::kTunnel:
      return "tunnel";
    case Protocol::kUnknown:
      return "unknown";
  }
  return "?";
}

/// One line per exchange and side, whatever order the sides came in:
///   "0> POST /a [head] {body} complete", "0< 200 {body} complete", and lines for the connection.
class HttpLog final : public HttpSink {
 public:
  struct Message {
    std::string head;
    std::string body;
    std::string end;
    uint64_t gap = 0;
    Stamp head_stamp;
    Stamp end_stamp;
    std::vector<Header> headers;
    std::string authority;
    std::string unsupported_coding;
    bool violated = false;  ///< Something came out of order.
  };

  void OnRequestHead(uint64_t exchange, const RequestHead& head, Stamp stamp) override {
    if (exchange != requests.size()) violated = true;
    Open(requests[exchange], head.method + " " + head.target, stamp, head.headers);
    requests[exchange].authority = head.authority;
    requests[exchange].unsupported_coding = head.unsupported_coding;
  }
  void OnRequestBody(uint64_t exchange, std::string_view bytes, Stamp) override {
    Body(requests[exchange], bytes);
  }
  void OnRequestGap(uint64_t exchange, uint64_t length) override {
    Gap(requests[exchange], length);
  }
  void OnRequestEnd(uint64_t exchange, MessageEnd end, Stamp stamp) override {
    if (requests[exchange].head.empty()) violated = true;
    End(requests[exchange], end, stamp);
  }
  void OnResponseHead(uint64_t exchange, const ResponseHead& head, Stamp stamp) override {
    if (requests.count(exchange) == 0) violated = true;
    Open(responses[exchange], std::to_string(head.status), stamp, head.headers);
    responses[exchange].unsupported_coding = head.unsupported_coding;
  }
  void OnResponseBody(uint64_t exchange, std::string_view bytes, Stamp) override {
    Body(responses[exchange], bytes);
  }
  void OnResponseGap(uint64_t exchange, uint64_t length) override {
    Gap(responses[exchange], length);
  }
  void OnResponseEnd(uint64_t exchange, MessageEnd end, Stamp stamp) override {
    End(responses[exchange], end, stamp);
  }
  void OnProtocol(Protocol seen, Stamp) override { protocols.push_back(std::string(Name(seen))); }
  void OnUnmatched(Side side, uint64_t length, Stamp) override {
    (side == Side::kRequest ? unmatched_requests : unmatched_responses) += length;
  }

  std::string str() const {
    std::string out;
    for (const auto& [id, message] : requests) out += Line(id, '>', message);
    for (const auto& [id, message] : responses) out += Line(id, '<', message);
    for (const std::string& protocol : protocols) out += "protocol " + protocol + "\n";
    if (unmatched_requests != 0) out += "unmatched> " + std::to_string(unmatched_requests) + "\n";
    if (unmatched_responses != 0) out += "unmatched< " + std::to_string(unmatched_responses) + "\n";
    return out;
  }

  std::map<uint64_t, Message> requests;
  std::map<uint64_t, Message> responses;
  std::vector<std::string> protocols;
  uint64_t unmatched_requests = 0;
  uint64_t unmatched_responses = 0;
  bool violated = false;

 private:
  void Open(Message& message, std::string head, Stamp stamp, const std::vector<Header>& headers) {
    if (!message.head.empty() || !message.end.empty()) violated = true;
    message.head = std::move(head);
    message.head_stamp = stamp;
    message.headers = headers;
  }
  void Body(Message& message, std::string_view bytes) {
    if (message.head.empty() || !message.end.empty() || bytes.empty()) violated = true;
    message.body += bytes;
  }
  void Gap(Message& message, uint64_t length) {
    if (message.head.empty() || !message.end.empty() || length == 0) violated = true;
    message.gap += length;
  }
  void End(Message& message, MessageEnd end, Stamp stamp) {
    if (!message.end.empty()) violated = true;
    message.end = Name(end);
    message.end_stamp = stamp;
  }
  static std::string Line(uint64_t id, char side, const Message& message) {
    std::string out = std::to_string(id) + side;
    if (!message.head.empty()) out += " " + message.head;
    if (!message.body.empty()) out += " {" + message.body + "}";
    if (message.gap != 0) out += " gap " + std::to_string(message.gap);
    if (!message.end.empty()) out += " " + message.end;
    return out + "\n";
  }
};

/// "name:data" per event, "!" after those that the end flushed, "dropped" for lost ones.
class EventLog final : public SseHandler {
 public:
  void OnEventData(std::string_view piece) override {
    data_ += piece;
    ++pieces;
  }
  void OnEvent(std::string_view name, bool flushed) override {
    events.push_back(std::string(name) + ":" + data_ + (flushed ? "!" : ""));
    data_.clear();
  }
  void OnEventDropped() override {
    events.push_back("dropped");
    data_.clear();
  }
  std::vector<std::string> events;
  size_t pieces = 0;

 private:
  std::string data_;
};

}  // namespace sonde::wire::testing

#endif  // SONDE_DECODERS_WIRE_TEST_SUPPORT_H_
