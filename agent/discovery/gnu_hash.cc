#include "agent/discovery/gnu_hash.h"

#include <gelf.h>
#include <libelf.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

namespace sonde::discovery {
namespace {

// Symbols of one bucket that are looked at. Linkers make buckets of a few.
constexpr uint32_t kMostChain = 4096;
constexpr uint64_t kHeaderBytes = 16;
constexpr uint64_t kBloomBits = 64;

uint32_t HashOf(std::string_view name) {
  uint32_t hash = 5381;
  for (const char c : name) hash = hash * 33 + static_cast<uint8_t>(c);
  return hash;
}

}  // namespace

std::optional<GnuHash> GnuHash::Read(int fd, Elf* elf) {
  const auto place = [elf](size_t index, GElf_Shdr* header) -> std::optional<Place> {
    Elf_Scn* section = elf_getscn(elf, index);
    if (section == nullptr || gelf_getshdr(section, header) == nullptr) return std::nullopt;
    return Place{header->sh_offset, header->sh_size};
  };
  Elf_Scn* section = nullptr;
  while ((section = elf_nextscn(elf, section)) != nullptr) {
    GElf_Shdr hash;
    if (gelf_getshdr(section, &hash) == nullptr || hash.sh_type != SHT_GNU_HASH) continue;
    GnuHash table;
    table.fd_ = fd;
    table.hash_ = {hash.sh_offset, hash.sh_size};
    GElf_Shdr header;
    const auto symbols = place(hash.sh_link, &header);
    if (!symbols || header.sh_type != SHT_DYNSYM) return std::nullopt;
    const auto strings = place(header.sh_link, &header);
    if (!strings || header.sh_type != SHT_STRTAB) return std::nullopt;
    table.symbols_ = *symbols;
    table.strings_ = *strings;
    std::array<uint32_t, 4> counts;
    if (!table.ReadAt(table.hash_, 0, counts.data(), sizeof(counts))) return std::nullopt;
    table.buckets_ = counts[0];
    table.first_symbol_ = counts[1];
    table.bloom_words_ = counts[2];
    table.bloom_shift_ = counts[3];
    if (table.buckets_ == 0 || table.bloom_words_ == 0 || table.bloom_shift_ >= 32) {
      return std::nullopt;
    }
    return table;
  }
  return std::nullopt;
}

bool GnuHash::ReadAt(const Place& place, uint64_t at, void* to, uint64_t size) const {
  if (at > place.size || size > place.size - at) return false;
  const uint64_t offset = place.offset + at;
  return offset >= at &&
         pread(fd_, to, size, static_cast<off_t>(offset)) == static_cast<ssize_t>(size);
}

std::optional<Elf64_Sym> GnuHash::Symbol(uint32_t index, std::string_view name) const {
  Elf64_Sym symbol;
  if (!ReadAt(symbols_, uint64_t{index} * sizeof(symbol), &symbol, sizeof(symbol))) {
    return std::nullopt;
  }
  // With the zero at its end: a longer name is another.
  std::string text(name.size() + 1, 'x');
  if (!ReadAt(strings_, symbol.st_name, text.data(), text.size())) return std::nullopt;
  if (text.back() != '\0' || !text.starts_with(name)) return std::nullopt;
  return symbol;
}

std::optional<Elf64_Sym> GnuHash::Lookup(std::string_view name) const {
  const uint32_t hash = HashOf(name);
  uint64_t word = 0;
  const uint64_t at = kHeaderBytes + hash / kBloomBits % bloom_words_ * sizeof(word);
  if (!ReadAt(hash_, at, &word, sizeof(word))) return std::nullopt;
  const uint32_t second = hash >> bloom_shift_;
  if ((word >> (hash % kBloomBits) & word >> (second % kBloomBits) & 1) == 0) return std::nullopt;
  const uint64_t buckets = kHeaderBytes + uint64_t{bloom_words_} * sizeof(word);
  uint32_t index = 0;
  if (!ReadAt(hash_, buckets + hash % buckets_ * sizeof(index), &index, sizeof(index)) ||
      index < first_symbol_) {
    return std::nullopt;  // 0: an empty bucket.
  }
  const uint64_t chains = buckets + uint64_t{buckets_} * sizeof(index);
  for (uint32_t step = 0; step < kMostChain; ++step, ++index) {
    uint32_t one = 0;
    if (!ReadAt(hash_, chains + uint64_t{index - first_symbol_} * sizeof(one), &one, sizeof(one))) {
      return std::nullopt;
    }
    // The lowest bit says that the bucket ends.
    if ((one | 1) == (hash | 1)) {
      if (const auto symbol = Symbol(index, name); symbol.has_value()) return symbol;
    }
    if ((one & 1) != 0) break;
  }
  return std::nullopt;
}

}  // namespace sonde::discovery
