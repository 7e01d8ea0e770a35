// What was masked and then decoded says the same as what was not: every fact but the text.
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "agent/capture/file/masker.h"
#include "agent/flow/testing/conversation.h"
#include "agent/pipeline/pipeline.h"
#include "agent/pipeline/testing/fixture.h"
#include "gtest/gtest.h"

namespace sonde::capture {
namespace {

using flow::testing::Conversation;
using flow::testing::Id;
using flow::testing::Reply;

std::vector<std::string> Facts(const std::vector<events::Event>& events) {
  pipeline::testing::Bench bench;
  bench.Play(events);
  bench.pipeline->Finish();
  std::vector<std::string> facts;
  for (const calls::Call& call : bench.heard.calls) {
    facts.push_back(pipeline::testing::Describe(call));
  }
  return facts;
}

std::vector<std::string> MaskedFacts(const std::vector<events::Event>& events, bool text) {
  pipeline::testing::Bench bench;
  Masker masker(text, bench.pipeline.get());
  for (const events::Event& event : events) masker.OnEvent(event);
  bench.pipeline->Finish();
  std::vector<std::string> facts;
  for (const calls::Call& call : bench.heard.calls) {
    facts.push_back(pipeline::testing::Describe(call));
  }
  EXPECT_EQ(masker.counters().dropped_bytes, 0U);
  return facts;
}

std::vector<events::Event> TwoProviders() {
  using namespace pipeline::testing;  // NOLINT(google-build-using-namespace): test data.
  Conversation chat(Id(1));
  chat.Open().Name("api.openai.test");
  Stream(chat, ChatPost(ChatRequest(true)), ChatEvents({"Hello", " \\u4e2d\\n", " world"}));
  chat.Send(ChatPost(ChatRequest())).Receive(Reply(ChatReply()));
  // No usage: the estimate rests on the text.
  Stream(chat, ChatPost(ChatRequest(true, false, "something else, longer: 漢字 é")),
         ChatEvents({"one", " two three", std::string(60, 'A')}, false));
  chat.Send(ChatPost(ChatRequest()))
      .Receive(Reply(R"({"error":{"message":"Rate limit reached","type":"requests","code":)"
                     R"("rate_limit_exceeded"}})",
                     429, "retry-after: 2\r\n"));
  chat.Close();
  Conversation messages(Id(2));
  messages.Open().Name("api.anthropic.test");
  Stream(messages, MessagesPost(), MessagesEvents());
  messages.Close();
  std::vector<events::Event> events = chat.events();
  events.insert(events.end(), messages.events().begin(), messages.events().end());
  static std::vector<Conversation> keep_bytes_alive;
  keep_bytes_alive.push_back(chat);
  keep_bytes_alive.push_back(messages);
  return events;
}

TEST(MaskerReplayTest, CredentialsAreNoFacts) {
  const auto events = TwoProviders();
  const auto facts = Facts(events);
  ASSERT_EQ(facts.size(), 5U);
  EXPECT_EQ(MaskedFacts(events, false), facts);
}

/// The message of an error is text: it may quote what was asked.
std::vector<std::string> WithoutMessage(std::vector<std::string> facts) {
  for (std::string& fact : facts) {
    const std::string message = "Rate limit reached";
    if (const size_t at = fact.find(message); at != fact.npos) {
      fact.replace(at, message.size(), "xxxx xxxxx xxxxxxx");
    }
  }
  return facts;
}

TEST(MaskerReplayTest, TextIsNoFact) {
  const auto events = TwoProviders();
  EXPECT_EQ(MaskedFacts(events, true), WithoutMessage(Facts(events)));
}

/// A cut through "sk-" costs the kind of credential, and with it who pays.
std::vector<std::string> WithoutMode(std::vector<std::string> facts) {
  for (std::string& fact : facts) {
    const size_t mode = fact.rfind(" mode ");
    EXPECT_NE(mode, std::string::npos);
    fact.erase(mode);
  }
  return facts;
}

TEST(MaskerReplayTest, CutAnywhere) {
  const auto events = TwoProviders();
  for (unsigned seed = 0; seed < 30; ++seed) {
    std::mt19937 random(seed);
    const auto slices = flow::testing::Slice(events, random);
    ASSERT_EQ(WithoutMode(MaskedFacts(slices, true)), WithoutMode(WithoutMessage(Facts(slices))))
        << seed;
  }
}

}  // namespace
}  // namespace sonde::capture
