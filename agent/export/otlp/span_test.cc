#include "agent/export/otlp/span.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "agent/export/test_calls.h"
#include "agent/export/text.h"

namespace sonde::exporter {
namespace {

using opentelemetry::proto::common::v1::AnyValue;
using opentelemetry::proto::trace::v1::Span;
using opentelemetry::proto::trace::v1::Status;
using testing::ElementsAre;

template <typename Message>
std::map<std::string, AnyValue> Attributes(const Message& message) {
  std::map<std::string, AnyValue> attributes;
  for (const auto& attribute : message.attributes()) {
    EXPECT_TRUE(attributes.emplace(attribute.key(), attribute.value()).second)
        << attribute.key() << " stands twice";
  }
  return attributes;
}

std::map<std::string, AnyValue> Of(const calls::Call& call,
                                   Profile profile = Profile::kSemconv141) {
  return Attributes(ToSpan(call, {.profile = profile}));
}

std::vector<std::string> Texts(const AnyValue& value) {
  std::vector<std::string> texts;
  for (const auto& item : value.array_value().values()) texts.push_back(item.string_value());
  return texts;
}

TEST(ToSpan, StatesTheCall) {
  const Span span = ToSpan(MakeOpenAiStream(), {});
  EXPECT_EQ(span.name(), "chat gpt-5-mini");
  EXPECT_EQ(span.kind(), Span::SPAN_KIND_CLIENT);
  EXPECT_EQ(span.trace_id().size(), 16u);
  EXPECT_EQ(span.span_id().size(), 8u);
  EXPECT_EQ(span.start_time_unix_nano(), 1'700'000'000'123'456'789u);
  EXPECT_EQ(span.end_time_unix_nano() - span.start_time_unix_nano(), 2'100'000'000u);
  EXPECT_FALSE(span.has_status());
  EXPECT_EQ(span.parent_span_id(), "");
  EXPECT_EQ(span.flags(), 0x101u);  // Sampled; the parent, if any, is known not to be remote.

  auto attributes = Attributes(span);
  EXPECT_EQ(attributes["gen_ai.operation.name"].string_value(), "chat");
  EXPECT_EQ(attributes["gen_ai.provider.name"].string_value(), "openai");
  EXPECT_EQ(attributes["gen_ai.request.model"].string_value(), "gpt-5-mini");
  EXPECT_EQ(attributes["gen_ai.response.model"].string_value(), "gpt-5-mini-2025-08-07");
  EXPECT_EQ(attributes["gen_ai.response.id"].string_value(), "chatcmpl-1");
  EXPECT_TRUE(attributes["gen_ai.request.stream"].bool_value());
  EXPECT_EQ(attributes["gen_ai.request.max_tokens"].int_value(), 1000);
  EXPECT_EQ(attributes["gen_ai.request.temperature"].double_value(), 0.5);
  EXPECT_THAT(Texts(attributes["gen_ai.response.finish_reasons"]), ElementsAre("stop"));
  EXPECT_EQ(attributes["gen_ai.response.time_to_first_chunk"].double_value(), 0.38);
  EXPECT_EQ(attributes["sonde.response.time_to_first_text"].double_value(), 0.5);
  EXPECT_EQ(attributes["gen_ai.usage.input_tokens"].int_value(), 1204);
  EXPECT_EQ(attributes["gen_ai.usage.cache_read.input_tokens"].int_value(), 1024);
  EXPECT_EQ(attributes["gen_ai.usage.output_tokens"].int_value(), 318);
  EXPECT_EQ(attributes["gen_ai.usage.reasoning.output_tokens"].int_value(), 192);
  EXPECT_EQ(attributes["server.address"].string_value(), "api.openai.com");
  EXPECT_EQ(attributes["server.port"].int_value(), 443);
  EXPECT_EQ(attributes["openai.api.type"].string_value(), "chat_completions");
  EXPECT_EQ(attributes["openai.response.service_tier"].string_value(), "default");
  EXPECT_EQ(attributes["http.response.status_code"].int_value(), 200);
  EXPECT_FALSE(attributes.contains("error.type"));
  EXPECT_FALSE(attributes.contains("sonde.estimated"));
  EXPECT_FALSE(attributes.contains("gen_ai.usage.cache_creation.input_tokens"));
}

TEST(ToSpan, StatesAComputedCostWithItsAlias) {
  auto attributes = Of(MakeOpenAiStream());
  EXPECT_EQ(attributes["gen_ai.usage.cost.amount"].double_value(), 0.0007066);
  EXPECT_EQ(attributes["gen_ai.usage.cost"].double_value(), 0.0007066);
  EXPECT_EQ(attributes["gen_ai.usage.cost.currency"].string_value(), "USD");
  EXPECT_EQ(attributes["gen_ai.usage.cost.source"].string_value(), "local");
  EXPECT_EQ(attributes["sonde.cost.status"].string_value(), "computed");
  EXPECT_EQ(attributes["sonde.cost.match"].string_value(), "date_suffix");
  EXPECT_EQ(attributes["sonde.cost.book_version"].string_value(), "2026-09-23");
}

TEST(ToSpan, ProviderCostNamesItsSource) {
  calls::Call call = MakeOpenAiStream();
  call.quote.status = pricing::CostStatus::kProvider;
  EXPECT_EQ(Of(call)["gen_ai.usage.cost.source"].string_value(), "provider");
}

void ExpectNoExactCost(const calls::Call& call) {
  for (const auto& [key, value] : Of(call)) {
    EXPECT_FALSE(key.starts_with("gen_ai.usage.cost")) << key;
  }
}

TEST(ToSpan, OnlyAWholeCostIsACost) {
  ExpectNoExactCost(MakeRateLimited());
  ExpectNoExactCost(MakeBare());
  ExpectNoExactCost(MakeEstimatedStream());
  ExpectNoExactCost(MakeAnthropicCached());
  auto partial = Of(MakeAnthropicCached());
  EXPECT_EQ(partial["sonde.cost.lower_bound"].double_value(), 0.003105);
  EXPECT_THAT(Texts(partial["sonde.cost.missing"]), ElementsAre("web_search"));

  calls::Call plan = MakeOpenAiStream();
  plan.billing_mode = calls::BillingMode::kPlan;
  ExpectNoExactCost(plan);
  EXPECT_EQ(Of(plan)["sonde.cost.notional"].double_value(), 0.0007066);
  calls::Call gateway = MakeOpenAiStream();
  gateway.quote.status = pricing::CostStatus::kGateway;
  ExpectNoExactCost(gateway);
}

TEST(ToSpan, EstimatesHaveNamesOfTheirOwn) {
  auto attributes = Of(MakeEstimatedStream());
  EXPECT_FALSE(attributes.contains("gen_ai.usage.input_tokens"));
  EXPECT_FALSE(attributes.contains("gen_ai.usage.output_tokens"));
  EXPECT_TRUE(attributes["sonde.estimated"].bool_value());
  EXPECT_EQ(attributes["sonde.estimated.input_tokens"].int_value(), 20);
  EXPECT_EQ(attributes["sonde.estimated.output_tokens"].int_value(), 40);
  EXPECT_EQ(attributes["sonde.estimated.cost"].double_value(), 0.000085);
}

TEST(ToSpan, AnthropicInputIncludesItsCache) {
  auto attributes = Of(MakeAnthropicCached());
  EXPECT_EQ(attributes["gen_ai.usage.input_tokens"].int_value(), 2410);
  EXPECT_EQ(attributes["gen_ai.usage.cache_creation.input_tokens"].int_value(), 400);
  EXPECT_EQ(attributes["sonde.response.tool_calls"].int_value(), 2);
  EXPECT_EQ(attributes["sonde.response.service_tier"].string_value(), "standard");
  for (const auto& [key, value] : attributes) EXPECT_FALSE(key.starts_with("openai.")) << key;
}

TEST(ToSpan, HasTheParentOfTheTraceparent) {
  const Span span = ToSpan(MakeAnthropicCached(), {});
  EXPECT_EQ(span.parent_span_id(), std::string("\1\2\3\4\5\6\7\10"));
  EXPECT_EQ(span.trace_state(), "vendor=1");
  EXPECT_EQ(span.flags(), 0x301u);
}

TEST(ToSpan, AFailureHasATypeAndNoDescription) {
  const Span span = ToSpan(MakeRateLimited(), {});
  EXPECT_EQ(span.status().code(), Status::STATUS_CODE_ERROR);
  EXPECT_EQ(span.status().message(), "");
  auto attributes = Attributes(span);
  EXPECT_EQ(attributes["error.type"].string_value(), "rate_limit_exceeded");
  EXPECT_EQ(attributes["sonde.error.class"].string_value(), "rate_limit");
  EXPECT_EQ(attributes["sonde.retry_after"].double_value(), 2.0);
  EXPECT_EQ(attributes["sonde.attempt"].int_value(), 1);
  EXPECT_EQ(attributes["sonde.retry_of"].int_value(), 2);
  EXPECT_FALSE(attributes.contains("gen_ai.usage.input_tokens"));
  EXPECT_FALSE(attributes.contains("gen_ai.response.finish_reasons"));
  calls::Call unnamed = MakeRateLimited();
  unnamed.error_type.clear();
  EXPECT_EQ(Of(unnamed)["error.type"].string_value(), "rate_limit");
}

TEST(ToSpan, ACutGenerationFinishesWithError) {
  EXPECT_THAT(Texts(Of(MakeAborted())["gen_ai.response.finish_reasons"]), ElementsAre("error"));
  calls::Call two = MakeAborted();
  two.response.finish_reasons = {"stop", ""};
  EXPECT_THAT(Texts(Of(two)["gen_ai.response.finish_reasons"]), ElementsAre("stop", "error"));
  // What Sonde missed is not the generation's failure.
  calls::Call hole = MakeOpenAiStream();
  hole.response.terminal_seen = false;
  hole.response.finish_reasons = {"stop", ""};
  hole.incomplete = {calls::Incomplete::kHole};
  EXPECT_FALSE(Of(hole).contains("gen_ai.response.finish_reasons"));
}

TEST(ToSpan, TopKIsADoubleInOneFortyOneAndAnIntegerInMain) {
  EXPECT_EQ(Of(MakeAnthropicCached())["gen_ai.request.top_k"].value_case(), AnyValue::kDoubleValue);
  auto main = Of(MakeAnthropicCached(), Profile::kMain);
  EXPECT_EQ(main["gen_ai.request.top_k"].value_case(), AnyValue::kIntValue);
  EXPECT_EQ(main["gen_ai.usage.cache_write.input_tokens"].int_value(), 400);
  EXPECT_FALSE(main.contains("gen_ai.usage.cache_creation.input_tokens"));
}

TEST(ToSpan, SeedSaysTheOlderNamesToo) {
  auto attributes = Of(MakeOpenAiStream(), Profile::kSeed);
  EXPECT_EQ(attributes["llm.provider"].string_value(), "openai");
  EXPECT_EQ(attributes["gen_ai.provider.name"].string_value(), "openai");
  EXPECT_EQ(attributes["llm.model"].string_value(), "gpt-5-mini");
  EXPECT_EQ(attributes["llm.tokens.prompt"].int_value(), 1204);
  EXPECT_EQ(attributes["llm.tokens.completion"].int_value(), 318);
  EXPECT_EQ(attributes["llm.tokens.total"].int_value(), 1522);
  EXPECT_EQ(attributes["llm.cost.total_usd"].double_value(), 0.0007066);
}

TEST(ToSpan, LeavesOutDefaults) {
  calls::Call call = MakeOpenAiStream();
  call.request.stream = false;
  call.response.is_stream = false;
  call.request.choice_count = 1;
  call.request.service_tier = "auto";
  call.server_address.clear();
  auto attributes = Of(call);
  for (const char* key :
       {"gen_ai.request.stream", "gen_ai.request.choice.count", "openai.request.service_tier",
        "server.port", "gen_ai.response.time_to_first_chunk"}) {
    EXPECT_FALSE(attributes.contains(key)) << key;
  }
}

TEST(ToSpan, ModelMissingLeavesTheOperation) {
  calls::Call call = MakeOpenAiStream();
  call.request.model.clear();
  EXPECT_EQ(ToSpan(call, {}).name(), "chat");
}

TEST(ToSpan, EveryAttributeOfEveryProfileIsInTheTable) {
  for (const Profile profile : {Profile::kSemconv141, Profile::kMain, Profile::kSeed}) {
    std::set<std::string_view> known;
    for (const NameRow& row : NameTable()) {
      const Spelling spelling = SpellingOf(profile, row.attribute);
      known.insert(spelling.name);
      known.insert(spelling.alias);
    }
    for (const auto& [key, value] : Of(MakeEverything(), profile)) {
      EXPECT_TRUE(known.contains(key)) << key;
    }
  }
}

TEST(ToSpan, HostileTextStaysValidAndBounded) {
  calls::Call call = MakeOpenAiStream();
  call.request.model = "\xff\xfe" + std::string(100'000, 'm');
  call.response.model = "\xed\xa0\x80";
  call.request.stop_sequences.assign(10'000, std::string(5000, 's'));
  call.request.temperature = std::numeric_limits<double>::quiet_NaN();
  call.trace_state = "\x80";
  const Span span = ToSpan(call, {});
  EXPECT_LE(span.name().size(), 128u);
  EXPECT_LE(span.ByteSizeLong(), 80'000u);
  EXPECT_EQ(span.trace_state(), CleanUtf8("\x80", 8));
  auto attributes = Attributes(span);
  EXPECT_FALSE(attributes.contains("gen_ai.request.temperature"));
  EXPECT_EQ(attributes["gen_ai.request.stop_sequences"].array_value().values_size(), 64);
  Span parsed;
  EXPECT_TRUE(parsed.ParseFromString(span.SerializeAsString()));
}

TEST(ToSpan, HoldsNoSecretsAndNoText) {
  calls::Call call = MakeRateLimited();
  calls::Process process = *call.process;
  process.command_line = "python agent.py --key sk-test-canary";
  call.process = std::make_shared<calls::Process>(process);
  call.error_message = "Incorrect API key provided: sk-test-canary";
  call.request.user = "canary@example.com";
  for (const Profile profile : {Profile::kSemconv141, Profile::kMain, Profile::kSeed}) {
    const std::string bytes = ToSpan(call, {.profile = profile}).SerializeAsString() +
                              ToResource(&process, {.profile = profile}).SerializeAsString();
    EXPECT_EQ(bytes.find("canary"), std::string::npos);
  }
  EXPECT_EQ(Of(call)["sonde.user.hash"].string_value(), HashUser("canary@example.com", ""));
}

TEST(ToResource, IsTheProcess) {
  const calls::Call call = MakeOpenAiStream();
  auto attributes = Attributes(ToResource(call.process.get(), {}));
  EXPECT_EQ(attributes["service.name"].string_value(), "unknown_service:python3.11");
  EXPECT_EQ(attributes["process.pid"].int_value(), 4242);
  EXPECT_EQ(attributes["process.executable.name"].string_value(), "python3.11");
  EXPECT_EQ(attributes["process.command"].string_value(), "python3");
  EXPECT_EQ(attributes["telemetry.sdk.name"].string_value(), "sonde");
  EXPECT_EQ(attributes["telemetry.sdk.language"].string_value(), "cpp");
  EXPECT_EQ(attributes["telemetry.distro.name"].string_value(), "sonde");
  EXPECT_FALSE(attributes.contains("process.creation.time"));
  EXPECT_FALSE(attributes.contains("process.command_line"));
}

TEST(ToResource, TakesTheUsersNamesButNotOverFacts) {
  const calls::Call call = MakeOpenAiStream();
  ResourceOptions options;
  options.attributes = {{"service.name", "from-attributes"},
                        {"deployment.environment", "test"},
                        {"process.pid", "1"},
                        {"deployment.environment", "again"}};
  options.wall_minus_boottime_ns = 1'699'996'000'000'000'000;
  auto attributes = Attributes(ToResource(call.process.get(), options));
  EXPECT_EQ(attributes["service.name"].string_value(), "from-attributes");
  EXPECT_EQ(attributes["deployment.environment"].string_value(), "test");
  EXPECT_EQ(attributes["process.pid"].int_value(), 4242);
  EXPECT_EQ(attributes["process.creation.time"].string_value(), "2023-11-14T22:13:20.000000000Z");
  options.service_name = "given";
  attributes = Attributes(ToResource(call.process.get(), options));
  EXPECT_EQ(attributes["service.name"].string_value(), "given");
}

TEST(ToResource, NoProcessIsAnUnknownService) {
  EXPECT_EQ(Attributes(ToResource(nullptr, {}))["service.name"].string_value(), "unknown_service");
}

}  // namespace
}  // namespace sonde::exporter
