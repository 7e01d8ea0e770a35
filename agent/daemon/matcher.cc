#include "agent/daemon/matcher.h"

#include <fnmatch.h>
#include <pwd.h>
#include <re2/re2.h>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/config/cgroup_tree.h"

namespace sonde::daemon {
namespace {

absl::StatusOr<uint32_t> UserNumber(const std::string& user) {
  uint32_t number = 0;
  if (absl::SimpleAtoi(user, &number)) return number;
  const passwd* entry = getpwnam(user.c_str());
  if (entry == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("no user named \"", user, "\" on this host"));
  }
  return entry->pw_uid;
}

}  // namespace

absl::StatusOr<Matcher> Matcher::Make(const config::Selector& selector) {
  Matcher matcher;
  matcher.pid_ = selector.pid;
  matcher.executable_ = selector.executable;
  if (!selector.cgroup.empty())
    matcher.cgroup_ = config::CgroupTree::OfHost().Path(selector.cgroup);
  if (!selector.user.empty()) {
    const auto number = UserNumber(selector.user);
    if (!number.ok()) return number.status();
    matcher.uid_ = *number;
  }
  if (!selector.command.empty()) {
    matcher.command_ = std::make_shared<const re2::RE2>(selector.command, re2::RE2::Quiet);
    if (!matcher.command_->ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "\"", selector.command, "\" is no regular expression: ", matcher.command_->error()));
    }
  }
  return matcher;
}

bool Matcher::Fits(const discovery::ProcessFacts& process) const {
  if (pid_ && process.pid != *pid_) return false;
  if (uid_ && process.uid != *uid_) return false;
  if (!executable_.empty() && fnmatch(executable_.c_str(), process.executable.c_str(), 0) != 0) {
    return false;
  }
  if (!cgroup_.empty() && process.cgroup != cgroup_ && !process.cgroup.starts_with(cgroup_ + "/")) {
    return false;
  }
  return command_ == nullptr || re2::RE2::PartialMatch(process.command_line, *command_);
}

}  // namespace sonde::daemon
