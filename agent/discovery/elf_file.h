// What discovery wants to know of an ELF file: where functions stand in it, and what it needs.
#ifndef SONDE_AGENT_DISCOVERY_ELF_FILE_H_
#define SONDE_AGENT_DISCOVERY_ELF_FILE_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

struct Elf;

namespace sonde::discovery {

/// Functions found in one place. The ladder is .dynsym, .symtab, then a separate debug file found
/// by build id; `rung` says which one answered.
struct Functions {
  std::string rung;
  std::map<std::string, uint64_t> offsets;  ///< Name to offset in the file.
};

class ElfFile {
 public:
  /// Opens a file for reading. InvalidArgument when it is not ELF for this machine's word size,
  /// NotFound and the like when it cannot be read.
  static absl::StatusOr<ElfFile> Open(const std::string& path);

  ElfFile(ElfFile&& other) noexcept;
  ElfFile& operator=(ElfFile&& other) noexcept;
  ~ElfFile();

  /// Those of the names that are defined functions, from the first rung that has `required`, which
  /// is one of them. Empty when no rung has it. The debug file is looked for only when
  /// `debug_file` is set: that search is slow.
  Functions FindFunctions(const std::set<std::string_view>& names, std::string_view required,
                          bool debug_file) const;

  /// Whether a defined or undefined dynamic symbol has this very name.
  bool HasDynamicSymbol(std::string_view name) const;

  bool HasSection(std::string_view name) const;

  /// DT_NEEDED, in order.
  std::vector<std::string> NeededLibraries() const;
  /// DT_SONAME, empty when there is none.
  std::string SharedObjectName() const;
  /// Directories of DT_RUNPATH and DT_RPATH with $ORIGIN replaced by `origin`.
  std::vector<std::string> SearchPath(const std::string& origin) const;
  /// Hexadecimal, empty when there is none.
  std::string BuildId() const;

 private:
  ElfFile(std::string path, int fd, Elf* elf);
  uint64_t FileOffset(uint64_t address, bool* executable) const;
  void Note(std::string_view name, uint64_t address, Functions* found) const;
  void ReadExports(const std::set<std::string_view>& names, std::string_view required,
                   Functions* found) const;
  void ReadTable(uint32_t section_type, const std::set<std::string_view>& names,
                 Functions* found) const;
  void ReadDebugFile(const std::set<std::string_view>& names, Functions* found) const;

  std::string path_;
  int fd_ = -1;
  Elf* elf_ = nullptr;
};

}  // namespace sonde::discovery

#endif  // SONDE_AGENT_DISCOVERY_ELF_FILE_H_
