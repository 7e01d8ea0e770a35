// What the kernel tests share: a sink that keeps what it is told, and children that start when the
// test says so.
#ifndef SONDE_AGENT_CAPTURE_TESTING_HARNESS_H_
#define SONDE_AGENT_CAPTURE_TESTING_HARNESS_H_

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/capture/live_capture.h"
#include "agent/events/event.h"

namespace sonde::capture::testing {

/// Keeps every event; the bytes of Data events are copied.
class Recorder final : public events::EventSink {
 public:
  void OnEvent(const events::Event& event) override;

  template <typename Kind>
  std::vector<Kind> All() const {
    std::vector<Kind> found;
    for (const events::Event& event : events_) {
      if (const Kind* kind = std::get_if<Kind>(&event)) found.push_back(*kind);
    }
    return found;
  }
  const std::vector<events::Event>& events() const { return events_; }
  void Clear() { events_.clear(); }

  /// The bytes of one direction of a connection as its Data events tell them, a hole as "<n>".
  std::string Stream(const events::ConnectionId& connection, events::Direction direction) const;

  /// Connections in the order in which they opened.
  std::vector<events::ConnectionId> Connections() const;

 private:
  std::deque<std::string> bytes_;
  std::vector<events::Event> events_;
};

/// A forked process that runs `work` once it is let go, and exits with what that returns.
class Child {
 public:
  explicit Child(const std::function<int()>& work);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  /// Kills it if it is still there.
  ~Child();

  pid_t pid() const { return pid_; }
  void Start();
  /// Its exit status if it has ended (a signal's number is negative); waits with a deadline.
  int Wait();
  bool Ended();

 private:
  pid_t pid_ = -1;
  int gate_ = -1;
  bool ended_ = false;
  int status_ = 0;
};

/// Starts the child and polls until `capture` has told of its exit, or 20 s have passed.
/// Returns the child's exit status.
int RunToExit(CaptureSource* capture, const Recorder& recorder, Child* child);

/// Polls until the condition holds or 20 s have passed; returns whether it held.
bool PollUntil(CaptureSource* capture, const std::function<bool()>& condition);

/// Why this machine cannot run kernel tests; empty when it can.
std::string CannotCapture();

}  // namespace sonde::capture::testing

#endif  // SONDE_AGENT_CAPTURE_TESTING_HARNESS_H_
