// Where lines for a person go: a terminal that a program uses at the same time, a pipe, or a file.
#ifndef SONDE_AGENT_EXPORT_CONSOLE_LINE_OUTPUT_H_
#define SONDE_AGENT_EXPORT_CONSOLE_LINE_OUTPUT_H_

#include <termios.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "agent/export/console/live_line.h"
#include "agent/export/line_queue.h"

namespace sonde::exporter::console {

/// Writes whole lines without ever making the caller wait, apart from Finish. On a terminal, lines
/// wait while a program has it in raw mode (canonical input off) or in the alternate screen; they
/// also wait while a slow reader leaves no room. Used on one thread.
class LineOutput {
 public:
  /// Lines kept while waiting; the oldest is dropped beyond it.
  static constexpr size_t kHeld = 4096;

  struct Options {
    int fd = 2;              ///< Stays the caller's.
    bool hold = true;        ///< Wait for the end of raw mode and of the alternate screen.
    bool fresh_line = true;  ///< On a terminal, begin below a half-written line of the program.
    bool allow_colour = true;
  };
  /// Lines go to `queue`, which writes to what Options::fd names.
  LineOutput(std::shared_ptr<LineQueue> queue, const Options& options);

  /// Number of the terminal whose use makes lines wait, as the kernel has it (major << 20 | minor);
  /// 0 when they do not wait.
  uint32_t held_terminal() const;
  /// The kernel tells the mode of a terminal, not its screen: `in_use` is asked for that.
  void HoldWhile(std::function<bool()> in_use) { in_use_ = std::move(in_use); }

  /// `line` without its newline; at most 4 KiB of it.
  void Write(std::string_view line);
  /// Writes what waited, as far as it can go now. Called from time to time.
  void Flush();
  /// Writes everything, raw mode or not; gives up on a reader that takes nothing for `stall_ms`.
  void Finish(std::string_view text, int stall_ms);

  /// Width as of now and whether colours may be used: only on a terminal, and not when NO_COLOR is
  /// set or TERM is "dumb". COLUMNS overrides the width; without a terminal it is 160.
  LineStyle style() const;
  /// Lines that had to make room for newer ones.
  uint64_t dropped() const { return dropped_; }

 private:
  bool MustWait() const;
  bool InRawMode() const;
  std::string ForTerminal(std::string_view text, bool fresh) const;

  std::shared_ptr<LineQueue> queue_;
  Options options_;
  std::function<bool()> in_use_;
  bool is_terminal_ = false;
  bool colour_ = false;
  bool smart_ = false;
  bool raw_at_start_ = false;
  std::deque<std::string> held_;
  uint64_t dropped_ = 0;
};

}  // namespace sonde::exporter::console

#endif  // SONDE_AGENT_EXPORT_CONSOLE_LINE_OUTPUT_H_
