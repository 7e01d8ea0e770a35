// What the agent says of itself: structured lines on standard error.
#ifndef SONDE_AGENT_DAEMON_LOG_H_
#define SONDE_AGENT_DAEMON_LOG_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "agent/calls/call.h"
#include "agent/config/config.h"
#include "agent/export/line_queue.h"

namespace sonde::daemon {

/// Thread-safe. A reader that does not keep up loses lines, never time of the caller.
class Log {
 public:
  using Level = config::LogLevel;
  using Fields = std::initializer_list<std::pair<std::string_view, std::string>>;

  /// `clock` gives Unix nanoseconds; empty: the system's.
  Log(std::unique_ptr<exporter::LineQueue> lines, const config::Log& settings,
      std::function<int64_t()> clock = {});

  /// Of a later configuration.
  void Set(const config::Log& settings);

  void Write(Level level, std::string_view message, Fields fields = {});
  void Debug(std::string_view message, Fields fields = {}) {
    Write(Level::kDebug, message, fields);
  }
  void Info(std::string_view message, Fields fields = {}) { Write(Level::kInfo, message, fields); }
  void Warn(std::string_view message, Fields fields = {}) { Write(Level::kWarn, message, fields); }
  void Error(std::string_view message, Fields fields = {}) {
    Write(Level::kError, message, fields);
  }

  /// One call, with trace and span so that it can be found beside the trace: failed ones at warn,
  /// others at debug. Holds no message text.
  void Call(const calls::Call& call);

  /// Writes what waited. Called from time to time.
  void Flush();
  uint64_t lost() const;

 private:
  const std::function<int64_t()> clock_;
  mutable std::mutex mutex_;
  std::unique_ptr<exporter::LineQueue> lines_;
  config::Log settings_;
};

}  // namespace sonde::daemon

#endif  // SONDE_AGENT_DAEMON_LOG_H_
