// Looks up exported functions by name as the dynamic linker does, through the file's own hash
// table: a few small reads, however large the file is.
#ifndef SONDE_AGENT_DISCOVERY_GNU_HASH_H_
#define SONDE_AGENT_DISCOVERY_GNU_HASH_H_

#include <elf.h>

#include <cstdint>
#include <optional>
#include <string_view>

struct Elf;

namespace sonde::discovery {

class GnuHash {
 public:
  /// The file's .gnu.hash table. Nothing when it has none, or one that contradicts itself. `fd` and
  /// `elf` are of the same 64-bit file of this machine's byte order; `fd` must outlive the result.
  static std::optional<GnuHash> Read(int fd, Elf* elf);

  /// The first defined symbol of this name. Whatever stands in the file, the work is bounded.
  std::optional<Elf64_Sym> Lookup(std::string_view name) const;

 private:
  /// Where a section lies in the file.
  struct Place {
    uint64_t offset = 0;
    uint64_t size = 0;
  };

  bool ReadAt(const Place& place, uint64_t at, void* to, uint64_t size) const;
  std::optional<Elf64_Sym> Symbol(uint32_t index, std::string_view name) const;

  int fd_ = -1;
  Place hash_;
  Place symbols_;
  Place strings_;
  uint32_t buckets_ = 0;
  uint32_t first_symbol_ = 0;
  uint32_t bloom_words_ = 0;
  uint32_t bloom_shift_ = 0;
};

}  // namespace sonde::discovery

#endif  // SONDE_AGENT_DISCOVERY_GNU_HASH_H_
