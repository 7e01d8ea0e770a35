// What a dialect learns from the bodies and heads of one exchange. Facts only: an absent optional
// was not on the wire.
#ifndef SONDE_DECODERS_DIALECTS_FACTS_H_
#define SONDE_DECODERS_DIALECTS_FACTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "decoders/wire/stamp.h"

namespace sonde::dialects {

/// Length of generated or sent text by script class, for the token estimator; never the text.
struct TextStats {
  uint64_t ascii_bytes = 0;
  uint64_t wide_characters = 0;     ///< Characters of more than one UTF-8 byte.
  uint64_t unbroken_run_bytes = 0;  ///< ASCII bytes in runs of 40 or more without a blank (base64).
};

/// Tokens as five disjoint classes, so that cost is the sum of class times rate, plus subsets of
/// them. Normal form of the providers' differing inclusions.
struct TokenUsage {
  std::optional<int64_t> input_uncached;
  std::optional<int64_t> cache_read;
  std::optional<int64_t> cache_write_5m;
  std::optional<int64_t> cache_write_1h;
  std::optional<int64_t> cache_write_other;
  std::optional<int64_t> output;            ///< Includes reasoning.
  std::optional<int64_t> reasoning;         ///< Subset of output.
  std::optional<int64_t> input_audio;       ///< Subset of input (cached part included).
  std::optional<int64_t> cache_read_audio;  ///< Subset of cache_read.
  std::optional<int64_t> output_audio;      ///< Subset of output.
  std::optional<int64_t> web_search_requests;
  std::optional<int64_t> stated_total;     ///< The provider's own total, as sent.
  bool inconsistent = false;               ///< The provider's total or subsets do not add up.
  bool write_split_unknown = false;        ///< Cache writes whose time to live had to be assumed.
  int64_t write_split_unknown_tokens = 0;  ///< ... so many: counted as 5m, may have been 1h.

  bool empty() const { return !input_uncached && !output && !cache_read; }
  /// All input: uncached, read and written. Absent when no part is known.
  std::optional<int64_t> total_input() const {
    if (!input_uncached && !cache_read && !cache_write_5m && !cache_write_1h &&
        !cache_write_other) {
      return std::nullopt;
    }
    return input_uncached.value_or(0) + cache_read.value_or(0) + cache_write_5m.value_or(0) +
           cache_write_1h.value_or(0) + cache_write_other.value_or(0);
  }
  std::optional<int64_t> total_cache_write() const {
    if (!cache_write_5m && !cache_write_1h && !cache_write_other) return std::nullopt;
    return cache_write_5m.value_or(0) + cache_write_1h.value_or(0) + cache_write_other.value_or(0);
  }
};

/// Tokens of one model among several that served a call.
struct ModelUsage {
  std::string model;
  TokenUsage usage;
};

struct RequestFacts {
  std::string model;
  bool stream = false;
  std::optional<bool> include_usage;  ///< OpenAI stream_options.include_usage, when sent.
  std::optional<int64_t> max_tokens;
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<int64_t> top_k;
  std::optional<double> frequency_penalty;
  std::optional<double> presence_penalty;
  std::optional<int64_t> seed;
  std::optional<int64_t> choice_count;
  std::vector<std::string> stop_sequences;
  std::string output_type;                   ///< "json" or "text" when the request names a format.
  std::string reasoning_level;               ///< Verbatim.
  std::string service_tier;                  ///< As requested.
  std::string speed;                         ///< Anthropic `speed`.
  std::string inference_geo;                 ///< Anthropic `inference_geo`.
  std::string user;                          ///< End-user id as sent; exporters hash it.
  std::vector<std::string> tool_names;       ///< Tools offered, at most 64.
  std::vector<std::string> tool_result_ids;  ///< Calls whose results this request carries.
  bool asks_1h_cache = false;                ///< Some cache_control asks ttl 1h ...
  bool asks_5m_cache = false;                ///< ... or 5m (the default).
  uint64_t message_count = 0;
  TextStats text;           ///< Of prompt text.
  uint64_t body_bytes = 0;  ///< Decoded.
  uint64_t body_hash = 0;   ///< Of the decoded body; equal bodies are attempts of one call.
  bool body_has_gap = false;
  bool body_is_whole = true;     ///< Cleared when the body did not end by its framing.
  bool model_after_gap = false;  ///< The model was read behind an uncaptured part.
};

struct ToolCall {
  std::string id;
  std::string name;
  bool server_side = false;  ///< Executed by the provider, its result is in the same reply.
};

struct ErrorFacts {
  bool present = false;
  std::string type;        ///< Provider's type, e.g. "rate_limit_error".
  std::string code;        ///< Provider's code, e.g. "context_length_exceeded".
  std::string message;     ///< First 256 bytes.
  bool in_stream = false;  ///< Arrived as an event of a stream that began with HTTP 200.
};

struct ResponseFacts {
  std::string id;
  std::string model;
  std::vector<std::string> finish_reasons;  ///< One per choice, in order of index, verbatim.
  std::vector<ToolCall> tool_calls;         ///< At most 128.
  std::string service_tier;
  std::string system_fingerprint;
  std::string inference_geo;
  std::string speed;
  TokenUsage usage;
  /// Shares of `usage` that other models than `model` produced (fallbacks, advisors); parts of it,
  /// never additions. At most 16.
  std::vector<ModelUsage> usage_by_other_models;
  /// The provider's own price for this call, 1e-12 USD (xAI, OpenRouter, Perplexity).
  std::optional<int64_t> stated_cost_pico_usd;
  bool usage_is_partial = false;  ///< The stream ended before its final usage.
  ErrorFacts error;
  TextStats text;              ///< Of generated text, thinking included.
  bool is_stream = false;      ///< The response is an event stream.
  bool terminal_seen = false;  ///< [DONE], message_stop, or a whole body.
  bool malformed = false;      ///< Some event or the body was not valid JSON.
  bool has_gap = false;        ///< Bytes of the body were not seen.
  uint64_t body_bytes = 0;
  uint64_t event_count = 0;         ///< Events of the stream.
  uint64_t output_event_count = 0;  ///< Events that carried output, thinking included.
  std::optional<wire::Stamp>
      first_output;  ///< First event that carries output (not a role-only delta).
  std::optional<wire::Stamp> first_text;  ///< First event with visible text.
  std::optional<wire::Stamp> last_output;
  std::optional<wire::Stamp> terminal;  ///< The terminal event.
};

/// Names of conditions that keep facts from being whole are carried by the flags above; the caller
/// decides what they mean for money.

}  // namespace sonde::dialects

#endif  // SONDE_DECODERS_DIALECTS_FACTS_H_
