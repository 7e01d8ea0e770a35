#include "agent/daemon/selection.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/config/cgroup_tree.h"

namespace sonde::daemon {
namespace {

bool IsCgroupAlone(const config::Selector& selector) {
  return !selector.cgroup.empty() && !selector.pid && selector.executable.empty() &&
         selector.command.empty() && selector.user.empty();
}

std::vector<uint32_t> PidsOfHost() {
  std::vector<uint32_t> pids;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    uint32_t pid = 0;
    if (absl::SimpleAtoi(entry.path().filename().string(), &pid)) pids.push_back(pid);
  }
  return pids;
}

}  // namespace

ProcessList ProcessList::OfHost() {
  return {PidsOfHost, [](uint32_t pid) { return discovery::ReadProcessFacts(pid); }};
}

void Selection::Apply(const std::vector<config::Selector>& selectors) {
  std::map<std::string, std::string> cgroups;  // Directory to name.
  matchers_.clear();
  broken_.clear();
  for (size_t i = 0; i < selectors.size(); ++i) {
    const config::Selector& selector = selectors[i];
    const std::string name =
        selector.name.empty() ? absl::StrCat("select[", i, "]") : selector.name;
    if (IsCgroupAlone(selector)) {
      cgroups.emplace(config::CgroupTree::OfHost().Directory(selector.cgroup), name);
      continue;
    }
    absl::StatusOr<Matcher> matcher = Matcher::Make(selector);
    broken_.push_back({name, std::string(matcher.status().message())});
    if (matcher.ok()) matchers_.push_back(*std::move(matcher));
  }
  ApplyCgroups(cgroups);

  std::vector<uint32_t> gone;
  for (const auto& [pid, start_ns] : roots_) {
    const auto facts = processes_.facts(pid);
    if (!facts.ok() || facts->start_ns != start_ns || !Fits(*facts)) gone.push_back(pid);
  }
  for (const uint32_t root : gone) LetGo(root);
  if (matchers_.empty()) return;
  for (const uint32_t pid : processes_.all()) {
    if (const auto facts = processes_.facts(pid); facts.ok()) Consider(*facts);
  }
}

void Selection::ApplyCgroups(const std::map<std::string, std::string>& wanted) {
  for (auto it = cgroups_.begin(); it != cgroups_.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    if (it->second.selected) {
      const absl::Status status = capture_->DeselectCgroup(it->first);
      log_(status.ok()
               ? absl::StrCat(it->first, ": not selected any more")
               : absl::StrCat(it->first, ": cannot be let go: ", std::string(status.message())));
    }
    it = cgroups_.erase(it);
  }
  for (const auto& [directory, name] : wanted) {
    Cgroup& cgroup = cgroups_[directory];
    cgroup.name = name;
    if (!cgroup.selected) SelectCgroup(directory, cgroup);
  }
}

void Selection::SelectCgroup(const std::string& directory, Cgroup& cgroup) {
  const absl::Status status = capture_->SelectCgroup(directory);
  const std::string problem(status.message());
  cgroup.selected = status.ok();
  if (status.ok()) {
    log_(absl::StrCat(cgroup.name, ": selected ", directory));
  } else if (problem != cgroup.problem) {
    log_(absl::StrCat(cgroup.name, ": ", problem));
  }
  cgroup.problem = problem;
}

bool Selection::Fits(const discovery::ProcessFacts& process) const {
  return std::any_of(matchers_.begin(), matchers_.end(),
                     [&process](const Matcher& matcher) { return matcher.Fits(process); });
}

void Selection::Consider(const discovery::ProcessFacts& process) {
  if (process.pid == static_cast<uint32_t>(getpid()) || !Fits(process)) return;
  const auto known = roots_.find(process.pid);
  if (known != roots_.end() && known->second == process.start_ns) return;
  // One that came by its parent stays when the parent is let go, because it fits by itself.
  const absl::Status status = capture_->SelectProcessTree(process.pid);
  if (!status.ok()) return;  // It is gone.
  roots_[process.pid] = process.start_ns;
  root_of_[process.pid] = process.pid;
  log_(absl::StrCat("selected process ", process.pid, " (", process.executable, ")"));
  // What it started before is not told by the kernel any more.
  for (const uint32_t child : discovery::Descendants(process.pid)) {
    if (capture_->SelectProcessTree(child).ok()) root_of_.try_emplace(child, process.pid);
  }
}

void Selection::OnExec(uint32_t pid) {
  if (const auto facts = processes_.facts(pid); facts.ok()) Consider(*facts);
}

void Selection::OnEvent(const events::Event& event) {
  if (const auto* forked = std::get_if<events::ProcessForked>(&event)) {
    const auto parent = root_of_.find(forked->parent.pid);
    if (parent != root_of_.end()) root_of_[forked->process.pid] = parent->second;
  } else if (const auto* exited = std::get_if<events::ProcessExited>(&event)) {
    root_of_.erase(exited->process.pid);
    roots_.erase(exited->process.pid);
  }
}

void Selection::LetGo(uint32_t root) {
  roots_.erase(root);
  std::vector<uint32_t> members;
  for (const auto& [pid, its_root] : root_of_) {
    if (its_root == root) members.push_back(pid);
  }
  for (const uint32_t pid : members) {
    root_of_.erase(pid);
    // One that ended meanwhile is no error.
    capture_->DeselectProcess(pid).IgnoreError();
  }
  log_(absl::StrCat("process ", root, ": not selected any more"));
}

void Selection::Retry() {
  for (auto& [directory, cgroup] : cgroups_) {
    if (!cgroup.selected) {
      SelectCgroup(directory, cgroup);
    } else if (access(directory.c_str(), F_OK) != 0) {
      // Removed; one of the same name that comes later is another.
      cgroup.selected = false;
      cgroup.problem = "was removed";
    }
  }
}

std::vector<SelectorState> Selection::states() const {
  std::vector<SelectorState> states = broken_;
  for (const auto& [directory, cgroup] : cgroups_) states.push_back({cgroup.name, cgroup.problem});
  return states;
}

}  // namespace sonde::daemon
