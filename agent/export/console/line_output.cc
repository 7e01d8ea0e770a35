#include "agent/export/console/line_output.h"

#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>

namespace sonde::exporter::console {
namespace {

constexpr size_t kWidthWithoutTerminal = 160;
constexpr size_t kLeastWidth = 40;
constexpr size_t kMostWidth = 1000;
constexpr size_t kLongestLine = 4096;

const char* Variable(const char* name) {
  return std::getenv(name);  // NOLINT(concurrency-mt-unsafe): Sonde sets no variables.
}

std::optional<size_t> ParseWidth(const char* text) {
  if (text == nullptr) return std::nullopt;
  char* end = nullptr;
  const unsigned long value = std::strtoul(text, &end, 10);
  if (end == text || *end != '\0' || value == 0) return std::nullopt;
  return std::clamp<size_t>(value, kLeastWidth, kMostWidth);
}

size_t TerminalWidth(int fd) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return std::min<size_t>(size.ws_col, kMostWidth);
}

/// `width` blanks; where the terminal is known to understand it, as one blank and a repetition.
std::string LineOfBlanks(size_t width) {
  constexpr std::array<std::string_view, 6> kRepeating = {"xterm", "alacritty", "foot",
                                                          "kitty", "vte",       "wezterm"};
  const char* value = Variable("TERM");
  const std::string_view term = value == nullptr ? "" : value;
  const bool repeats = std::any_of(kRepeating.begin(), kRepeating.end(),
                                   [&](std::string_view name) { return term.starts_with(name); });
  if (!repeats || width < 2) return std::string(width, ' ');
  return " \x1b[" + std::to_string(width - 1) + "b";
}

bool IsSet(const char* name) {
  const char* value = Variable(name);
  return value != nullptr && *value != '\0';
}

}  // namespace

LineOutput::LineOutput(std::shared_ptr<LineQueue> queue, const Options& options)
    : queue_(std::move(queue)), options_(options), is_terminal_(isatty(options.fd) == 1) {
  const char* term = Variable("TERM");
  smart_ = is_terminal_ && term != nullptr && *term != '\0' && std::string_view(term) != "dumb";
  colour_ = options.allow_colour && smart_ && !IsSet("NO_COLOR");
  raw_at_start_ = InRawMode();
}

LineStyle LineOutput::style() const {
  LineStyle style{.width = kWidthWithoutTerminal, .colour = colour_, .wrap = is_terminal_};
  // The last column stays free: some terminals begin a new line as soon as it is written.
  if (is_terminal_) style.width = std::max(TerminalWidth(options_.fd) - 1, kLeastWidth);
  if (const auto columns = ParseWidth(Variable("COLUMNS"))) style.width = *columns;
  return style;
}

bool LineOutput::InRawMode() const {
  termios mode{};
  return is_terminal_ && tcgetattr(options_.fd, &mode) == 0 && (mode.c_lflag & ICANON) == 0;
}

uint32_t LineOutput::held_terminal() const {
  unsigned number = 0;
  if (!options_.hold || !is_terminal_ || ioctl(options_.fd, TIOCGDEV, &number) != 0) return 0;
  return major(number) << 20 | minor(number);
}

bool LineOutput::MustWait() const {
  if (!queue_->idle()) return true;
  if (!options_.hold || !is_terminal_) return false;
  return (!raw_at_start_ && InRawMode()) || (in_use_ && in_use_());
}

void LineOutput::Write(std::string_view line) {
  if (held_.size() >= kHeld) {
    held_.pop_front();
    ++dropped_;
  }
  held_.emplace_back(line.substr(0, kLongestLine - 1));
  Flush();
}

void LineOutput::Flush() {
  queue_->Flush();
  while (!held_.empty() && !MustWait()) {
    queue_->Add(ForTerminal(held_.front() + "\n", true));
    held_.pop_front();
  }
}

std::string LineOutput::ForTerminal(std::string_view text, bool fresh) const {
  std::string out;
  termios mode{};
  const bool known = is_terminal_ && tcgetattr(options_.fd, &mode) == 0;
  // A line's worth of blanks wraps when the cursor is not in the first column and does not when it
  // is; the return then stands at the start of an empty line either way.
  if (fresh && options_.fresh_line && smart_) {
    out = LineOfBlanks(TerminalWidth(options_.fd)) + "\r";
  }
  const bool raw_output = known && ((mode.c_oflag & OPOST) == 0 || (mode.c_oflag & ONLCR) == 0);
  for (char c : text) {
    if (c == '\n' && raw_output) out += '\r';
    out += c;
  }
  return out;
}

void LineOutput::Finish(std::string_view text, int stall_ms) {
  std::string all;
  for (const std::string& line : held_) all += line + "\n";
  held_.clear();
  all += text;
  queue_->Finish(all.empty() ? "" : ForTerminal(all, true), stall_ms);
}

}  // namespace sonde::exporter::console
