// For tests, fuzzers and benchmarks: one exchange through a dialect, and its facts as text.
#ifndef SONDE_DECODERS_DIALECTS_TEST_SUPPORT_H_
#define SONDE_DECODERS_DIALECTS_TEST_SUPPORT_H_

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "decoders/dialects/dialect.h"

namespace sonde::dialects::testing {

/// Writes "name=value" lines; equal facts give equal text.
class FactWriter {
 public:
  void Text(std::string_view name, std::string_view value) {
    if (!value.empty()) out_ << name << "=" << value << "\n";
  }
  template <typename T>
  void Number(std::string_view name, const T& value) {
    out_ << name << "=" << value << "\n";
  }
  template <typename T>
  void Maybe(std::string_view name, const std::optional<T>& value) {
    if (value) Number(name, *value);
  }
  void Flag(std::string_view name, bool value) {
    if (value) out_ << name << "\n";
  }
  void List(std::string_view name, const std::vector<std::string>& values) {
    for (const std::string& value : values) out_ << name << "[]=" << value << "\n";
  }
  void When(std::string_view name, const std::optional<wire::Stamp>& stamp) {
    if (stamp) out_ << name << "=" << stamp->end_ns << "\n";
  }
  void Stats(std::string_view name, const TextStats& stats) {
    out_ << name << "=" << stats.ascii_bytes << "/" << stats.wide_characters << "/"
         << stats.unbroken_run_bytes << "\n";
  }
  void Usage(std::string_view name, const TokenUsage& usage);
  std::string str() const { return out_.str(); }

