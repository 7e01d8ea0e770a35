#include "agent/cli/invoking_user.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace sonde::cli {
namespace {

constexpr int kMaxAncestors = 64;
constexpr size_t kPasswdBuffer = 16384;
constexpr int kMaxGroups = 65536;

/// Set by sudo or by the user database, never by a person for CMD.
constexpr std::array<absl::string_view, 7> kOwnedBySudo = {"HOME", "USER", "LOGNAME", "SHELL",
                                                           "MAIL", "PATH", "TERM"};

absl::string_view View(const std::string& text) { return {text.data(), text.size()}; }

absl::StatusOr<uint32_t> ParseId(const char* variable, const std::string& text) {
  uint32_t id = 0;
  // -1 means "leave as it is" to setuid's family.
  if (!absl::SimpleAtoi(text, &id) || id == UINT32_MAX) {
    return absl::InvalidArgumentError(
        absl::StrCat(variable, "=", text, " is no user or group number: unset it, or use sudo"));
  }
  return id;
}

void FillFromDatabase(User& user) {
  std::vector<char> buffer(kPasswdBuffer);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(user.uid, &entry, buffer.data(), buffer.size(), &found) != 0 || !found) {
    user.groups = {user.gid};
    return;
  }
  user.name = found->pw_name;
  user.home = found->pw_dir;
  user.shell = found->pw_shell;
  int count = 64;
  user.groups.resize(count);
  while (getgrouplist(found->pw_name, user.gid, user.groups.data(), &count) < 0 &&
         count <= kMaxGroups) {
    count = std::max<int>(count, static_cast<int>(user.groups.size()) * 2);
    user.groups.resize(count);
  }
  user.groups.resize(std::clamp<int>(count, 0, static_cast<int>(user.groups.size())));
}

bool IsSudoVariable(const std::string& name) { return absl::StartsWith(View(name), "SUDO_"); }

bool IsOwnedBySudo(const std::string& name) {
  return std::find(kOwnedBySudo.begin(), kOwnedBySudo.end(), View(name)) != kOwnedBySudo.end();
}

/// Variables set on purpose after the shell: words of sudo's command line (`sudo A=b sonde ...`)
/// and what differs from what sudo gave to the program it started (`sudo env A=b sonde ...`).
bool SetOnPurpose(const Environment::Variable& variable, const std::vector<std::string>& words,
                  const std::optional<Environment>& gift) {
  const std::string word = variable.first + "=" + variable.second;
  if (std::find(words.begin(), words.end(), word) != words.end()) return true;
  return gift && gift->Get(variable.first) != variable.second;
}

/// `exact`: the variables are those of the user's own shell, where HOME may be of the user's
/// choice.
void SetIdentity(const User& user, bool exact, Environment& environment) {
  if (!exact || !environment.Get("HOME")) {
    environment.Set("HOME", user.home.empty() ? "/" : user.home);
  }
  if (user.name.empty()) {
    environment.Erase("USER");
    environment.Erase("LOGNAME");
  } else {
    environment.Set("USER", user.name);
    environment.Set("LOGNAME", user.name);
  }
  const bool has_shell = exact && environment.Get("SHELL");
  if (!has_shell && !user.shell.empty()) environment.Set("SHELL", user.shell);
}

}  // namespace

absl::StatusOr<std::optional<User>> FindInvokingUser(const Environment& own, uid_t effective_uid) {
  const std::optional<std::string> uid_text = own.Get("SUDO_UID");
  if (effective_uid != 0 || !uid_text) return std::nullopt;
  const absl::StatusOr<uint32_t> uid = ParseId("SUDO_UID", *uid_text);
  if (!uid.ok()) return uid.status();
  if (*uid == 0) return std::nullopt;
  User user;
  user.uid = *uid;
  const std::optional<std::string> gid_text = own.Get("SUDO_GID");
  if (!gid_text) {
    return absl::InvalidArgumentError("SUDO_UID is set and SUDO_GID is not: set both, or neither");
  }
  const absl::StatusOr<uint32_t> gid = ParseId("SUDO_GID", *gid_text);
  if (!gid.ok()) return gid.status();
  user.gid = *gid;
  FillFromDatabase(user);
  return user;
}

Ancestry FindAncestry(const ProcFs& procfs, pid_t self, uid_t user) {
  Ancestry ancestry;
  pid_t below = self;
  std::optional<ProcFs::Status> status = procfs.ReadStatus(self);
  for (int i = 0; i < kMaxAncestors && status && status->parent > 0; ++i) {
    const pid_t pid = status->parent;
    status = procfs.ReadStatus(pid);
    if (!status) break;
    if (status->name == "sudo") {
      // With a terminal of its own sudo is two processes; both carry the shell's environment.
      ancestry.sudo = pid;
      if (ancestry.gifted == 0) ancestry.gifted = below;
    } else if (status->uid == user) {
      ancestry.shell = pid;
      break;
    } else if (ancestry.sudo != 0) {
      break;
    }
    below = pid;
  }
  return ancestry;
}

Environment UserEnvironment(const ProcFs& procfs, const Ancestry& ancestry, const Environment& own,
                            const User& user) {
  const pid_t source = ancestry.sudo != 0 ? ancestry.sudo : ancestry.shell;
  std::optional<std::string> block;
  if (source != 0) block = procfs.ReadEnvironment(source);
  Environment environment = Environment::FromBlock(block.value_or(""));
  const bool found = !environment.variables().empty();
  const bool exact = found && ancestry.sudo != 0;
  if (!found) environment = own;

  std::vector<std::string> words;
  std::optional<Environment> gift;
  if (exact) {
    words = procfs.ReadArguments(ancestry.sudo);
    const std::optional<std::string> given = procfs.ReadEnvironment(ancestry.gifted);
    if (given) gift = Environment::FromBlock(*given);
  }
  for (const Environment::Variable& variable : own.variables()) {
    const bool on_purpose = SetOnPurpose(variable, words, gift);
    const bool is_new = !environment.Get(variable.first) && !IsOwnedBySudo(variable.first);
    if (on_purpose || is_new) environment.Set(variable.first, variable.second);
  }
  for (const Environment::Variable& variable : own.variables()) {
    if (IsSudoVariable(variable.first)) environment.Erase(variable.first);
  }
  SetIdentity(user, exact, environment);
  if (!environment.Get("PATH")) environment.Set("PATH", own.Get("PATH").value_or("/usr/bin:/bin"));
  return environment;
}

Limits ReadLimits(pid_t pid) {
  Limits limits;
  for (int resource = 0; resource < static_cast<int>(RLIM_NLIMITS); ++resource) {
    rlimit limit{};
    if (prlimit(pid, static_cast<__rlimit_resource>(resource), nullptr, &limit) == 0) {
      limits.emplace_back(resource, limit);
    }
  }
  return limits;
}

}  // namespace sonde::cli
