#include "agent/daemon/selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "agent/config/cgroup_tree.h"

namespace sonde::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Takes down what is asked of it.
class FakeCapture final : public capture::CaptureSource {
 public:
  absl::Status SelectProcessTree(uint32_t pid) override {
    processes.insert(pid);
    return absl::OkStatus();
  }
  absl::Status SelectCgroup(const std::string& directory) override {
    if (missing.contains(directory)) return absl::NotFoundError(directory + " is not there");
    cgroups.insert(directory);
    return absl::OkStatus();
  }
  absl::Status DeselectProcess(uint32_t pid) override {
    return processes.erase(pid) == 1 ? absl::OkStatus() : absl::NotFoundError("not selected");
  }
  absl::Status DeselectCgroup(const std::string& directory) override {
    cgroups.erase(directory);
    return absl::OkStatus();
  }
  absl::Status HearExecs(std::function<void(uint32_t)>) override { return absl::OkStatus(); }
  absl::Status AttachFileAhead(const std::string&) override { return absl::OkStatus(); }
  absl::Status AttachCommandAhead(const std::string&, const std::string&,
                                  const std::string&) override {
    return absl::OkStatus();
  }
  int epoll_fd() const override { return -1; }
  absl::Status Poll(int) override { return absl::OkStatus(); }
  absl::Status Drain() override { return absl::OkStatus(); }
  absl::Status SetVerdict(const capture::Verdict&) override { return absl::OkStatus(); }
  capture::CaptureStats stats() override { return {}; }
  bool AlternateScreen() const override { return false; }
  void Stop() override {}

  std::set<uint32_t> processes;
  std::set<std::string> cgroups;
  std::set<std::string> missing;
};

std::string Directory(const std::string& cgroup) {
  return config::CgroupTree::OfHost().Directory(cgroup);
}

class SelectionTest : public ::testing::Test {
 protected:
  // Pids beyond what a kernel gives: none of the host's is asked for its children.
  static constexpr uint32_t kBase = 5'000'000;

  void Runs(uint32_t pid, const std::string& executable, const std::string& command,
            uint32_t uid = 1000, const std::string& cgroup = "/user.slice") {
    discovery::ProcessFacts facts;
    facts.pid = kBase + pid;
    facts.start_ns = pid * 10;
    facts.executable = executable;
    facts.command_line = command;
    facts.uid = uid;
    facts.cgroup = cgroup;
    host_[facts.pid] = facts;
  }
  ProcessList Host() {
    return {[this] {
              std::vector<uint32_t> pids;
              for (const auto& [pid, facts] : host_) pids.push_back(pid);
              return pids;
            },
            [this](uint32_t pid) -> absl::StatusOr<discovery::ProcessFacts> {
              const auto found = host_.find(pid);
              if (found == host_.end()) return absl::NotFoundError("gone");
              return found->second;
            }};
  }
  std::set<uint32_t> Selected() {
    std::set<uint32_t> pids;
    for (const uint32_t pid : capture_.processes) pids.insert(pid - kBase);
    return pids;
  }
  static events::Event Forked(uint32_t parent, uint32_t child) {
    events::ProcessForked event;
    event.parent.pid = kBase + parent;
    event.process.pid = kBase + child;
    return event;
  }
  static events::Event Exited(uint32_t pid) {
    events::ProcessExited event;
    event.process.pid = kBase + pid;
    return event;
  }

  std::map<uint32_t, discovery::ProcessFacts> host_;
  std::vector<std::string> log_;
  FakeCapture capture_;
  Selection selection_{&capture_, Host(), [this](const std::string& m) { log_.push_back(m); }};
};

TEST_F(SelectionTest, NothingConfiguredSelectsNothing) {
  Runs(1, "/usr/bin/python3", "python3 a.py");
  selection_.Apply({});
  EXPECT_THAT(Selected(), IsEmpty());
  EXPECT_FALSE(selection_.wants_execs());
}

TEST_F(SelectionTest, WhatRunsAlreadyIsJoined) {
  Runs(1, "/usr/bin/python3.11", "python3 agent.py");
  Runs(2, "/usr/bin/python3.11", "python3 other.py");
  Runs(3, "/usr/bin/node", "node agent.py");
  selection_.Apply({{.executable = "/usr/bin/python3*", .command = "agent\\.py"}});
  EXPECT_THAT(Selected(), ElementsAre(1));
  EXPECT_TRUE(selection_.wants_execs());
}

