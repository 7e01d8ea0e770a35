// The loaded BPF objects and their shared maps.
#ifndef SONDE_AGENT_CAPTURE_BPF_PROGRAMS_H_
#define SONDE_AGENT_CAPTURE_BPF_PROGRAMS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/capture/live_capture.h"
#include "bpf/include/sonde_abi.h"

struct bpf_object;

namespace sonde::capture {

/// Descriptors of the shared maps; they live as long as the programs object.
struct Maps {
  int ring = -1;
  int config = -1;
  int losses = -1;
  int processes = -1;
  int cgroups = -1;
  int connections = -1;
  int verdicts = -1;
};

class BpfPrograms {
 public:
  /// Loads the objects. Programs on functions are loaded for uprobe_multi when `multi` is set.
  static absl::StatusOr<std::unique_ptr<BpfPrograms>> Load(const CaptureOptions& options,
                                                           bool multi);
  BpfPrograms(const BpfPrograms&) = delete;
  BpfPrograms& operator=(const BpfPrograms&) = delete;
  ~BpfPrograms();

  const Maps& maps() const { return maps_; }

  /// The descriptor of a program of any object by its name, or -1.
  int Program(const std::string& name) const;

  /// Whether the terminal is watched, if that was asked for.
  bool watches_terminal() const { return terminal_; }
  /// Whether the programs saw the terminal go to its alternate screen and not back.
  bool alternate_screen() const;

 private:
  BpfPrograms() = default;
  /// Loads one object. It makes the maps unless `maps` is the object that has made them.
  static absl::Status LoadObject(bpf_object* object, bpf_object* maps, const std::string& name,
                                 const CaptureOptions& options, bool multi);

  struct Skeletons;
  std::unique_ptr<Skeletons> skeletons_;
  std::vector<bpf_object*> objects_;
  bool terminal_ = false;
  Maps maps_;
};

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_BPF_PROGRAMS_H_
