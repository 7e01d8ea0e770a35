// A collector within the test, over either transport, for every signal.
#ifndef SONDE_AGENT_EXPORT_OTLP_TEST_COLLECTOR_H_
#define SONDE_AGENT_EXPORT_OTLP_TEST_COLLECTOR_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "agent/export/otlp/settings.h"

namespace sonde::exporter {

/// Answers by script, then with success.
class TestCollector {
 public:
  enum class Answer : uint8_t {
    kTake,
    kLater,    ///< Retryable.
    kRefuse,   ///< Final.
    kGarbage,  ///< HTTP: success with a body that is none. gRPC: a status that does not exist.
  };
  struct Request {
    Signal signal = Signal::kTraces;
    Answer answer = Answer::kTake;
    std::string body;  ///< Serialized.
  };

  static std::unique_ptr<TestCollector> Make(OtlpProtocol protocol);
  virtual ~TestCollector() = default;
  virtual std::string Url() const = 0;

  void Next(std::vector<Answer> answers);
  /// Every request that is taken is taken in part only.
  void Reject(int64_t items, std::string why);

  std::vector<Request> requests() const;
  /// Those that were taken.
  template <typename Message>
  std::vector<Message> Taken(Signal signal) const {
    std::vector<Message> messages;
    for (const Request& request : requests()) {
      if (request.answer != Answer::kTake || request.signal != signal) continue;
      messages.emplace_back().ParseFromString(request.body);
    }
    return messages;
  }
  /// False when `done` did not come true in time. Asked again after every request.
  bool WaitFor(const std::function<bool(const std::vector<Request>&)>& done) const;
  bool WaitForRequests(size_t count) const {
    return WaitFor([count](const std::vector<Request>& all) { return all.size() >= count; });
  }

 protected:
  struct Reply {
    Answer answer = Answer::kTake;
    int64_t rejected = 0;
    std::string why;
  };
  Reply Take(Signal signal, std::string body);

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<Answer> answers_;
  std::vector<Request> requests_;
  int64_t rejected_ = 0;
  std::string why_;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_TEST_COLLECTOR_H_
