// The files of a ledger: which one is written to, when the next begins, and whole lines only.
#ifndef SONDE_AGENT_EXPORT_LEDGER_LEDGER_FILES_H_
#define SONDE_AGENT_EXPORT_LEDGER_LEDGER_FILES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace sonde::exporter {

struct LedgerSettings {
  std::string directory;
  uint64_t max_file_bytes = 64U << 20;
  uint32_t keep_days = 0;  ///< Files of earlier days are removed; 0: never.
};

/// Appends to DIR/sonde-YYYY-MM-DD-NNNN.jsonl, one file for a UTC day until it is full. Files are
/// created with mode 0600 and never opened again once a later one began: a reader may take every
/// file but the last. Used on one thread.
class LedgerFiles {
 public:
  explicit LedgerFiles(LedgerSettings settings) : settings_(std::move(settings)) {}
  ~LedgerFiles();
  LedgerFiles(const LedgerFiles&) = delete;
  LedgerFiles& operator=(const LedgerFiles&) = delete;

  /// Writes `lines`, whole lines each with its newline, to the file for the time `unix_ns`. When it
  /// fails nothing of them stands in the file: a part that was written is cut off again. A clock
  /// that went back changes nothing: the file of the later day goes on.
  absl::Status Append(std::string_view lines, int64_t unix_ns);
  /// What was appended survives a loss of power when this returns OK.
  absl::Status Sync();

  const std::string& current() const { return path_; }

 private:
  absl::Status Open(int64_t unix_ns);
  absl::Status Begin(const std::string& day, int number);
  void Close();
  void RemoveOld(int64_t unix_ns);
  /// Numbers of the files that a day has, ascending.
  std::vector<int> NumbersOf(const std::string& day) const;

  LedgerSettings settings_;
  int fd_ = -1;
  std::string path_;
  std::string day_;
  int number_ = 0;
  uint64_t size_ = 0;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_LEDGER_LEDGER_FILES_H_
