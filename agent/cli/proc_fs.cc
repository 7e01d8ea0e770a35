#include "agent/cli/proc_fs.h"

#include <charconv>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace sonde::cli {
namespace {

std::optional<mode_t> ParseOctal(const std::string& text) {
  mode_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 8);
  if (error != std::errc() || stop != end || value > 0777) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::string> ProcFs::ReadFile(pid_t pid, const char* file) const {
  std::ifstream stream(absl::StrCat(root_, "/", pid, "/", file), std::ios::binary);
  if (!stream) return std::nullopt;
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (stream.bad()) return std::nullopt;
  return text;
}

std::optional<ProcFs::Status> ProcFs::ReadStatus(pid_t pid) const {
  const std::optional<std::string> text = ReadFile(pid, "status");
  if (!text || text->empty()) return std::nullopt;
  Status status;
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    const std::pair<absl::string_view, absl::string_view> field =
        absl::StrSplit(line, absl::MaxSplits(":\t", 1));
    const std::vector<std::string> values =
        absl::StrSplit(field.second, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (field.first == "Name") status.name = std::string(field.second);
    if (values.empty()) continue;
    if (field.first == "State") status.state = values[0][0];
    if (field.first == "Umask") status.umask = ParseOctal(values[0]);
    if (field.first == "ShdPnd" && !absl::SimpleHexAtoi(values[0], &status.pending)) {
      return std::nullopt;
    }
    if (field.first == "PPid" && !absl::SimpleAtoi(values[0], &status.parent)) return std::nullopt;
    if (field.first == "Uid" && !absl::SimpleAtoi(values[0], &status.uid)) return std::nullopt;
  }
  return status;
}

std::optional<std::string> ProcFs::ReadEnvironment(pid_t pid) const {
  return ReadFile(pid, "environ");
}

std::vector<std::string> ProcFs::ReadArguments(pid_t pid) const {
  const std::string text = ReadFile(pid, "cmdline").value_or("");
  if (text.empty()) return {};
  return absl::StrSplit(absl::StripSuffix(text, absl::string_view("\0", 1)), '\0');
}

}  // namespace sonde::cli
