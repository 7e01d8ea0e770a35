// Why a run saw no call, process by process, and what to type next.
#ifndef SONDE_AGENT_EXPORT_CONSOLE_SILENCE_H_
#define SONDE_AGENT_EXPORT_CONSOLE_SILENCE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "agent/calls/call.h"
#include "agent/calls/unseen_tracker.h"

namespace sonde::exporter::console {

struct SilenceFacts {
  std::vector<calls::ProcessCapture> processes;
  std::vector<calls::Unseen> unseen;
  uint64_t processes_seen = 0;  ///< All selected ones, also those that did nothing of interest.
  bool sockets = true;          ///< Plain HTTP was looked at.
  bool replay = false;          ///< Of a capture file: nothing can be repeated.
  /// The command line to repeat, as typed: "sonde run -- python agent.py". May be empty.
  std::string again;
};

/// The command to type next, for what was not seen.
std::string NextStep(const SilenceFacts& facts);

/// Lines for the bill, the advice last. Text from outside is not yet sanitised.
std::vector<std::string> ExplainSilence(const SilenceFacts& facts);

}  // namespace sonde::exporter::console

#endif  // SONDE_AGENT_EXPORT_CONSOLE_SILENCE_H_
