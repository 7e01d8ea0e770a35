// Puts probes into files with TLS code, each file once for all processes.
#ifndef SONDE_AGENT_CAPTURE_PROBER_H_
#define SONDE_AGENT_CAPTURE_PROBER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "agent/capture/attach.h"
#include "agent/capture/bpf_programs.h"
#include "agent/capture/keeper.h"
#include "agent/capture/live_capture.h"
#include "agent/discovery/tls_family.h"

namespace sonde::capture {

/// Files remembered. When they are that many, all without probes are forgotten: looking again is
/// cheap.
inline constexpr size_t kMaxRememberedFiles = 8192;
/// Files with probes. They are never forgotten, for their probes stay in; further ones get none and
/// a finding that says so.
inline constexpr size_t kMaxProbedFiles = 2048;

struct ProberLimits {
  size_t remembered = kMaxRememberedFiles;
  size_t probed = kMaxProbedFiles;  ///< Less than `remembered`.
};

/// What became of one file.
struct FileRecord {
  std::optional<discovery::Finding> finding;  ///< Nothing: no TLS code recognised.
  std::string name;
  std::string problem;  ///< Why no probes are in, when there is a finding.
  bool attached = false;
  uint64_t attached_ns = 0;  ///< Monotonic time at which the last probe was in.
  uint64_t resolve_ns = 0;
  uint64_t attach_ns = 0;
  size_t probes = 0;
};

class Prober {
 public:
  Prober(const BpfPrograms* programs, Keeper* keeper, bool multi, ProberLimits limits = {})
      : programs_(programs), keeper_(keeper), multi_(multi), limits_(limits) {}

  /// Looks into the open file, which its process calls `name`, and attaches if it can and has not
  /// yet. The result stays valid until the next call.
  const FileRecord& Probe(int fd, const std::string& name);

  /// Files in which TLS code was recognised, as far as they are remembered.
  std::vector<ProbedFile> Files() const;
  size_t remembered() const { return files_.size(); }

 private:
  using FileKey = std::tuple<uint64_t, uint64_t, int64_t>;  ///< Device, inode, last change.

  void Attach(const std::string& readable, FileRecord* record);
  absl::Status AttachAll(const std::string& readable, const std::vector<discovery::Probe>& probes,
                         size_t* attached);
  void Keep(FileDescriptor link);
  void Forget();

  const BpfPrograms* programs_;
  Keeper* keeper_;
  bool multi_;
  ProberLimits limits_;
  size_t probed_ = 0;  ///< Files with at least one probe.
  std::map<FileKey, FileRecord> files_;
  std::vector<FileDescriptor> links_;  ///< Only those the keeper could not take.
};

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_PROBER_H_
