#include "agent/export/ledger/ledger_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace sonde::exporter {
namespace {

constexpr mode_t kMode = 0600;
constexpr std::string_view kPrefix = "sonde-";
constexpr std::string_view kSuffix = ".jsonl";
constexpr size_t kDayBytes = 10;  ///< Of "2026-11-21".

std::string DayOf(int64_t unix_ns) {
  return absl::FormatTime("%Y-%m-%d", absl::FromUnixNanos(unix_ns), absl::UTCTimeZone());
}

absl::Status Failed(std::string_view what, const std::string& path, int error_number) {
  return absl::Status(absl::ErrnoToStatusCode(error_number),
                      absl::StrCat("cannot ", std::string(what), " ", path, ": ",
                                   std::generic_category().message(error_number)));
}

/// Day and number of a ledger file's name; false when it is another's.
bool ParseName(std::string_view name, std::string* day, int* number) {
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return false;
  name.remove_prefix(kPrefix.size());
  name.remove_suffix(kSuffix.size());
  if (name.size() < kDayBytes + 2 || name[kDayBytes] != '-') return false;
  *day = name.substr(0, kDayBytes);
  return absl::SimpleAtoi(std::string(name.substr(kDayBytes + 1)), number);
}

/// The last byte is no newline: whoever wrote it lost power in the middle of a line.
bool Torn(int fd, off_t size) {
  char last = '\n';
  return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

}  // namespace

LedgerFiles::~LedgerFiles() { Close(); }

void LedgerFiles::Close() {
  if (fd_ < 0) return;
  fdatasync(fd_);
  close(fd_);
  fd_ = -1;
}

std::vector<int> LedgerFiles::NumbersOf(const std::string& day) const {
  std::vector<int> numbers;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(settings_.directory, error)) {
    std::string file_day;
    int number = 0;
    if (ParseName(entry.path().filename().string(), &file_day, &number) && file_day == day) {
      numbers.push_back(number);
    }
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

absl::Status LedgerFiles::Begin(const std::string& day, int number) {
  Close();
  day_ = day;
  number_ = number;
  path_ = absl::StrCat(settings_.directory, "/", std::string(kPrefix), day, "-",
                       absl::StrFormat("%04d", number), std::string(kSuffix));
  fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, kMode);
  if (fd_ < 0) return Failed("open", path_, errno);
  struct stat status {};
  if (fstat(fd_, &status) != 0) return Failed("look at", path_, errno);
  size_ = static_cast<uint64_t>(status.st_size);
  // A torn line stays as it is, for whoever wants to look; nothing is added to it.
  if (Torn(fd_, status.st_size)) return Begin(day, number + 1);
  return absl::OkStatus();
}

absl::Status LedgerFiles::Open(int64_t unix_ns) {
  const std::string today = std::max(DayOf(unix_ns), day_);
  if (fd_ >= 0 && today == day_) {
    return size_ < settings_.max_file_bytes ? absl::OkStatus() : Begin(day_, number_ + 1);
  }
  const std::vector<int> numbers = NumbersOf(today);
  absl::Status status = Begin(today, numbers.empty() ? 1 : numbers.back());
  if (status.ok() && size_ >= settings_.max_file_bytes) status = Begin(today, number_ + 1);
  RemoveOld(unix_ns);
  return status;
}

absl::Status LedgerFiles::Append(std::string_view lines, int64_t unix_ns) {
  if (absl::Status status = Open(unix_ns); !status.ok()) {
    Close();
    return status;
  }
  size_t written = 0;
  while (written < lines.size()) {
    const ssize_t count = write(fd_, lines.data() + written, lines.size() - written);
    if (count > 0) {
      written += static_cast<size_t>(count);
    } else if (count < 0 && errno != EINTR) {
      const int error_number = errno;
      // Best effort: where even this fails, the torn line ends the file (see Begin).
      if (ftruncate(fd_, static_cast<off_t>(size_)) != 0) Close();
      return Failed("write to", path_, error_number);
    }
  }
  size_ += written;
  return absl::OkStatus();
}

absl::Status LedgerFiles::Sync() {
  if (fd_ < 0 || fdatasync(fd_) == 0) return absl::OkStatus();
  return Failed("sync", path_, errno);
}

void LedgerFiles::RemoveOld(int64_t unix_ns) {
  if (settings_.keep_days == 0) return;
  const std::string oldest =
      DayOf(unix_ns - absl::ToInt64Nanoseconds(absl::Hours(24) * settings_.keep_days));
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(settings_.directory, error)) {
    std::string day;
    int number = 0;
    if (!ParseName(entry.path().filename().string(), &day, &number) || day >= oldest) continue;
    std::filesystem::remove(entry.path(), error);
  }
}

}  // namespace sonde::exporter
