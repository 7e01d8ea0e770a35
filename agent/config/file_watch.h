// Notices that a configuration file became another.
#ifndef SONDE_AGENT_CONFIG_FILE_WATCH_H_
#define SONDE_AGENT_CONFIG_FILE_WATCH_H_

#include <cstdint>
#include <string>
#include <utility>

namespace sonde::config {

/// Compares what the path leads to, so an editor's rename and the symbolic links of a ConfigMap are
/// changes like any other. Asked about once a second; that is all it costs.
class FileWatch {
 public:
  explicit FileWatch(std::string path) : path_(std::move(path)), known_(Look()), last_(known_) {}

  /// True once for each change, when the file has stayed the same since the question before: one
  /// that is being written is not read half way. A file that is gone is no change.
  bool Changed();

 private:
  struct Identity {
    bool there = false;
    uint64_t device = 0;
    uint64_t inode = 0;
    int64_t modified_ns = 0;
    int64_t size = 0;
    bool operator==(const Identity&) const = default;
  };
  Identity Look() const;

  std::string path_;
  Identity known_;  ///< What was last told.
  Identity last_;   ///< At the question before.
};

}  // namespace sonde::config

#endif  // SONDE_AGENT_CONFIG_FILE_WATCH_H_
