// Events of one connection for tests, written as a conversation.
#ifndef SONDE_AGENT_FLOW_TESTING_CONVERSATION_H_
#define SONDE_AGENT_FLOW_TESTING_CONVERSATION_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/events/event.h"

namespace sonde::flow::testing {

inline constexpr uint64_t kMillisecond = 1'000'000;

/// Builds events in the order a source would deliver them. Every step takes one millisecond: an
/// invocation is entered at its beginning and returns half a millisecond later. Owns the bytes its
/// events refer to.
class Conversation {
 public:
  explicit Conversation(const events::ConnectionId& id, events::MonoNs start = 1000 * kMillisecond)
      : id_(id), now_(start) {}

  Conversation& Open(events::Role role = events::Role::kClient, bool mid_stream = false) {
    role_ = role;
    events_.push_back(events::ConnectionOpened{
        .connection = id_, .ns = Step(), .role = role, .mid_stream = mid_stream});
    return *this;
  }
  Conversation& Info(events::ConnectionInfo info) {
    info.connection = id_;
    info.ns = Step();
    events_.push_back(info);
    return *this;
  }
  Conversation& Name(std::string server_name) {
    return Info({.server_name = std::move(server_name)});
  }
  Conversation& Send(std::string_view bytes) { return Move(events::Direction::kOut, bytes); }
  Conversation& Receive(std::string_view bytes) { return Move(events::Direction::kIn, bytes); }
  /// Bytes that were moved and not captured; no event.
  Conversation& LoseSent(uint64_t length) {
    offset_[0] += length;
    Step();
    return *this;
  }
  Conversation& LoseReceived(uint64_t length) {
    offset_[1] += length;
    Step();
    return *this;
  }
  Conversation& Wait(uint64_t ns) {
    now_ += ns;
    return *this;
  }
  Conversation& PeerEnds(bool error = false) {
    events_.push_back(events::StreamEnded{.connection = id_, .ns = Step(), .error = error});
    return *this;
  }
  Conversation& Close(events::CloseReason reason = events::CloseReason::kFreed) {
    events_.push_back(events::ConnectionClosed{
        .connection = id_, .ns = Step(), .reason = reason, .bytes = {offset_[0], offset_[1]}});
    return *this;
  }

  const std::vector<events::Event>& events() const { return events_; }
  events::MonoNs now() const { return now_; }
  events::Data& last_data() { return std::get<events::Data>(events_.back()); }

 private:
  events::MonoNs Step() { return std::exchange(now_, now_ + kMillisecond); }

  Conversation& Move(events::Direction direction, std::string_view bytes) {
    owned_->emplace_back(bytes);
    uint64_t& offset = offset_[static_cast<int>(direction)];
    const events::MonoNs entry = Step();
    events_.push_back(events::Data{.connection = id_,
                                   .direction = direction,
                                   .role = role_,
                                   .offset = offset,
                                   .length = bytes.size(),
                                   .bytes = owned_->back(),
                                   .entry_ns = entry,
                                   .exit_ns = entry + kMillisecond / 2,
                                   .tid = 1});
    offset += bytes.size();
    return *this;
  }

  const events::ConnectionId id_;
  events::Role role_ = events::Role::kUnknown;
  events::MonoNs now_;
  uint64_t offset_[2] = {0, 0};
  // Shared, so that a copy's events refer to bytes that live as long.
  std::shared_ptr<std::deque<std::string>> owned_ = std::make_shared<std::deque<std::string>>();
  std::vector<events::Event> events_;
};

inline events::ConnectionId Id(uint64_t handle, uint64_t generation = 1, uint32_t pid = 100,
                               events::Transport transport = events::Transport::kTls) {
  return {.process = {.pid = pid, .start_ns = 1},
          .transport = transport,
          .handle = handle,
          .generation = generation};
}

inline std::string Request(std::string_view body, std::string_view path = "/v1/chat/completions",
                           std::string_view headers = "",
                           std::string_view host = "api.openai.test") {
  return absl::StrCat("POST ", std::string(path), " HTTP/1.1\r\nHost: ", std::string(host),
                      "\r\nContent-Type: application/json\r\n", std::string(headers),
                      "Content-Length: ", body.size(), "\r\n\r\n", std::string(body));
}

inline std::string Reply(std::string_view body, int status = 200, std::string_view headers = "") {
  return absl::StrCat("HTTP/1.1 ", status, " X\r\nContent-Type: application/json\r\n",
                      std::string(headers), "Content-Length: ", body.size(), "\r\n\r\n",
                      std::string(body));
}

inline std::string StreamHead(std::string_view headers = "") {
  return absl::StrCat("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n",
                      std::string(headers), "Transfer-Encoding: chunked\r\n\r\n");
}

inline std::string Chunk(std::string_view bytes) {
  return absl::StrCat(absl::Hex(bytes.size()), "\r\n", std::string(bytes), "\r\n");
}

inline constexpr char kLastChunk[] = "0\r\n\r\n";

/// Cuts data into pieces of random size, each with its invocation's times.
inline std::vector<events::Event> Slice(const std::vector<events::Event>& events,
                                        std::mt19937& random) {
  std::vector<events::Event> sliced;
  for (const events::Event& event : events) {
    const auto* data = std::get_if<events::Data>(&event);
    if (data == nullptr || data->bytes.size() != data->length) {
      sliced.push_back(event);
      continue;
    }
    for (uint64_t at = 0; at < data->length;) {
      events::Data piece = *data;
      piece.offset += at;
      piece.bytes = data->bytes.substr(at, 1 + random() % 200);
      piece.length = piece.bytes.size();
      at += piece.length;
      sliced.push_back(piece);
    }
  }
  return sliced;
}

/// Swaps neighbours that a source may deliver in either order: data of different directions that
/// moved close to each other.
inline void SwapNeighbours(std::vector<events::Event>& events, std::mt19937& random) {
  for (size_t i = 0; i + 1 < events.size(); ++i) {
    const auto* first = std::get_if<events::Data>(&events[i]);
    const auto* second = std::get_if<events::Data>(&events[i + 1]);
    const bool may = first != nullptr && second != nullptr && random() % 3 == 0;
    if (may) std::swap(events[i], events[i + 1]);
  }
}

/// One sequence of several, each kept in its own order.
inline std::vector<events::Event> Interleave(std::vector<std::vector<events::Event>> sources,
                                             std::mt19937& random) {
  std::vector<events::Event> merged;
  std::vector<size_t> next(sources.size(), 0);
  while (true) {
    std::vector<size_t> open;
    for (size_t i = 0; i < sources.size(); ++i) {
      if (next[i] < sources[i].size()) open.push_back(i);
    }
    if (open.empty()) return merged;
    const size_t chosen = open[random() % open.size()];
    merged.push_back(sources[chosen][next[chosen]++]);
  }
}

}  // namespace sonde::flow::testing

#endif  // SONDE_AGENT_FLOW_TESTING_CONVERSATION_H_
