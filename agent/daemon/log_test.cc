#include "agent/daemon/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "agent/export/test_calls.h"

namespace sonde::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class LogTest : public ::testing::Test {
 protected:
  LogTest() { EXPECT_EQ(pipe(pipe_), 0); }
  ~LogTest() override {
    close(pipe_[0]);
    close(pipe_[1]);
  }
  std::unique_ptr<Log> Make(config::LogLevel level, config::LogFormat format) {
    return std::make_unique<Log>(exporter::LineQueue::ForDescriptor(pipe_[1], "test", {}),
                                 config::Log{level, format},
                                 [] { return 1'700'000'000'000'000'000; });
  }
  std::string Read() {
    char text[65536];
    const ssize_t count = read(pipe_[0], text, sizeof(text));
    return count > 0 ? std::string(text, static_cast<size_t>(count)) : "";
  }

  int pipe_[2] = {};
};

TEST_F(LogTest, JsonLinesHoldTheirFields) {
  const auto log = Make(config::LogLevel::kInfo, config::LogFormat::kJson);
  log->Debug("left out");
  log->Info("a \"quoted\"\nmessage", {{"key", "v\xff"}});
  const std::string text = Read();
  const auto line = nlohmann::json::parse(text);
  EXPECT_EQ(line["level"], "info");
  EXPECT_EQ(line["msg"], "a \"quoted\"\nmessage");
  EXPECT_EQ(line["time"], "2023-11-14T22:13:20.000000000Z");
  EXPECT_EQ(line["key"], "v\xEF\xBF\xBD");
  EXPECT_EQ(text.find('\n'), text.size() - 1);
}

TEST_F(LogTest, TextIsOneLineForPeople) {
  const auto log = Make(config::LogLevel::kDebug, config::LogFormat::kText);
  log->Warn("careful", {{"path", "/a b"}, {"n", "1"}});
  EXPECT_EQ(Read(), "2023-11-14T22:13:20.000000000Z warn careful path=\"/a b\" n=1\n");
}

TEST_F(LogTest, AFailedCallCarriesItsTrace) {
  const auto log = Make(config::LogLevel::kInfo, config::LogFormat::kJson);
  log->Call(exporter::MakeOpenAiStream());  // Debug: left out.
  log->Call(exporter::MakeRateLimited());
  const auto line = nlohmann::json::parse(Read());
  EXPECT_EQ(line["trace_id"], "0102030405060708090a0b0c0d0e0f10");
  EXPECT_EQ(line["error"], "rate_limit");
  EXPECT_EQ(line["level"], "warn");
}

TEST_F(LogTest, ALaterConfigurationChangesTheLevel) {
  const auto log = Make(config::LogLevel::kError, config::LogFormat::kText);
  log->Info("one");
  log->Set({config::LogLevel::kInfo, config::LogFormat::kText});
  log->Info("two");
  EXPECT_THAT(Read(), AllOf(HasSubstr("two"), Not(HasSubstr("one"))));
}

}  // namespace
}  // namespace sonde::daemon
