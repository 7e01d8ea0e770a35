#include "agent/export/console/console.h"

#include "agent/export/console/live_line.h"

namespace sonde::exporter::console {

std::optional<uint64_t> Console::Waited(const calls::Call& call) {
  const uint64_t first = call.retry_of != 0 ? call.retry_of : call.number;
  std::optional<uint64_t> waited;
  const auto found = last_attempt_.find(first);
  if (call.attempt > 0 && found != last_attempt_.end() && call.start_ns > found->second) {
    waited = call.start_ns - found->second;
  }
  // Only what failed is tried again; a success needs no memory.
  if (call.error == calls::ErrorClass::kNone) {
    if (found != last_attempt_.end()) last_attempt_.erase(found);
  } else {
    last_attempt_[first] = call.end_ns;
    if (last_attempt_.size() > kAttempts) last_attempt_.erase(last_attempt_.begin());
  }
  return waited;
}

void Console::OnCall(const calls::Call& call) {
  bill_.Add(call);
  const LineContext context{.origin_ns = origin_ns_, .waited_ns = Waited(call)};
  if (options_.lines) output_->Write(LiveLine(call, context, output_->style()));
}

void Console::OnNotice(const calls::Notice& notice) { bill_.AddNotice(notice); }

}  // namespace sonde::exporter::console
