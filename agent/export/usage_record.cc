#include "agent/export/usage_record.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/export/notional.h"
#include "agent/export/text.h"
#include "agent/pricing/money.h"
#include "agent/pricing/price_book.h"
#include "decoders/dialects/facts.h"

namespace sonde::exporter {
namespace {

using Json = nlohmann::ordered_json;

// Longest text of one field. Names on the wire are not trusted to be short.
constexpr size_t kTextBytes = 1024;
constexpr std::string_view kCurrency = "USD";

std::string Clean(std::string_view text) { return CleanUtf8(text, kTextBytes); }

void PutText(Json& object, const char* key, std::string_view text) {
  if (!text.empty()) object[key] = Clean(text);
}

template <typename T>
void PutOptional(Json& object, const char* key, const std::optional<T>& value) {
  if (value) object[key] = *value;
}

void PutMoney(Json& object, const char* key, const std::optional<pricing::PicoUsd>& amount) {
  if (amount) object[key] = pricing::FormatUsd(*amount);
}

void PutTrue(Json& object, const char* key, bool flag) {
  if (flag) object[key] = true;
}

void PutFilled(Json& object, const char* key, Json part) {
  if (!part.empty()) object[key] = std::move(part);
}

Json Texts(const std::vector<std::string>& texts) {
  Json array = Json::array();
  for (const std::string& text : texts) array.push_back(Clean(text));
  return array;
}

void PutIdentity(Json& record, const calls::Call& call) {
  record["number"] = call.number;
  record["trace_id"] = Hex(call.trace_id);
  record["span_id"] = Hex(call.span_id);
  if (call.parent_span_id) record["parent_span_id"] = Hex(*call.parent_span_id);
}

void PutTimes(Json& record, const calls::Call& call) {
  const auto duration = static_cast<int64_t>(call.duration_ns());
  if (call.start_unix_ns != 0) {
    record["start"] = Rfc3339(call.start_unix_ns);
    record["end"] = Rfc3339(call.start_unix_ns + duration);
    record["start_unix_ns"] = call.start_unix_ns;
  }
  record["duration_ns"] = duration;
  PutOptional(record, "time_to_first_chunk_ns", call.time_to_first_chunk_ns());
  PutOptional(record, "time_to_first_text_ns", call.time_to_first_text_ns());
  PutOptional(record, "time_per_output_chunk_ns", call.time_per_output_chunk_ns());
  PutOptional(record, "output_rate", call.output_rate());
}

Json ProcessPart(const calls::Call& call) {
  Json part = Json::object();
  if (call.process == nullptr) return part;
  const calls::Process& process = *call.process;
  part["pid"] = process.id.pid;
  part["start"] = process.id.start_ns;
  part["exec_generation"] = process.id.exec_generation;
  if (call.tid != 0) part["tid"] = call.tid;
  if (process.parent_pid != 0) part["parent_pid"] = process.parent_pid;
  part["uid"] = process.uid;
  PutText(part, "name", process.display_name);
  PutText(part, "comm", process.comm);
  PutText(part, "executable", process.executable);
  PutText(part, "cgroup", process.cgroup);
  return part;
}

Json ServerPart(const calls::Call& call) {
  Json part = Json::object();
  PutText(part, "address", call.server_address);
  if (call.server_port != 0) part["port"] = call.server_port;
  return part;
}

Json HttpPart(const calls::Call& call) {
  Json part = Json::object();
  PutText(part, "method", call.method);
  PutText(part, "path", call.path);
  if (call.http_status != 0) part["status"] = call.http_status;
  PutText(part, "user_agent", call.user_agent);
  return part;
}

Json RequestPart(const dialects::RequestFacts& request, std::string_view user_salt) {
  Json part = Json::object();
  PutText(part, "model", request.model);
  part["stream"] = request.stream;
  PutOptional(part, "include_usage", request.include_usage);
  PutOptional(part, "max_tokens", request.max_tokens);
  PutOptional(part, "temperature", request.temperature);
  PutOptional(part, "top_p", request.top_p);
  PutOptional(part, "top_k", request.top_k);
  PutOptional(part, "frequency_penalty", request.frequency_penalty);
  PutOptional(part, "presence_penalty", request.presence_penalty);
  PutOptional(part, "seed", request.seed);
  PutOptional(part, "choice_count", request.choice_count);
  PutFilled(part, "stop_sequences", Texts(request.stop_sequences));
  PutText(part, "output_type", request.output_type);
  PutText(part, "reasoning_level", request.reasoning_level);
  PutText(part, "service_tier", request.service_tier);
  PutText(part, "speed", request.speed);
  PutText(part, "inference_geo", request.inference_geo);
  if (!request.user.empty()) part["user_hash"] = HashUser(request.user, user_salt);
  PutFilled(part, "tools", Texts(request.tool_names));
  PutFilled(part, "tool_result_ids", Texts(request.tool_result_ids));
  if (request.message_count != 0) part["message_count"] = request.message_count;
  if (request.body_bytes != 0) part["body_bytes"] = request.body_bytes;
  PutTrue(part, "body_has_gap", request.body_has_gap);
  PutTrue(part, "model_after_gap", request.model_after_gap);
  return part;
}

// A choice without a reason is null: its place says which choice it was.
Json FinishReasons(const std::vector<std::string>& reasons) {
  Json array = Json::array();
  for (const std::string& reason : reasons) {
    array.push_back(reason.empty() ? Json(nullptr) : Json(Clean(reason)));
  }
  return array;
}

Json ToolCalls(const std::vector<dialects::ToolCall>& tool_calls) {
  Json array = Json::array();
  for (const dialects::ToolCall& tool : tool_calls) {
    Json item = Json::object();
    PutText(item, "id", tool.id);
    PutText(item, "name", tool.name);
    PutTrue(item, "server_side", tool.server_side);
    array.push_back(std::move(item));
  }
  return array;
}

Json ResponsePart(const dialects::ResponseFacts& response) {
  Json part = Json::object();
  PutText(part, "model", response.model);
  PutFilled(part, "finish_reasons", FinishReasons(response.finish_reasons));
  PutFilled(part, "tool_calls", ToolCalls(response.tool_calls));
  PutText(part, "service_tier", response.service_tier);
  PutText(part, "system_fingerprint", response.system_fingerprint);
  PutText(part, "speed", response.speed);
  PutText(part, "inference_geo", response.inference_geo);
  if (response.body_bytes != 0) part["body_bytes"] = response.body_bytes;
  if (response.is_stream) {
    part["events"] = response.event_count;
    part["output_events"] = response.output_event_count;
  }
  return part;
}

Json TokensPart(const dialects::TokenUsage& usage) {
  Json part = Json::object();
  PutOptional(part, "input_uncached", usage.input_uncached);
  PutOptional(part, "cache_read", usage.cache_read);
  PutOptional(part, "cache_write_5m", usage.cache_write_5m);
  PutOptional(part, "cache_write_1h", usage.cache_write_1h);
  PutOptional(part, "cache_write_other", usage.cache_write_other);
  PutOptional(part, "output", usage.output);
  PutOptional(part, "reasoning", usage.reasoning);
  PutOptional(part, "input_total", usage.total_input());
  PutOptional(part, "input_audio", usage.input_audio);
  PutOptional(part, "cache_read_audio", usage.cache_read_audio);
  PutOptional(part, "output_audio", usage.output_audio);
  PutOptional(part, "web_search_requests", usage.web_search_requests);
  PutOptional(part, "stated_total", usage.stated_total);
  return part;
}

Json FlagsPart(const calls::Call& call) {
  Json part = Json::object();
  const dialects::ResponseFacts& response = call.response;
  PutTrue(part, "inconsistent", response.usage.inconsistent);
  PutTrue(part, "partial", response.usage_is_partial);
  PutTrue(part, "write_split_unknown", response.usage.write_split_unknown);
  PutTrue(part, "malformed", response.malformed);
  PutTrue(part, "has_gap", response.has_gap);
  return part;
}

Json ErrorPart(const calls::Call& call) {
  Json part = Json::object();
  if (call.error == calls::ErrorClass::kNone) return part;
  PutText(part, "class", calls::ErrorClassName(call.error));
  PutText(part, "type", call.error_type);
  PutText(part, "provider_type", call.response.error.type);
  PutText(part, "code", call.response.error.code);
  PutText(part, "message", MaskSecrets(call.error_message));
  PutTrue(part, "in_stream", call.response.error.in_stream);
  return part;
}

Json ComponentRow(const pricing::Component& component) {
  Json row = Json::object();
  row["name"] = std::string(pricing::UnitName(component.unit));
  row["quantity"] = component.quantity;
  if (component.rate) {
    row["rate"] = pricing::FormatUsd(component.rate->pico_usd);
    row["per"] = component.rate->per;
  }
  PutMoney(row, "amount", component.amount);
  return row;
}

Json CostPart(const calls::Call& call) {
  const pricing::Quote& quote = call.quote;
  Json part = Json::object();
  part["status"] = std::string(pricing::StatusName(quote.status));
  PutText(part, "reason", quote.reason);
  if (quote.match != pricing::Match::kNone) {
    part["match"] = std::string(pricing::MatchName(quote.match));
  }
  PutText(part, "provider", quote.provider);
  PutText(part, "model", quote.model);
  PutText(part, "tier", quote.tier);
  if (quote.total) {
    part["currency"] = std::string(kCurrency);
    part[IsNotional(call) ? "notional_total" : "total"] = pricing::FormatUsd(*quote.total);
  }
  Json components = Json::array();
  for (const pricing::Component& component : quote.components) {
    components.push_back(ComponentRow(component));
  }
  PutFilled(part, "components", std::move(components));
  PutText(part, "book_version", quote.book_version);
  return part;
}

Json RateLimitsPart(const calls::RateLimits& limits) {
  Json part = Json::object();
  PutOptional(part, "requests_limit", limits.requests_limit);
  PutOptional(part, "requests_remaining", limits.requests_remaining);
  PutOptional(part, "tokens_limit", limits.tokens_limit);
  PutOptional(part, "tokens_remaining", limits.tokens_remaining);
  PutOptional(part, "input_tokens_limit", limits.input_tokens_limit);
  PutOptional(part, "input_tokens_remaining", limits.input_tokens_remaining);
  PutOptional(part, "output_tokens_limit", limits.output_tokens_limit);
  PutOptional(part, "output_tokens_remaining", limits.output_tokens_remaining);
  return part;
}

void PutWhat(Json& record, const calls::Call& call) {
  PutText(record, "provider", call.provider);
  PutText(record, "biller", call.biller);
  PutText(record, "dialect", call.dialect);
  PutText(record, "operation", call.operation);
  PutText(record, "api_type", call.api_type);
  record["stream"] = call.response.is_stream || call.request.stream;
  PutFilled(record, "server", ServerPart(call));
  PutFilled(record, "http", HttpPart(call));
  PutText(record, "request_id", call.request_id);
  PutText(record, "response_id", call.response.id);
}

void PutOutcome(Json& record, const calls::Call& call) {
  PutFilled(record, "flags", FlagsPart(call));
  PutFilled(record, "error", ErrorPart(call));
  PutTrue(record, "client_aborted", call.client_aborted);
  record["attempt"] = call.attempt;
  if (call.retry_of != 0) record["retry_of"] = call.retry_of;
  PutOptional(record, "retry_after_ns", call.retry_after_ns);
  Json reasons = Json::array();
  for (const calls::Incomplete reason : call.incomplete) {
    reasons.push_back(std::string(calls::IncompleteName(reason)));
  }
  record["incomplete"] = std::move(reasons);
}

void PutMoneyParts(Json& record, const calls::Call& call) {
  record["cost"] = CostPart(call);
  PutMoney(record, "provider_cost", call.provider_cost);
  record["billing_mode"] = std::string(calls::BillingModeName(call.billing_mode));
  PutText(record, "billing_scope", call.billing_scope);
}

}  // namespace

std::string UsageRecord(const calls::Call& call, std::string_view user_salt) {
  Json record = Json::object();
  record["schema"] = std::string(kUsageSchema);
  PutIdentity(record, call);
  PutTimes(record, call);
  PutFilled(record, "process", ProcessPart(call));
  PutWhat(record, call);
  record["request"] = RequestPart(call.request, user_salt);
  PutFilled(record, "response", ResponsePart(call.response));
  PutFilled(record, "tokens", TokensPart(call.response.usage));
  if (call.estimated) PutFilled(record, "tokens_estimated", TokensPart(*call.estimated));
  PutOutcome(record, call);
  PutMoneyParts(record, call);
  PutFilled(record, "rate_limits", RateLimitsPart(call.rate_limits));
  return record.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace sonde::exporter
