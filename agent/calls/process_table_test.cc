#include "agent/calls/process_table.h"

#include <string>

#include "gtest/gtest.h"

namespace sonde::calls {
namespace {

TEST(DisplayNameTest, Interpreters) {
  const auto name = [](const char* executable, const char* line) {
    return DisplayName("comm", executable, line);
  };
  EXPECT_EQ(name("/usr/bin/python3.11", "python agent.py --x"), "agent.py");
  EXPECT_EQ(name("/usr/bin/python3.11", "/usr/bin/python3 -u -W ignore /srv/app/agent.py"),
            "agent.py");
  EXPECT_EQ(name("/usr/bin/python3.11", "python -m pip install x"), "pip");
  EXPECT_EQ(name("/usr/bin/python3.11", "python -c import os"), "python -c");
  EXPECT_EQ(name("/usr/bin/python3.11", "python3"), "python3.11");
  EXPECT_EQ(name("/usr/bin/node", "node x.js"), "x.js");
  EXPECT_EQ(name("/usr/bin/node", "node --max-old-space-size=99 -r dotenv /a/b.mjs"), "b.mjs");
  EXPECT_EQ(name("/usr/bin/node", "node -e 1"), "node -e");
  EXPECT_EQ(name("/usr/bin/bun", "bun run tool.ts"), "tool.ts");
  EXPECT_EQ(name("/opt/venv/bin/python3.11-dbg", "python a.py"), "a.py");
}

TEST(DisplayNameTest, Others) {
  EXPECT_EQ(DisplayName("curl", "/usr/bin/curl", "curl -s https://host"), "curl");
  EXPECT_EQ(DisplayName("x", "", "/opt/tool --flag"), "tool");
  EXPECT_EQ(DisplayName("worker", "", ""), "worker");
  EXPECT_EQ(DisplayName("a", "/usr/bin/nodemon", "nodemon x.js"), "nodemon");
  EXPECT_EQ(DisplayName("a", "/usr/bin/gone (deleted)", ""), "gone");
  EXPECT_EQ(DisplayName("a", "/x/" + std::string(500, 'n'), "").size(), 64U);
}

events::ProcessStarted Started(uint32_t pid, const char* executable) {
  return {.process = {.pid = pid, .start_ns = 1}, .executable = executable};
}

TEST(ProcessTableTest, StartForkExecExit) {
  ProcessTable table;
  table.OnStarted(Started(1, "/bin/parent"));
  table.OnForked({.process = {.pid = 2, .start_ns = 5}, .parent = {.pid = 1, .start_ns = 1}});
  EXPECT_EQ(table.Get({.pid = 2, .start_ns = 5})->display_name, "parent");
  EXPECT_EQ(table.Get({.pid = 2, .start_ns = 5})->parent_pid, 1U);
  EXPECT_EQ(table.Get({.pid = 9})->display_name, "pid 9");
}

TEST(ProcessTableTest, BoundedExitedLeaveFirst) {
  ProcessTable table(3);
  for (uint32_t pid = 1; pid <= 3; ++pid) table.OnStarted(Started(pid, "/bin/x"));
  const auto held = table.Get({.pid = 2, .start_ns = 1});
  table.OnExited({.process = {.pid = 2, .start_ns = 1}});
  table.OnStarted(Started(4, "/bin/y"));
  EXPECT_EQ(table.size(), 3U);
  EXPECT_EQ(table.evicted(), 1U);
  EXPECT_EQ(table.Get({.pid = 1, .start_ns = 1})->display_name, "x");
  EXPECT_EQ(held->display_name, "x") << "what was handed out stays";
  for (uint32_t pid = 10; pid < 1000; ++pid) table.OnStarted(Started(pid, "/bin/z"));
  EXPECT_EQ(table.size(), 3U);
}

}  // namespace
}  // namespace sonde::calls
