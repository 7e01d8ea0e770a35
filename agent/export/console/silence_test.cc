#include "agent/export/console/silence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

namespace sonde::exporter::console {
namespace {

using ::testing::HasSubstr;

calls::ProcessCapture Process() {
  auto process = std::make_shared<calls::Process>();
  process->id.pid = 42;
  process->display_name = "agent.py";
  calls::ProcessCapture capture;
  capture.process = process;
  capture.libraries.push_back(
      {.path = "/usr/lib/libssl.so.3", .family = "openssl", .rung = ".dynsym", .attached = true});
  return capture;
}

TEST(SilenceTest, NothingHappenedAtAll) {
  const auto lines = ExplainSilence({.processes_seen = 3, .again = "sonde run -- true"});
  EXPECT_EQ(lines[0], "no call to a model provider was seen in 3 processes");
  EXPECT_EQ(lines[1], "no TLS library was mapped and no connection was opened");
  EXPECT_THAT(lines.back(), HasSubstr("sonde attach --pid PID --tree"));
}

TEST(SilenceTest, NamesLibraryAndRung) {
  SilenceFacts facts{.processes = {Process()}, .processes_seen = 1};
  facts.processes[0].plaintext_connections = 2;
  EXPECT_EQ(ExplainSilence(facts)[1],
            "agent.py[42]: libssl.so.3 (openssl, .dynsym) probed; 2 TLS connections read, no call "
            "to a model in them");
  facts.processes[0].libraries[0].attached = false;
  facts.processes[0].libraries[0].problem = "no symbols";
  EXPECT_THAT(ExplainSilence(facts)[1], HasSubstr("not probed: no symbols"));
}

TEST(SilenceTest, LateProbesAdviseToRepeat) {
  SilenceFacts facts{.processes = {Process()}, .processes_seen = 1, .again = "sonde run -- x"};
  facts.processes[0].libraries[0].late_ns = 9'000'000;
  const auto lines = ExplainSilence(facts);
  EXPECT_THAT(lines[1], HasSubstr("probed 9ms late"));
  EXPECT_EQ(lines.back(), "next: the probes came late; repeat: sonde run -- x");
}

TEST(SilenceTest, ProtocolsAreNamed) {
  for (const auto& [kind, word] :
       {std::pair{"http/2", "HTTP/1.1"}, {"quic", "HTTP/3"}, {"tls", "sonde doctor"}}) {
    SilenceFacts facts{.processes = {Process()}, .processes_seen = 1, .again = "sonde run -- x"};
    facts.processes[0].unseen_connections = 1;
    facts.unseen.push_back({.kind = kind, .host = "api.openai.com", .connections = 1});
    EXPECT_THAT(ExplainSilence(facts).back(), HasSubstr(word)) << kind;
  }
}

TEST(SilenceTest, SaysWhichConnectionsOfAProcessWereNotRead) {
  SilenceFacts facts{.processes = {Process()}, .processes_seen = 1};
  facts.processes[0].unseen_connections = 3;
  facts.unseen.push_back({.process = facts.processes[0].process,
                          .kind = "http/2",
                          .host = "api.openai.com",
                          .connections = 2});
  facts.unseen.push_back({.process = facts.processes[0].process, .kind = "quic", .connections = 1});
  EXPECT_THAT(ExplainSilence(facts)[1],
              HasSubstr("2 connections not read (http/2 to api.openai.com), 1 connection not read "
                        "(quic to an unknown host)"));
}

TEST(SilenceTest, CurlIsToldOnTheSpot) {
  SilenceFacts facts{.processes = {Process()},
                     .processes_seen = 1,
                     .again = "sonde run -- curl -sS https://api.openai.com/"};
  facts.unseen.push_back({.kind = "http/2", .host = "api.openai.com", .connections = 1});
  EXPECT_EQ(NextStep(facts),
            "HTTP/2 is not decoded yet: sonde run -- curl --http1.1 -sS https://api.openai.com/");
}

TEST(SilenceTest, AReplayCannotBeRepeated) {
  SilenceFacts facts{.processes_seen = 1, .replay = true};
  EXPECT_THAT(ExplainSilence(facts).back(), HasSubstr("sonde record"));
  EXPECT_THAT(ExplainSilence(facts).back(), ::testing::Not(HasSubstr("attach")));
}

TEST(SilenceTest, WithoutSocketsPlainHttpWasNotLookedAt) {
  EXPECT_THAT(ExplainSilence({.processes_seen = 1, .sockets = false, .again = "x"}).back(),
              HasSubstr("without --no-sockets"));
}

TEST(SilenceTest, ManyProcessesAreCounted) {
  SilenceFacts facts{.processes_seen = 40};
  for (int i = 0; i < 40; ++i) facts.processes.push_back(Process());
  const auto lines = ExplainSilence(facts);
  EXPECT_LT(lines.size(), 20U);
  EXPECT_EQ(lines[lines.size() - 2], "and 28 more");
}

}  // namespace
}  // namespace sonde::exporter::console
