#include <gtest/gtest.h>

#include <string>

#include "decoders/dialects/dialect.h"

namespace sonde::dialects {
namespace {

std::string NameOf(std::string method, std::string target) {
  wire::RequestHead head;
  head.method = std::move(method);
  head.target = std::move(target);
  const Dialect* dialect = Recognize(head);
  return dialect == nullptr ? "" : std::string(dialect->name);
}

TEST(Recognize, OpenAiChat) {
  for (const char* target : {"/v1/chat/completions", "/chat/completions",
                             "/api/v1/chat/completions", "/openai/v1/chat/completions",
                             "/inference/v1/chat/completions", "/v1beta/openai/chat/completions",
                             "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21",
                             "/v1/chat/completions?beta=true#x",
                             "http://proxy.example/v1/chat/completions", "/v1/chat/completions/"}) {
    EXPECT_EQ(NameOf("POST", target), "openai.chat") << target;
  }
}

TEST(Recognize, StoredCompletionsAreNotCalls) {
  EXPECT_EQ(NameOf("GET", "/v1/chat/completions"), "");
  EXPECT_EQ(NameOf("GET", "/v1/chat/completions/chatcmpl-1"), "");
  EXPECT_EQ(NameOf("POST", "/v1/chat/completions/chatcmpl-1"), "");
  EXPECT_EQ(NameOf("DELETE", "/v1/chat/completions/chatcmpl-1"), "");
  EXPECT_EQ(NameOf("GET", "/v1/chat/completions/chatcmpl-1/messages"), "");
}

TEST(Recognize, Anthropic) {
  for (const char* target : {"/v1/messages", "/v1/messages?beta=true", "/anthropic/v1/messages",
                             "/api/v1/messages", "https://api.example/v1/messages"}) {
    EXPECT_EQ(NameOf("POST", target), "anthropic.messages") << target;
  }
}

TEST(Recognize, CountingAndBatchesAreNotCalls) {
  for (const char* target : {"/v1/messages/count_tokens", "/v1/messages/batches",
                             "/v1/messages/batches/b1/results", "/v2/messages", "/xv1/messages2"}) {
    EXPECT_EQ(NameOf("POST", target), "") << target;
  }
  EXPECT_EQ(NameOf("GET", "/v1/messages"), "");
}

TEST(Recognize, OtherTraffic) {
  for (const char* target : {"/v1/embeddings", "/v1/models", "/", "", "*", "/v1/xchat/completionsx",
                             "/search?q=/v1/chat/completions", "/mychat/completions"}) {
    EXPECT_EQ(NameOf("POST", target), "") << target;
  }
}

TEST(Recognize, Names) {
  wire::RequestHead head;
  head.method = "POST";
  head.target = "/v1/chat/completions";
  EXPECT_EQ(Recognize(head)->operation, "chat");
  EXPECT_EQ(Recognize(head)->api_type, "chat_completions");
}

}  // namespace
}  // namespace sonde::dialects
