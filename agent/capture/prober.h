// Puts probes into files with TLS code, each file once for all processes.
#ifndef SONDE_AGENT_CAPTURE_PROBER_H_
#define SONDE_AGENT_CAPTURE_PROBER_H_

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/capture/attach.h"
#include "agent/capture/bpf_programs.h"
#include "agent/capture/keeper.h"
#include "agent/capture/live_capture.h"
#include "agent/discovery/tls_family.h"

namespace sonde::capture {

/// Files remembered; the eldest verdicts without probes are forgotten first. A file with probes is
/// never forgotten: its probes stay in.
inline constexpr size_t kMaxRememberedFiles = 8192;

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
  Prober(const BpfPrograms* programs, Keeper* keeper, bool multi)
      : programs_(programs), keeper_(keeper), multi_(multi) {}

  /// Looks into the open file, which its process calls `name`, and attaches if it can and has not
  /// yet. The result stays valid until the next call.
  const FileRecord& Probe(int fd, const std::string& name);

  /// Files in which TLS code was recognised.
  std::vector<ProbedFile> Files() const;

 private:
  struct FileKey {
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t modified_ns = 0;
    auto operator<=>(const FileKey&) const = default;
  };

  void Attach(const std::string& readable, FileRecord* record);
  absl::Status AttachAll(const std::string& readable, const std::vector<discovery::Probe>& probes,
                         size_t* attached);
  void Keep(FileDescriptor link);
  void Forget();

  const BpfPrograms* programs_;
  Keeper* keeper_;
  bool multi_;
  std::map<FileKey, FileRecord> files_;
  std::vector<FileDescriptor> links_;  ///< Only those the keeper could not take.
};

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_PROBER_H_
