#include "agent/discovery/command_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/discovery/elf_file.h"
#include "agent/discovery/ld_cache.h"
#include "agent/discovery/process_facts.h"

namespace sonde::discovery {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTlsLibrary = "libssl.so";
constexpr size_t kShebangBytes = 256;  // As the kernel reads of a script.
constexpr size_t kLdCacheBytes = 8U << 20;

bool IsExecutable(const std::string& path) {
  struct stat status = {};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

std::string Absolute(const std::string& path, const std::string& directory) {
  return path.starts_with('/') ? path : absl::StrCat(directory, "/", path);
}

/// The program among env's words: the first that is neither an option nor an assignment.
std::optional<std::string> ProgramOfEnv(const std::vector<std::string>& words) {
  for (size_t i = 1; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "-u" || word == "-C") {
      ++i;
      continue;
    }
    if (word.starts_with('-') || word.find('=') != std::string::npos) continue;
    return word;
  }
  return std::nullopt;
}

void AddLibraries(const std::string& directory, std::vector<std::string>* files) {
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().string().starts_with(kTlsLibrary)) files->push_back(it->path());
  }
}

}  // namespace

std::optional<std::string> FindProgram(const std::string& program, const std::string& path,
                                       const std::string& directory) {
  if (program.empty()) return std::nullopt;
  if (program.find('/') != std::string::npos) {
    const std::string file = Absolute(program, directory);
    return IsExecutable(file) ? std::optional(file) : std::nullopt;
  }
  for (const std::string& folder : std::vector<std::string>(absl::StrSplit(path, ':'))) {
    // An empty entry is the working directory.
    const std::string file =
        absl::StrCat(folder.empty() ? directory : Absolute(folder, directory), "/", program);
    if (IsExecutable(file)) return file;
  }
  return std::nullopt;
}

std::vector<std::string> ParseShebang(std::string_view head) {
  if (!head.starts_with("#!")) return {};
  const std::string line(head.substr(2, head.find('\n') - 2));
  std::vector<std::string> words =
      absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
  return words;
}

std::vector<std::string> InterpreterChain(const std::string& program, const std::string& path,
                                          const std::string& directory) {
  std::vector<std::string> chain;
  std::optional<std::string> file = FindProgram(program, path, directory);
  for (int step = 0; file.has_value() && step <= kInterpreterSteps; ++step) {
    chain.push_back(*file);
    const std::vector<std::string> words = ParseShebang(ReadSmallFile(*file, kShebangBytes));
    if (words.empty()) break;
    file = FindProgram(words.front(), path, directory);
    if (fs::path(words.front()).filename() == "env") {
      const std::optional<std::string> named = ProgramOfEnv(words);
      file = named.has_value() ? FindProgram(*named, path, directory) : std::nullopt;
    }
  }
  return chain;
}

std::vector<std::string> FilesOfCommand(const std::string& program, const std::string& path,
                                        const std::string& directory) {
  std::vector<std::string> files = InterpreterChain(program, path, directory);
  const std::vector<CachedLibrary> cached =
      ParseLdCache(ReadSmallFile("/etc/ld.so.cache", kLdCacheBytes), kTlsLibrary);
  for (const CachedLibrary& library : cached) files.push_back(library.path);
  if (const size_t last = files.size() - cached.size(); last > 0) {
    std::error_code error;
    // A virtual environment's program is a link to the real one, whose libraries lie beside it.
    const fs::path real = fs::canonical(files[last - 1], error);
    const std::string origin = real.parent_path();
    AddLibraries(absl::StrCat(origin, "/../lib"), &files);
    if (const absl::StatusOr<ElfFile> elf = ElfFile::Open(real); elf.ok()) {
      for (const std::string& folder : elf->SearchPath(origin)) AddLibraries(folder, &files);
    }
  }
  std::vector<std::string> unique;
  for (const std::string& file : files) {
    std::error_code error;
    const std::string real = fs::canonical(file, error);
    if (error || std::find(unique.begin(), unique.end(), real) != unique.end()) continue;
    unique.push_back(real);
  }
  return unique;
}

}  // namespace sonde::discovery
