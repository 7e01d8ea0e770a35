#include "agent/capture/bpf_programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/capture/attach.h"
#include "bpf/skeletons/openssl.skel.h"
#include "bpf/skeletons/process.skel.h"
#include "bpf/skeletons/sockets.skel.h"
#include "bpf/skeletons/terminal.skel.h"

namespace sonde::capture {
namespace {

/// RAII over a generated skeleton.
template <typename Skeleton, Skeleton* (*kOpen)(), void (*kDestroy)(Skeleton*)>
class Owned {
 public:
  bool Open() {
    skeleton_ = kOpen();
    return skeleton_ != nullptr;
  }
  Skeleton* get() const { return skeleton_; }
  bpf_object* object() const { return skeleton_ == nullptr ? nullptr : skeleton_->obj; }
  Owned() = default;
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() { kDestroy(skeleton_); }

 private:
  Skeleton* skeleton_ = nullptr;
};

// What libbpf last complained about. Its messages end up in the status of what failed.
thread_local std::string* complaint = nullptr;

int Complain(libbpf_print_level level, const char* format, va_list arguments) {
  if (level != LIBBPF_WARN || complaint == nullptr) return 0;
  char line[1024];
  const int length = vsnprintf(line, sizeof(line), format, arguments);
  constexpr size_t kKept = 4096;
  if (length > 0 && complaint->size() < kKept) complaint->append(line);
  return length;
}

}  // namespace

struct BpfPrograms::Skeletons {
  Owned<bpf_object_process, bpf_object_process__open, bpf_object_process__destroy> process;
  Owned<bpf_object_openssl, bpf_object_openssl__open, bpf_object_openssl__destroy> openssl;
  Owned<bpf_object_sockets, bpf_object_sockets__open, bpf_object_sockets__destroy> sockets;
  Owned<bpf_object_terminal, bpf_object_terminal__open, bpf_object_terminal__destroy> terminal;
};

BpfPrograms::~BpfPrograms() = default;

absl::Status BpfPrograms::LoadObject(bpf_object* object, bpf_object* maps, const std::string& name,
                                     const CaptureOptions& options, bool multi) {
  if (object == nullptr) return absl::InternalError(absl::StrCat("cannot open BPF object ", name));
  const auto size = [object](const char* map, uint32_t entries) {
    bpf_map__set_max_entries(bpf_object__find_map_by_name(object, map), entries);
  };
  size("ring", static_cast<uint32_t>(options.ring_bytes));
  size("connections", options.max_connections);
  size("verdicts", options.max_connections);
  size("processes", options.max_processes);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    if (maps == nullptr) break;
    if (bpf_map__is_internal(map)) continue;  // Its variables, under a name that others have too.
    bpf_map* first = bpf_object__find_map_by_name(maps, bpf_map__name(map));
    if (first == nullptr) continue;
    if (bpf_map__reuse_fd(map, bpf_map__fd(first)) != 0) {
      return absl::InternalError(absl::StrCat("cannot share map ", bpf_map__name(map)));
    }
  }
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object) {
    if (multi && std::strcmp(bpf_program__section_name(program), "uprobe") == 0) {
      bpf_program__set_expected_attach_type(program,
                                            static_cast<bpf_attach_type>(kUprobeMultiAttachType));
    }
  }
  std::string reasons;
  complaint = &reasons;
  const int error = bpf_object__load(object);
  complaint = nullptr;
  if (error != 0) {
    return absl::InternalError(absl::StrCat("the kernel refused BPF object ", name, " (",
                                            std::generic_category().message(-error),
                                            "): ", reasons));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<BpfPrograms>> BpfPrograms::Load(const CaptureOptions& options,
                                                               bool multi) {
  libbpf_set_print(Complain);
  std::unique_ptr<BpfPrograms> programs(new BpfPrograms());
  programs->skeletons_ = std::make_unique<Skeletons>();
  Skeletons& all = *programs->skeletons_;
  all.process.Open();
  bpf_object* const maps = all.process.object();
  absl::Status first = LoadObject(maps, nullptr, "process", options, multi);
  if (!first.ok()) return first;
  // What takes long is the kernel's verifier; it works for two threads at once.
  absl::Status sockets;
  std::thread other;
  if (options.sockets) {
    all.sockets.Open();
    other = std::thread(
        [&] { sockets = LoadObject(all.sockets.object(), maps, "sockets", options, multi); });
  }
  if (options.terminal != 0 && all.terminal.Open()) {
    all.terminal.get()->rodata->sonde_terminal = options.terminal;
  }
  all.openssl.Open();
  absl::Status openssl = LoadObject(all.openssl.object(), maps, "openssl", options, multi);
  // A convenience: a kernel that refuses it watches the rest all the same.
  programs->terminal_ = options.terminal != 0 &&
                        LoadObject(all.terminal.object(), maps, "terminal", options, multi).ok();
  if (other.joinable()) other.join();
  if (!openssl.ok()) return openssl;
  if (!sockets.ok()) return sockets;
  programs->objects_ = {maps, all.openssl.object()};
  if (options.sockets) programs->objects_.push_back(all.sockets.object());
  if (programs->terminal_) programs->objects_.push_back(all.terminal.object());
  const auto map = [&all](const char* name) {
    return bpf_object__find_map_fd_by_name(all.process.object(), name);
  };
  programs->maps_ = {map("ring"),    map("config"),      map("losses"),  map("processes"),
                     map("cgroups"), map("connections"), map("verdicts")};
  return programs;
}

bool BpfPrograms::alternate_screen() const {
  if (!terminal_) return false;
  const int variables = bpf_map__fd(skeletons_->terminal.get()->maps.bss);
  const uint32_t zero = 0;
  uint32_t shown = 0;  // The whole of .bss.
  return bpf_map_lookup_elem(variables, &zero, &shown) == 0 && shown != 0;
}

int BpfPrograms::Program(const std::string& name) const {
  for (bpf_object* object : objects_) {
    const bpf_program* program = bpf_object__find_program_by_name(object, name.c_str());
    if (program != nullptr) return bpf_program__fd(program);
  }
  return -1;
}

}  // namespace sonde::capture
