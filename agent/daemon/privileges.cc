#include "agent/daemon/privileges.h"

#include <sys/capability.h>
#include <sys/prctl.h>

#include <cerrno>
#include <memory>
#include <set>

#include "absl/strings/str_cat.h"

namespace sonde::daemon {
namespace {

constexpr cap_value_t kNeeded[] = {CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH};
constexpr cap_value_t kOnSomeKernels = CAP_SYS_ADMIN;

struct Freed {
  void operator()(void* memory) const { cap_free(memory); }
};
using State = std::unique_ptr<std::remove_pointer_t<cap_t>, Freed>;

bool Has(cap_value_t capability, cap_flag_t set) {
  const State state(cap_get_proc());
  cap_flag_value_t value = CAP_CLEAR;
  return state != nullptr && cap_get_flag(state.get(), capability, set, &value) == 0 &&
         value == CAP_SET;
}

/// Only those of `kept` that the process has: none is gained here.
absl::Status Set(const std::set<cap_value_t>& kept, bool permitted_too) {
  const State state(cap_get_proc());
  if (state == nullptr) return absl::ErrnoToStatus(errno, "cannot read capabilities");
  cap_clear_flag(state.get(), CAP_EFFECTIVE);
  cap_clear_flag(state.get(), CAP_INHERITABLE);
  if (permitted_too) cap_clear_flag(state.get(), CAP_PERMITTED);
  for (const cap_value_t capability : kept) {
    if (!Has(capability, CAP_PERMITTED)) continue;
    cap_set_flag(state.get(), CAP_EFFECTIVE, 1, &capability, CAP_SET);
    cap_set_flag(state.get(), CAP_PERMITTED, 1, &capability, CAP_SET);
  }
  if (cap_set_proc(state.get()) != 0) return absl::ErrnoToStatus(errno, "cannot drop capabilities");
  return absl::OkStatus();
}

void ClearBoundingSet() {
  for (cap_value_t capability = 0; cap_get_bound(capability) >= 0; ++capability) {
    cap_drop_bound(capability);  // Without cap_setpcap there is nothing to be gained from it.
  }
  cap_reset_ambient();
}

}  // namespace

Capabilities EffectiveCapabilities() {
  Capabilities names;
  for (cap_value_t capability = 0; cap_get_bound(capability) >= 0; ++capability) {
    if (!Has(capability, CAP_EFFECTIVE)) continue;
    const std::unique_ptr<char, Freed> name(cap_to_name(capability));
    if (name != nullptr) names.emplace_back(name.get());
  }
  return names;
}

absl::StatusOr<Capabilities> DropPrivileges(const std::function<absl::Status()>& still_works) {
  std::set<cap_value_t> kept(std::begin(kNeeded), std::end(kNeeded));
  ClearBoundingSet();
  if (absl::Status status = Set(kept, /*permitted_too=*/false); !status.ok()) return status;
  absl::Status works = still_works();
  if (!works.ok()) {
    kept.insert(kOnSomeKernels);
    if (absl::Status status = Set(kept, /*permitted_too=*/false); !status.ok()) return status;
    works = still_works();
  }
  if (absl::Status status = Set(kept, /*permitted_too=*/true); !status.ok()) return status;
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (!works.ok()) {
    return absl::UnavailableError(absl::StrCat("probes cannot be attached with fewer privileges: ",
                                               std::string(works.message())));
  }
  return EffectiveCapabilities();
}

}  // namespace sonde::daemon
