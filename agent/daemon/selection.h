// Keeps what the kernel is told to look at in step with the configuration.
#ifndef SONDE_AGENT_DAEMON_SELECTION_H_
#define SONDE_AGENT_DAEMON_SELECTION_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/capture/live_capture.h"
#include "agent/config/config.h"
#include "agent/daemon/matcher.h"
#include "agent/discovery/process_facts.h"
#include "agent/events/event.h"

namespace sonde::daemon {

/// Where processes are looked up; procfs, or a test's list.
struct ProcessList {
  std::function<std::vector<uint32_t>()> all;
  std::function<absl::StatusOr<discovery::ProcessFacts>(uint32_t)> facts;

  static ProcessList OfHost();
};

/// One selector and what became of it.
struct SelectorState {
  std::string name;     ///< As configured, else its place: "select[0]".
  std::string problem;  ///< Why it cannot select now; empty when it can.
};

/// A cgroup alone is selected in the kernel, and with it whatever is or comes there. Everything
/// else is decided for each process when the configuration is read and when the process execs, and
/// its descendants follow. Used on the thread that drives the capture.
class Selection {
 public:
  using Log = std::function<void(const std::string& message)>;

  /// `capture` must outlive it.
  Selection(capture::CaptureSource* capture, ProcessList processes, Log log)
      : capture_(capture), processes_(std::move(processes)), log_(std::move(log)) {}

  /// Brings the kernel from the selectors before to these: what no longer fits is let go at once,
  /// what fits and runs already is joined.
  void Apply(const std::vector<config::Selector>& selectors);

  /// A process of the host has started a program.
  void OnExec(uint32_t pid);
  /// What the capture says of selected processes.
  void OnEvent(const events::Event& event);
  /// Tries again what could not be selected (a cgroup that was not there). Once a second is enough.
  void Retry();

  /// Some selector needs to hear of every exec on the host.
  bool wants_execs() const { return !matchers_.empty(); }
  std::vector<SelectorState> states() const;
  size_t roots() const { return roots_.size(); }

 private:
  struct Cgroup {
    std::string name;
    std::string problem;
    bool selected = false;
  };

  void ApplyCgroups(const std::map<std::string, std::string>& wanted);
  void SelectCgroup(const std::string& directory, Cgroup& cgroup);
  bool Fits(const discovery::ProcessFacts& process) const;
  void Consider(const discovery::ProcessFacts& process);
  void LetGo(uint32_t root);

  capture::CaptureSource* const capture_;
  const ProcessList processes_;
  const Log log_;
  std::map<std::string, Cgroup> cgroups_;  ///< By directory.
  std::vector<Matcher> matchers_;
  std::vector<SelectorState> broken_;     ///< Selectors that no matcher could be made of.
  std::map<uint32_t, uint64_t> roots_;    ///< Processes that fitted themselves: pid, start.
  std::map<uint32_t, uint32_t> root_of_;  ///< Selected process to the root it came from.
};

}  // namespace sonde::daemon

#endif  // SONDE_AGENT_DAEMON_SELECTION_H_