 private:
  std::ostringstream out_;
};

inline void FactWriter::Usage(std::string_view name, const TokenUsage& usage) {
  const std::string prefix(name);
  Maybe(prefix + ".in", usage.input_uncached);
  Maybe(prefix + ".read", usage.cache_read);
  Maybe(prefix + ".w5m", usage.cache_write_5m);
  Maybe(prefix + ".w1h", usage.cache_write_1h);
  Maybe(prefix + ".wother", usage.cache_write_other);
  Maybe(prefix + ".out", usage.output);
  Maybe(prefix + ".reasoning", usage.reasoning);
  Maybe(prefix + ".in_audio", usage.input_audio);
  Maybe(prefix + ".read_audio", usage.cache_read_audio);
  Maybe(prefix + ".out_audio", usage.output_audio);
  Maybe(prefix + ".searches", usage.web_search_requests);
  Maybe(prefix + ".total", usage.stated_total);
  Flag(prefix + ".inconsistent", usage.inconsistent);
  Flag(prefix + ".split_unknown", usage.write_split_unknown);
  if (usage.write_split_unknown_tokens != 0) {
    Number(prefix + ".split_unknown_tokens", usage.write_split_unknown_tokens);
  }
}

inline std::string Dump(const RequestFacts& facts) {
  FactWriter out;
  out.Text("model", facts.model);
  out.Flag("stream", facts.stream);
  out.Maybe("include_usage", facts.include_usage);
  out.Maybe("max_tokens", facts.max_tokens);
  out.Maybe("temperature", facts.temperature);
  out.Maybe("top_p", facts.top_p);
  out.Maybe("top_k", facts.top_k);
  out.Maybe("frequency_penalty", facts.frequency_penalty);
  out.Maybe("presence_penalty", facts.presence_penalty);
  out.Maybe("seed", facts.seed);
  out.Maybe("n", facts.choice_count);
  out.List("stop", facts.stop_sequences);
  out.Text("output_type", facts.output_type);
  out.Text("reasoning_level", facts.reasoning_level);
  out.Text("service_tier", facts.service_tier);
  out.Text("speed", facts.speed);
  out.Text("inference_geo", facts.inference_geo);
  out.Text("user", facts.user);
  out.List("tool", facts.tool_names);
  out.List("result", facts.tool_result_ids);
  out.Flag("asks_1h", facts.asks_1h_cache);
  out.Flag("asks_5m", facts.asks_5m_cache);
  out.Number("messages", facts.message_count);
  out.Stats("text", facts.text);
  out.Number("body_bytes", facts.body_bytes);
  out.Number("body_hash", facts.body_hash);
  out.Flag("body_has_gap", facts.body_has_gap);
  out.Flag("model_after_gap", facts.model_after_gap);
  return out.str();
}

inline std::string Dump(const ResponseFacts& facts) {
  FactWriter out;
  out.Text("id", facts.id);
  out.Text("model", facts.model);
  out.List("finish", facts.finish_reasons);
  for (const ToolCall& call : facts.tool_calls) {
    out.Text("tool", call.id + "/" + call.name + (call.server_side ? "/server" : ""));
  }
  out.Text("service_tier", facts.service_tier);
  out.Text("fingerprint", facts.system_fingerprint);
  out.Text("inference_geo", facts.inference_geo);
  out.Text("speed", facts.speed);
  out.Usage("usage", facts.usage);
  for (const ModelUsage& share : facts.usage_by_other_models) out.Usage(share.model, share.usage);
  out.Maybe("cost_pico", facts.stated_cost_pico_usd);
  out.Flag("usage_is_partial", facts.usage_is_partial);
  out.Flag("error", facts.error.present);
  out.Text("error.type", facts.error.type);
  out.Text("error.code", facts.error.code);
  out.Text("error.message", facts.error.message);
  out.Flag("error.in_stream", facts.error.in_stream);
  out.Stats("text", facts.text);
  out.Flag("is_stream", facts.is_stream);
  out.Flag("terminal_seen", facts.terminal_seen);
  out.Flag("malformed", facts.malformed);
  out.Flag("has_gap", facts.has_gap);
  out.Number("body_bytes", facts.body_bytes);
  out.Number("events", facts.event_count);
  out.Number("output_events", facts.output_event_count);
  out.When("first_output", facts.first_output);
  out.When("first_text", facts.first_text);
  out.When("last_output", facts.last_output);
  out.When("terminal", facts.terminal);
  return out.str();
}

/// One exchange as a test describes it.
struct Exchange {
  std::string method = "POST";
  std::string target = "/v1/chat/completions";
  std::string request;
  int status = 200;
  std::string content_type = "application/json";
  std::string response;
  wire::MessageEnd end = wire::MessageEnd::kComplete;
};

/// Replays `exchange` in pieces of `piece` bytes (0: whole). Every piece has the same stamp, so
/// facts must not depend on the cut.
inline std::unique_ptr<ExchangeReader> Replay(const Exchange& exchange, size_t piece = 0) {
  wire::RequestHead head;
  head.method = exchange.method;
  head.target = exchange.target;
  const Dialect* dialect = Recognize(head);
  if (dialect == nullptr) return nullptr;
  std::unique_ptr<ExchangeReader> reader = dialect->open(head);
  const auto pieces = [piece](std::string_view body, auto&& take) {
    const size_t step = piece == 0 ? std::max<size_t>(body.size(), 1) : piece;
    for (size_t at = 0; at < body.size(); at += step) take(body.substr(at, step));
  };
  pieces(exchange.request, [&](std::string_view bytes) { reader->RequestBody(bytes); });
  reader->RequestEnd();
  wire::ResponseHead reply;
  reply.status = exchange.status;
  reply.headers = {{"content-type", exchange.content_type}};
  reader->ResponseHead(reply);
  const wire::Stamp stamp{7, 9};
  pieces(exchange.response, [&](std::string_view bytes) { reader->ResponseBody(bytes, stamp); });
  reader->ResponseEnd(exchange.end, stamp);
  return reader;
}

inline std::string DumpAll(const ExchangeReader& reader) {
  return Dump(reader.request()) + "--\n" + Dump(reader.response());
}

}  // namespace sonde::dialects::testing

#endif  // SONDE_DECODERS_DIALECTS_TEST_SUPPORT_H_
