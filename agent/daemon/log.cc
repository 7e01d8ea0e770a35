#include "agent/daemon/log.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "agent/export/text.h"

namespace sonde::daemon {
namespace {

constexpr size_t kTextBytes = 2048;

std::string_view LevelName(config::LogLevel level) {
  static constexpr std::string_view kNames[] = {"debug", "info", "warn", "error"};
  return kNames[static_cast<size_t>(level)];
}

int64_t SystemClock() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// A value in the text form: quoted where it would be read as more than one.
std::string Quoted(const std::string& value) {
  const bool plain = !value.empty() && value.find_first_of(" \t\n\"=") == std::string::npos;
  return plain ? value : nlohmann::json(value).dump();
}

}  // namespace

Log::Log(std::unique_ptr<exporter::LineQueue> lines, const config::Log& settings,
         std::function<int64_t()> clock)
    : clock_(clock ? std::move(clock) : SystemClock),
      lines_(std::move(lines)),
      settings_(settings) {}

void Log::Set(const config::Log& settings) {
  const std::lock_guard lock(mutex_);
  settings_ = settings;
}

void Log::Write(Level level, std::string_view message, Fields fields) {
  const std::lock_guard lock(mutex_);
  if (level < settings_.level) return;
  const std::string time = exporter::Rfc3339(clock_());
  const std::string text = exporter::CleanUtf8(message, kTextBytes);
  if (settings_.format == config::LogFormat::kJson) {
    nlohmann::ordered_json line = {{"time", time}, {"level", LevelName(level)}, {"msg", text}};
    for (const auto& [name, value] : fields) {
      line[std::string(name)] = exporter::CleanUtf8(value, kTextBytes);
    }
    lines_->Add(line.dump() + "\n");
    return;
  }
  std::string line = time + " " + std::string(LevelName(level)) + " " + text;
  for (const auto& [name, value] : fields) {
    line.append(" ").append(name).append("=");
    line += Quoted(exporter::CleanUtf8(value, kTextBytes));
  }
  lines_->Add(line + "\n");
}

void Log::Call(const calls::Call& call) {
  const bool failed = call.error != calls::ErrorClass::kNone;
  Write(failed ? Level::kWarn : Level::kDebug, failed ? "call failed" : "call",
        {{"trace_id", exporter::Hex(call.trace_id)},
         {"span_id", exporter::Hex(call.span_id)},
         {"provider", call.provider},
         {"model", call.request.model},
         {"process", call.process == nullptr ? "" : call.process->display_name},
         {"error", std::string(calls::ErrorClassName(call.error))},
         {"http_status", std::to_string(call.http_status)},
         {"duration_ms", std::to_string(call.duration_ns() / 1'000'000)}});
}

void Log::Flush() {
  const std::lock_guard lock(mutex_);
  lines_->Flush();
}

uint64_t Log::lost() const {
  const std::lock_guard lock(mutex_);
  return lines_->stats().lost;
}

}  // namespace sonde::daemon