TEST_F(SelectionTest, EverythingASelectorNamesMustHold) {
  Runs(1, "/usr/bin/python3", "python3", 1000, "/a/b");
  Runs(2, "/usr/bin/python3", "python3", 1001, "/a/b");
  Runs(3, "/usr/bin/python3", "python3", 1000, "/ab");
  Runs(4, "/usr/bin/python3", "python3", 1000, "/a");
  selection_.Apply({{.cgroup = "/a", .user = "1000"}});
  EXPECT_THAT(Selected(), ElementsAre(1, 4));
}

TEST_F(SelectionTest, AnExecIsConsidered) {
  selection_.Apply({{.command = "agent"}});
  Runs(7, "/usr/bin/node", "node agent.js");
  selection_.OnExec(kBase + 7);
  selection_.OnExec(kBase + 8);  // Gone already.
  EXPECT_THAT(Selected(), ElementsAre(7));
}

TEST_F(SelectionTest, SondeItselfIsNeverSelected) {
  discovery::ProcessFacts self;
  self.pid = static_cast<uint32_t>(getpid());
  self.command_line = "sonde agent";
  host_[self.pid] = self;
  selection_.Apply({{.command = "agent"}});
  EXPECT_THAT(capture_.processes, IsEmpty());
}

TEST_F(SelectionTest, DeselectingTakesTheWholeTree) {
  Runs(1, "/usr/bin/python3", "python3 a.py");
  Runs(2, "/usr/bin/node", "node b.js");
  selection_.Apply({{.command = "a\\.py"}, {.command = "b\\.js"}});
  capture_.processes.insert({kBase + 11, kBase + 12, kBase + 21});  // The kernel follows forks.
  selection_.OnEvent(Forked(1, 11));
  selection_.OnEvent(Forked(11, 12));
  selection_.OnEvent(Forked(2, 21));
  selection_.Apply({{.command = "b\\.js"}});
  EXPECT_THAT(Selected(), ElementsAre(2, 21));
  selection_.Apply({});
  EXPECT_THAT(Selected(), IsEmpty());
}

TEST_F(SelectionTest, APidThatIsUsedAgainIsAnotherProcess) {
  Runs(1, "/usr/bin/python3", "python3 a.py");
  selection_.Apply({{.command = "a\\.py"}});
  selection_.OnEvent(Exited(1));
  capture_.processes.clear();
  Runs(1, "/usr/bin/node", "node b.js");
  selection_.OnExec(kBase + 1);
  EXPECT_THAT(Selected(), IsEmpty());
  Runs(1, "/usr/bin/python3", "python3 a.py");
  selection_.OnExec(kBase + 1);
  EXPECT_THAT(Selected(), ElementsAre(1));
}

TEST_F(SelectionTest, ACgroupAloneIsTheKernels) {
  selection_.Apply({{.name = "batch", .cgroup = "batch/"}});
  EXPECT_THAT(capture_.cgroups, ElementsAre(Directory("batch")));
  EXPECT_FALSE(selection_.wants_execs());
  selection_.Apply({});
  EXPECT_THAT(capture_.cgroups, IsEmpty());
}

TEST_F(SelectionTest, ACgroupThatIsNotThereIsTriedAgainAndToldOnce) {
  capture_.missing = {Directory("later")};
  selection_.Apply({{.name = "later", .cgroup = "later"}});
  selection_.Retry();
  selection_.Retry();
  ASSERT_EQ(log_.size(), 1U);
  EXPECT_THAT(log_[0], HasSubstr("later: " + Directory("later") + " is not there"));
  EXPECT_THAT(selection_.states().at(0).problem, HasSubstr("not there"));
  capture_.missing.clear();
  selection_.Retry();
  EXPECT_THAT(capture_.cgroups, ElementsAre(Directory("later")));
  EXPECT_EQ(selection_.states().at(0).problem, "");
}

TEST_F(SelectionTest, AnUnchangedSelectorIsLeftAlone) {
  Runs(1, "/usr/bin/python3", "python3 a.py");
  selection_.Apply({{.cgroup = "/x"}, {.command = "a\\.py"}});
  capture_.cgroups.clear();
  capture_.processes.clear();
  selection_.Apply({{.cgroup = "/x"}, {.command = "a\\.py"}});
  EXPECT_THAT(capture_.cgroups, IsEmpty());  // Not selected a second time.
  EXPECT_THAT(Selected(), IsEmpty());
}

TEST_F(SelectionTest, AUserThatVanishedIsTold) {
  selection_.Apply({{.name = "team", .user = "no-such-user-here"}});
  EXPECT_THAT(selection_.states().at(0).problem, HasSubstr("no user named"));
}

}  // namespace
}  // namespace sonde::daemon
