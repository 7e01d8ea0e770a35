#include "agent/cli/descendants.h"

namespace sonde::cli {

void Descendants::OnEvent(const events::Event& event) {
  if (const auto* forked = std::get_if<events::ProcessForked>(&event)) {
    Add(forked->process, forked->ns);
  } else if (const auto* started = std::get_if<events::ProcessStarted>(&event)) {
    Add(started->process, started->ns);
  } else if (const auto* exited = std::get_if<events::ProcessExited>(&event)) {
    const auto found = alive_.find(exited->process.pid);
    if (found != alive_.end() && found->second == exited->process.start_ns) alive_.erase(found);
  }
}

void Descendants::Add(const events::ProcessId& process, events::MonoNs ns) {
  if (origin_ns_ == 0) origin_ns_ = ns;
  const auto found = alive_.find(process.pid);
  if (found != alive_.end() && found->second == process.start_ns) return;
  ++seen_;
  if (found != alive_.end()) {
    found->second = process.start_ns;
  } else if (alive_.size() < kMost) {
    alive_.emplace(process.pid, process.start_ns);
  }
}

std::vector<uint32_t> Descendants::alive() const {
  std::vector<uint32_t> pids;
  pids.reserve(alive_.size());
  for (const auto& [pid, start_ns] : alive_) pids.push_back(pid);
  return pids;
}

}  // namespace sonde::cli
