// Writes usage records to a file or a stream, one line per call.
#ifndef SONDE_AGENT_EXPORT_USAGE_RECORD_WRITER_H_
#define SONDE_AGENT_EXPORT_USAGE_RECORD_WRITER_H_

#include <memory>
#include <string>

#include "agent/calls/call.h"
#include "agent/export/line_queue.h"

namespace sonde::exporter {

/// A record goes to the kernel when its call ends: what was reported survives a crash of Sonde.
/// Used on one thread.
class UsageRecordWriter : public calls::CallSink {
 public:
  /// `queue` may be shared with others who write whole lines to the same reader.
  UsageRecordWriter(std::shared_ptr<LineQueue> queue, std::string user_salt)
      : queue_(std::move(queue)), user_salt_(std::move(user_salt)) {}

  void OnCall(const calls::Call& call) override;

  LineQueue& queue() { return *queue_; }

 private:
  std::shared_ptr<LineQueue> queue_;
  std::string user_salt_;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_USAGE_RECORD_WRITER_H_
