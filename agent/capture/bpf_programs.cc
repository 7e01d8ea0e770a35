#include "agent/capture/bpf_programs.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/capture/attach.h"
#include "bpf/skeletons/openssl.skel.h"
#include "bpf/skeletons/process.skel.h"
#include "bpf/skeletons/sockets.skel.h"

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
};

BpfPrograms::~BpfPrograms() = default;

absl::Status BpfPrograms::LoadObject(bpf_object* object, const std::string& name,
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
    // The first object makes the maps; the others use the same.
    if (objects_.empty()) break;
    bpf_map* first = bpf_object__find_map_by_name(objects_.front(), bpf_map__name(map));
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
                                            std::strerror(-error), "): ", reasons));
  }
  objects_.push_back(object);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<BpfPrograms>> BpfPrograms::Load(const CaptureOptions& options,
                                                               bool multi) {
  libbpf_set_print(Complain);
  std::unique_ptr<BpfPrograms> programs(new BpfPrograms());
  programs->skeletons_ = std::make_unique<Skeletons>();
  Skeletons& all = *programs->skeletons_;
  all.process.Open();
  if (absl::Status status = programs->LoadObject(all.process.object(), "process", options, multi);
      !status.ok()) {
    return status;
  }
  all.openssl.Open();
  if (absl::Status status = programs->LoadObject(all.openssl.object(), "openssl", options, multi);
      !status.ok()) {
    return status;
  }
  if (options.sockets) {
    all.sockets.Open();
    if (absl::Status status = programs->LoadObject(all.sockets.object(), "sockets", options, multi);
        !status.ok()) {
      return status;
    }
  }
  const auto map = [&all](const char* name) {
    return bpf_object__find_map_fd_by_name(all.process.object(), name);
  };
  programs->maps_ = {map("ring"),    map("config"),      map("losses"),  map("processes"),
                     map("cgroups"), map("connections"), map("verdicts")};
  return programs;
}

int BpfPrograms::Program(const std::string& name) const {
  for (bpf_object* object : objects_) {
    const bpf_program* program = bpf_object__find_program_by_name(object, name.c_str());
    if (program != nullptr) return bpf_program__fd(program);
  }
  return -1;
}

}  // namespace sonde::capture
