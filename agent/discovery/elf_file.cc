#include "agent/discovery/elf_file.h"

#include <bcc/bcc_elf.h>
#include <bcc/bcc_syms.h>
#include <elf.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "agent/discovery/gnu_hash.h"

namespace sonde::discovery {
namespace {

/// Calls `visit(section, header)` until it returns false.
template <typename Visit>
void ForEachSection(Elf* elf, Visit visit) {
  Elf_Scn* section = nullptr;
  while ((section = elf_nextscn(elf, section)) != nullptr) {
    GElf_Shdr header;
    if (gelf_getshdr(section, &header) == nullptr) continue;
    if (!visit(section, header)) return;
  }
}

/// A string of a string table that was read as a whole; asking libelf for each is slow where there
/// are a hundred thousand.
std::string_view TextAt(const Elf_Data* strings, size_t at) {
  if (strings == nullptr || strings->d_buf == nullptr || at >= strings->d_size) return {};
  const char* text = static_cast<const char*>(strings->d_buf) + at;
  return {text, strnlen(text, strings->d_size - at)};
}

/// Calls `visit(symbol, names)` for every symbol of a table until it returns false; TextAt() then
/// says its name.
template <typename Visit>
void ForEachSymbol(Elf* elf, uint32_t section_type, Visit visit) {
  ForEachSection(elf, [&](Elf_Scn* section, const GElf_Shdr& header) {
    if (header.sh_type != section_type) return true;
    const Elf_Data* data = elf_getdata(section, nullptr);
    Elf_Scn* names = elf_getscn(elf, header.sh_link);
    const Elf_Data* strings = names == nullptr ? nullptr : elf_getdata(names, nullptr);
    if (data == nullptr || data->d_buf == nullptr) return true;
    // As they lie: libelf's accessor takes a lock for each.
    const auto* symbols = static_cast<const char*>(data->d_buf);
    const size_t count = data->d_size / sizeof(Elf64_Sym);
    for (size_t i = 0; i < count; ++i) {
      Elf64_Sym symbol;
      std::memcpy(&symbol, symbols + i * sizeof(symbol), sizeof(symbol));
      if (!visit(symbol, strings)) return false;
    }
    return true;
  });
}

/// Calls `visit(entry, text)`; the text is the entry's string where it has one.
template <typename Visit>
void ForEachDynamic(Elf* elf, Visit visit) {
  ForEachSection(elf, [&](Elf_Scn* section, const GElf_Shdr& header) {
    if (header.sh_type != SHT_DYNAMIC || header.sh_entsize == 0) return true;
    Elf_Data* data = elf_getdata(section, nullptr);
    if (data == nullptr) return false;
    const size_t count = data->d_size / header.sh_entsize;
    for (size_t i = 0; i < count; ++i) {
      GElf_Dyn entry;
      if (gelf_getdyn(data, static_cast<int>(i), &entry) == nullptr) break;
      if (entry.d_tag != DT_NEEDED && entry.d_tag != DT_SONAME && entry.d_tag != DT_RPATH &&
          entry.d_tag != DT_RUNPATH) {
        continue;
      }
      const char* text = elf_strptr(elf, header.sh_link, entry.d_un.d_val);
      if (text != nullptr) visit(entry.d_tag, std::string_view(text));
    }
    return false;
  });
}

bool IsFunction(const Elf64_Sym& symbol) {
  const int type = ELF64_ST_TYPE(symbol.st_info);
  return type == STT_FUNC && symbol.st_shndx != SHN_UNDEF && symbol.st_value != 0;
}

}  // namespace

ElfFile::ElfFile(std::string path, int fd, Elf* elf) : path_(std::move(path)), fd_(fd), elf_(elf) {}

ElfFile::ElfFile(ElfFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      elf_(std::exchange(other.elf_, nullptr)) {}

ElfFile& ElfFile::operator=(ElfFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(elf_, other.elf_);
  return *this;
}

ElfFile::~ElfFile() {
  if (elf_ != nullptr) elf_end(elf_);
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<ElfFile> ElfFile::Open(const std::string& path) {
  elf_version(EV_CURRENT);
  // Not blocking: a path may name a pipe.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  // Read, not mapped: a file that is cut short meanwhile would end this process.
  ElfFile file(path, fd, elf_begin(fd, ELF_C_READ, nullptr));
  if (file.elf_ == nullptr || elf_kind(file.elf_) != ELF_K_ELF ||
      gelf_getclass(file.elf_) != ELFCLASS64) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is no ELF file of this machine"));
  }
  return file;
}

uint64_t ElfFile::FileOffset(uint64_t address, bool* executable) const {
  size_t count = 0;
  *executable = false;
  if (elf_getphdrnum(elf_, &count) != 0) return 0;
  for (size_t i = 0; i < count; ++i) {
    GElf_Phdr segment;
    if (gelf_getphdr(elf_, static_cast<int>(i), &segment) == nullptr) break;
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    if (address < segment.p_vaddr || address - segment.p_vaddr >= segment.p_filesz) continue;
    *executable = true;
    return address - segment.p_vaddr + segment.p_offset;
  }
  return 0;
}

void ElfFile::Note(std::string_view name, uint64_t address, Functions* found) const {
  bool executable = false;
  const uint64_t offset = FileOffset(address, &executable);
  if (executable) found->offsets.emplace(name, offset);
}

void ElfFile::ReadExports(const std::set<std::string_view>& names, std::string_view required,
                          Functions* found) const {
  const std::optional<GnuHash> exports = GnuHash::Read(fd_, elf_);
  if (!exports.has_value()) return ReadTable(SHT_DYNSYM, names, found);
  // Most files have none of them: one question is enough.
  if (!exports->Lookup(required).has_value()) return;
  for (const std::string_view name : names) {
    const std::optional<Elf64_Sym> symbol = exports->Lookup(name);
    if (symbol.has_value() && IsFunction(*symbol)) Note(name, symbol->st_value, found);
  }
}

void ElfFile::ReadTable(uint32_t section_type, const std::set<std::string_view>& names,
                        Functions* found) const {
  ForEachSymbol(elf_, section_type, [&](const Elf64_Sym& symbol, const Elf_Data* strings) {
    if (!IsFunction(symbol)) return true;
    const std::string_view name = TextAt(strings, symbol.st_name);
    if (names.contains(name)) Note(name, symbol.st_value, found);
    return true;
  });
}

void ElfFile::ReadDebugFile(const std::set<std::string_view>& names, Functions* found) const {
  struct Context {
    const ElfFile* file;
    const std::set<std::string_view>* names;
    Functions* found;
  } context = {this, &names, found};
  bcc_symbol_option option = {};
  option.use_debug_file = 1;
  option.check_debug_file_crc = 1;
  option.use_symbol_type = 1U << STT_FUNC;
  bcc_elf_foreach_sym(
      path_.c_str(),
      [](const char* name, uint64_t address, uint64_t, void* payload) {
        auto* self = static_cast<Context*>(payload);
        if (self->names->contains(name)) self->file->Note(name, address, self->found);
        return 0;
      },
      &option, &context);
}

Functions ElfFile::FindFunctions(const std::set<std::string_view>& names, std::string_view required,
                                 bool debug_file) const {
  const std::string wanted(required);
  Functions found;
  ReadExports(names, required, &found);
  found.rung = ".dynsym";
  if (found.offsets.contains(wanted)) return found;
  found.offsets.clear();
  ReadTable(SHT_SYMTAB, names, &found);
  found.rung = ".symtab";
  if (found.offsets.contains(wanted)) return found;
  found.offsets.clear();
  if (debug_file) {
    ReadDebugFile(names, &found);
    found.rung = "debug file";
    if (found.offsets.contains(wanted)) return found;
  }
  return Functions{};
}

bool ElfFile::HasDynamicSymbol(std::string_view name) const {
  bool found = false;
  ForEachSymbol(elf_, SHT_DYNSYM, [&](const Elf64_Sym& symbol, const Elf_Data* strings) {
    found = TextAt(strings, symbol.st_name) == name;
    return !found;
  });
  return found;
}

bool ElfFile::HasSection(std::string_view name) const {
  size_t names = 0;
  if (elf_getshdrstrndx(elf_, &names) != 0) return false;
  bool found = false;
  ForEachSection(elf_, [&](Elf_Scn*, const GElf_Shdr& header) {
    const char* text = elf_strptr(elf_, names, header.sh_name);
    found = text != nullptr && name == text;
    return !found;
  });
  return found;
}

std::vector<std::string> ElfFile::NeededLibraries() const {
  std::vector<std::string> needed;
  ForEachDynamic(elf_, [&](int64_t tag, std::string_view text) {
    if (tag == DT_NEEDED) needed.emplace_back(text);
  });
  return needed;
}

std::string ElfFile::SharedObjectName() const {
  std::string name;
  ForEachDynamic(elf_, [&](int64_t tag, std::string_view text) {
    if (tag == DT_SONAME) name = text;
  });
  return name;
}

std::vector<std::string> ElfFile::SearchPath(const std::string& origin) const {
  std::vector<std::string> directories;
  ForEachDynamic(elf_, [&](int64_t tag, std::string_view text) {
    if (tag != DT_RUNPATH && tag != DT_RPATH) return;
    const std::string all =
        absl::StrReplaceAll(std::string(text), {{"${ORIGIN}", origin}, {"$ORIGIN", origin}});
    for (const auto& directory : absl::StrSplit(all, ':', absl::SkipEmpty())) {
      directories.emplace_back(directory);
    }
  });
  return directories;
}

std::string ElfFile::BuildId() const {
  // bcc writes at most 20 bytes as 40 digits and a zero.
  char text[128] = {};
  return bcc_elf_get_buildid(path_.c_str(), text) == 0 ? std::string(text) : std::string();
}

}  // namespace sonde::discovery
