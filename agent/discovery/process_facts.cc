#include "agent/discovery/process_facts.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sonde::discovery {
namespace {

// USER_HZ: what procfs counts in, on every architecture Sonde builds for.
constexpr uint64_t kNsPerTick = 1'000'000'000 / 100;

/// Field `index` (from 0) after the command name; fields there are single words.
std::optional<uint64_t> FieldAfterName(std::string_view stat, int index) {
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 > stat.size()) return std::nullopt;
  stat.remove_prefix(name_end + 2);
  for (; index > 0; --index) {
    const size_t blank = stat.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    stat.remove_prefix(blank + 1);
  }
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(stat.data(), stat.data() + stat.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::string ReadLink(const std::string& path) {
  char target[4096];
  const ssize_t length = readlink(path.c_str(), target, sizeof(target));
  return length > 0 ? std::string(target, static_cast<size_t>(length)) : std::string();
}

std::string JoinArguments(std::string text) {
  while (!text.empty() && text.back() == '\0') text.pop_back();
  for (char& c : text) {
    if (c == '\0') c = ' ';
  }
  return text;
}

}  // namespace

std::string ReadSmallFile(const std::string& path, size_t limit) {
  std::string text;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  constexpr size_t kChunk = 16384;
  size_t used = 0;
  while (used < limit) {
    text.resize(std::min(limit, used + std::max(used, kChunk)));
    const ssize_t got = read(fd, text.data() + used, text.size() - used);
    if (got <= 0) break;
    used += static_cast<size_t>(got);
  }
  close(fd);
  text.resize(used);
  return text;
}

std::optional<uint64_t> ParseStartTime(std::string_view stat) {
  // Field 22 of proc(5); field 3 is the first after the name.
  const std::optional<uint64_t> ticks = FieldAfterName(stat, 22 - 3);
  if (!ticks.has_value()) return std::nullopt;
  return *ticks * kNsPerTick;
}

std::string ParseCgroupPath(std::string_view cgroup) {
  std::string unified;
  std::string memory;
  while (!cgroup.empty()) {
    // "id:controllers:path"; the v2 hierarchy has no controllers.
    const size_t end = cgroup.find('\n');
    const std::string_view line = cgroup.substr(0, end);
    cgroup.remove_prefix(end == std::string_view::npos ? cgroup.size() : end + 1);
    const size_t first = line.find(':');
    if (first == std::string_view::npos) continue;
    const size_t second = line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    if (controllers.empty()) unified = line.substr(second + 1);
    if (controllers == "memory") memory = line.substr(second + 1);
  }
  return (unified.empty() || unified == "/") && !memory.empty() ? memory : unified;
}

absl::StatusOr<ProcessFacts> ReadProcessFacts(uint32_t pid, const std::string& proc) {
  const std::string base = absl::StrCat(proc, "/", pid);
  const std::string stat = ReadSmallFile(base + "/stat", 4096);
  const std::optional<uint64_t> start = ParseStartTime(stat);
  if (!start.has_value()) {
    return absl::NotFoundError(absl::StrCat("there is no process ", pid));
  }
  ProcessFacts facts;
  facts.pid = pid;
  facts.start_ns = *start;
  facts.parent_pid = static_cast<uint32_t>(FieldAfterName(stat, 4 - 3).value_or(0));
  struct stat owner = {};
  // The folder belongs to root while a process is not dumpable; its status file says who it is.
  const std::string status = ReadSmallFile(base + "/status", 4096);
  const size_t uid = status.find("\nUid:\t");
  if (uid != std::string::npos) {
    facts.uid = static_cast<uint32_t>(std::strtoul(status.c_str() + uid + 6, nullptr, 10));
  } else if (::stat(base.c_str(), &owner) == 0) {
    facts.uid = owner.st_uid;
  }
  facts.comm = ReadSmallFile(base + "/comm", 64);
  if (!facts.comm.empty() && facts.comm.back() == '\n') facts.comm.pop_back();
  facts.executable = ReadLink(base + "/exe");
  facts.command_line = JoinArguments(ReadSmallFile(base + "/cmdline", kCommandLineBytes));
  facts.cgroup = ParseCgroupPath(ReadSmallFile(base + "/cgroup", 16384));
  return facts;
}

std::vector<uint32_t> Descendants(uint32_t pid, const std::string& proc) {
  std::multimap<uint32_t, uint32_t> children;
  std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(proc.c_str()), closedir);
  while (directory != nullptr) {
    const dirent* entry = readdir(directory.get());
    if (entry == nullptr) break;
    uint32_t one = 0;
    if (!absl::SimpleAtoi(entry->d_name, &one)) continue;
    const std::string stat = ReadSmallFile(absl::StrCat(proc, "/", one, "/stat"), 4096);
    const std::optional<uint64_t> parent = FieldAfterName(stat, 4 - 3);
    if (parent.has_value()) children.emplace(static_cast<uint32_t>(*parent), one);
  }
  std::vector<uint32_t> found = {pid};
  for (size_t i = 0; i < found.size(); ++i) {
    const auto [begin, end] = children.equal_range(found[i]);
    for (auto it = begin; it != end; ++it) found.push_back(it->second);
  }
  found.erase(found.begin());
  return found;
}

}  // namespace sonde::discovery
