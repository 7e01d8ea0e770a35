#include "agent/export/test_calls.h"

#include <memory>
#include <utility>

namespace sonde::exporter {
namespace {

using calls::Call;
using pricing::Component;
using pricing::Rate;
using pricing::Unit;

constexpr int64_t kStartUnixNs = 1'700'000'000'123'456'789;
constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kStartNs = 5'000'000'000'000;

std::shared_ptr<const calls::Process> MakeProcess() {
  auto process = std::make_shared<calls::Process>();
  process->id = {.pid = 4242, .start_ns = 4'000'000'000'000, .exec_generation = 1};
  process->parent_pid = 4200;
  process->uid = 1000;
  process->comm = "python3";
  process->executable = "/usr/bin/python3.11";
  process->command_line = "python3 agent.py";
  process->cgroup = "/user.slice";
  process->display_name = "agent.py";
  return process;
}

Call Base(uint64_t number) {
  Call call;
  call.number = number;
  for (size_t i = 0; i < call.trace_id.size(); ++i) call.trace_id[i] = static_cast<uint8_t>(i + 1);
  for (size_t i = 0; i < call.span_id.size(); ++i) call.span_id[i] = static_cast<uint8_t>(0xa0 + i);
  call.span_id[7] = static_cast<uint8_t>(number);
  call.process = MakeProcess();
  call.tid = 4243;
  call.start_ns = kStartNs;
  call.start_unix_ns = kStartUnixNs;
  call.request_end_ns = kStartNs + kMillisecond;
  call.end_ns = kStartNs + 2100 * kMillisecond;
  call.http_status = 200;
  call.method = "POST";
  return call;
}

Call OpenAi(uint64_t number) {
  Call call = Base(number);
  call.server_address = "api.openai.com";
  call.server_port = 443;
  call.path = "/v1/chat/completions";
  call.provider = "openai";
  call.biller = "openai";
  call.dialect = "openai.chat";
  call.operation = "chat";
  call.api_type = "chat_completions";
  call.request.model = "gpt-5-mini";
  call.billing_mode = calls::BillingMode::kMetered;
  return call;
}

wire::Stamp At(uint64_t milliseconds) {
  const uint64_t ns = kStartNs + milliseconds * kMillisecond;
  return {.begin_ns = ns - 1000, .end_ns = ns};
}

Component Priced(Unit unit, int64_t quantity, pricing::PicoUsd per_million,
                 pricing::PicoUsd amount) {
  return {
      .unit = unit, .quantity = quantity, .rate = Rate{per_million, 1'000'000}, .amount = amount};
}

void Streamed(Call& call, uint64_t events) {
  call.request.stream = true;
  call.response.is_stream = true;
  call.response.event_count = events + 2;
  call.response.output_event_count = events;
  call.response.first_output = At(380);
  call.response.first_text = At(500);
  call.response.last_output = At(2080);
}

}  // namespace

Call MakeOpenAiStream() {
  Call call = OpenAi(1);
  Streamed(call, 200);
  call.request.include_usage = true;
  call.request.max_tokens = 1000;
  call.request.temperature = 0.5;
  call.request.reasoning_level = "low";
  call.request.message_count = 2;
  call.request.body_bytes = 512;
  call.request_id = "req_1";
  call.response.id = "chatcmpl-1";
  call.response.model = "gpt-5-mini-2025-08-07";
  call.response.finish_reasons = {"stop"};
  call.response.service_tier = "default";
  call.response.terminal_seen = true;
  call.response.terminal = At(2100);
  call.response.body_bytes = 40'000;
  call.response.usage.input_uncached = 180;
  call.response.usage.cache_read = 1024;
  call.response.usage.output = 318;
  call.response.usage.reasoning = 192;
  call.response.usage.stated_total = 1522;
  call.quote.status = pricing::CostStatus::kComputed;
  call.quote.match = pricing::Match::kDateSuffix;
  call.quote.provider = "openai";
  call.quote.model = "gpt-5-mini";
  call.quote.tier = "standard";
  call.quote.components = {Priced(Unit::kInput, 180, 250'000'000'000, 45'000'000),
                           Priced(Unit::kCacheRead, 1024, 25'000'000'000, 25'600'000),
                           Priced(Unit::kOutput, 318, 2'000'000'000'000, 636'000'000)};
  call.quote.total = 706'600'000;
  call.quote.book_version = "2026-09-23";
  return call;
}

Call MakeAnthropicCached() {
  Call call = Base(2);
  call.server_address = "api.anthropic.com";
  call.server_port = 443;
  call.path = "/v1/messages";
  call.provider = "anthropic";
  call.biller = "anthropic";
  call.dialect = "anthropic.messages";
  call.operation = "chat";
  call.parent_span_id = calls::SpanId{1, 2, 3, 4, 5, 6, 7, 8};
  call.trace_state = "vendor=1";
  call.request.model = "claude-sonnet-4-5";
  call.request.max_tokens = 1024;
  call.request.top_k = 40;
  call.request.stop_sequences = {"END"};
  call.request.tool_names = {"weather", "search"};
  call.request.tool_result_ids = {"toolu_0"};
  call.request_id = "req_2";
  call.response.id = "msg_2";
  call.response.model = "claude-sonnet-4-5-20250929";
  call.response.finish_reasons = {"tool_use"};
  call.response.tool_calls = {{.id = "toolu_1", .name = "weather"},
                              {.id = "srvtoolu_2", .name = "web_search", .server_side = true}};
  call.response.service_tier = "standard";
  call.response.terminal_seen = true;
  call.response.usage.input_uncached = 10;
  call.response.usage.cache_read = 2000;
  call.response.usage.cache_write_5m = 300;
  call.response.usage.cache_write_1h = 100;
  call.response.usage.output = 50;
  call.response.usage.web_search_requests = 1;
  call.billing_mode = calls::BillingMode::kMetered;
  call.billing_scope = "org-1/default";
  call.quote.status = pricing::CostStatus::kPartial;
  call.quote.match = pricing::Match::kExact;
  call.quote.provider = "anthropic";
  call.quote.model = "claude-sonnet-4-5";
  call.quote.tier = "standard";
  call.quote.components = {Priced(Unit::kInput, 10, 3'000'000'000'000, 30'000'000),
                           Priced(Unit::kCacheRead, 2000, 300'000'000'000, 600'000'000),
                           Priced(Unit::kCacheWrite5m, 300, 3'750'000'000'000, 1'125'000'000),
                           Priced(Unit::kCacheWrite1h, 100, 6'000'000'000'000, 600'000'000),
                           Priced(Unit::kOutput, 50, 15'000'000'000'000, 750'000'000),
                           {.unit = Unit::kWebSearch, .quantity = 1}};
  call.quote.total = 3'105'000'000;
  call.quote.book_version = "2026-09-23";
  return call;
}

Call MakeRateLimited() {
  Call call = OpenAi(3);
  call.http_status = 429;
  call.end_ns = kStartNs + 90 * kMillisecond;
  call.error = calls::ErrorClass::kRateLimit;
  call.error_type = "rate_limit_exceeded";
  call.error_message = "Rate limit reached for gpt-5-mini";
  call.response.error = {.present = true,
                         .type = "requests",
                         .code = "rate_limit_exceeded",
                         .message = "Rate limit reached for gpt-5-mini"};
  call.attempt = 1;
  call.retry_of = 2;
  call.retry_after_ns = 2'000'000'000;
  call.rate_limits.requests_limit = 500;
  call.rate_limits.requests_remaining = 0;
  call.quote.reason = "no_usage";
  return call;
}

Call MakeEstimatedStream() {
  Call call = OpenAi(4);
  Streamed(call, 40);
  call.response.id = "chatcmpl-4";
  call.response.model = "gpt-5-mini-2025-08-07";
  call.response.finish_reasons = {"stop"};
  call.response.terminal_seen = true;
  call.estimated.emplace();
  call.estimated->input_uncached = 20;
  call.estimated->output = 40;
  call.quote.status = pricing::CostStatus::kEstimated;
  call.quote.match = pricing::Match::kDateSuffix;
  call.quote.provider = "openai";
  call.quote.model = "gpt-5-mini";
  call.quote.components = {Priced(Unit::kInput, 20, 250'000'000'000, 5'000'000),
                           Priced(Unit::kOutput, 40, 2'000'000'000'000, 80'000'000)};
  call.quote.total = 85'000'000;
  call.quote.book_version = "2026-09-23";
  return call;
}

Call MakeAborted() {
  Call call = OpenAi(5);
  Streamed(call, 3);
  call.response.id = "chatcmpl-5";
  call.response.model = "gpt-5-mini-2025-08-07";
  call.client_aborted = true;
  call.error = calls::ErrorClass::kClientAbort;
  call.error_type = "client_abort";
  call.response.usage_is_partial = true;
  call.incomplete = {calls::Incomplete::kTruncated};
  call.quote.reason = "aborted";
  return call;
}

Call MakeBare() {
  Call call;
  call.number = 6;
  return call;
}

Call MakeEverything() {
  Call call = MakeAnthropicCached();
  Streamed(call, 9);
  call.user_agent = "sdk/1.0";
  call.api_type = "messages";
  call.request.include_usage = false;
  call.request.temperature = 1;
  call.request.top_p = 0.9;
  call.request.frequency_penalty = 0.1;
  call.request.presence_penalty = 0.2;
  call.request.seed = 7;
  call.request.choice_count = 2;
  call.request.output_type = "json";
  call.request.reasoning_level = "high";
  call.request.service_tier = "auto";
  call.request.speed = "fast";
  call.request.inference_geo = "us";
  call.request.user = "bob";
  call.request.message_count = 3;
  call.request.body_bytes = 1000;
  call.request.body_has_gap = true;
  call.request.model_after_gap = true;
  call.response.system_fingerprint = "fp_1";
  call.response.speed = "fast";
  call.response.inference_geo = "us";
  call.response.body_bytes = 2000;
  call.response.malformed = true;
  call.response.has_gap = true;
  call.response.usage_is_partial = true;
  call.response.error = {.present = true,
                         .type = "overloaded_error",
                         .code = "overloaded",
                         .message = "Overloaded",
                         .in_stream = true};
  dialects::TokenUsage& usage = call.response.usage;
  usage.cache_write_other = 1;
  usage.reasoning = 2;
  usage.input_audio = 3;
  usage.cache_read_audio = 4;
  usage.output_audio = 5;
  usage.stated_total = 6;
  usage.inconsistent = true;
  usage.write_split_unknown = true;
  call.estimated = usage;
  call.error = calls::ErrorClass::kOverloaded;
  call.error_type = "overloaded_error";
  call.error_message = "Overloaded";
  call.client_aborted = true;
  call.incomplete = {calls::Incomplete::kHole, calls::Incomplete::kGarbled};
  call.attempt = 2;
  call.retry_of = 1;
  call.retry_after_ns = 1;
  call.rate_limits = {1, 2, 3, 4, 5, 6, 7, 8};
  call.quote.reason = "unknown_tier";
  call.provider_cost = 123;
  return call;
}

}  // namespace sonde::exporter
