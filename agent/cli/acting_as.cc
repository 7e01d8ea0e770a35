#include "agent/cli/acting_as.h"

#include <grp.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace sonde::cli {

ActingAs::ActingAs(const std::optional<User>& user) {
  if (!user || geteuid() != 0) return;
  gid_ = getegid();
  const int count = getgroups(0, nullptr);
  groups_.resize(count > 0 ? static_cast<size_t>(count) : 0);
  if (count < 0 || getgroups(count, groups_.data()) < 0) {
    status_ = absl::ErrnoToStatus(errno, "cannot read Sonde's own groups");
    return;
  }
  changed_ = true;
  if (setgroups(user->groups.size(), user->groups.data()) != 0 || setegid(user->gid) != 0 ||
      seteuid(user->uid) != 0) {
    status_ = absl::ErrnoToStatus(errno, "cannot open files as the invoking user");
  }
}

ActingAs::~ActingAs() {
  if (!changed_) return;
  if (seteuid(0) != 0 || setegid(gid_) != 0 || setgroups(groups_.size(), groups_.data()) != 0) {
    // Going on with half an identity would be worse than stopping.
    perror("sonde: cannot return from the invoking user's rights");
    abort();
  }
}

}  // namespace sonde::cli
