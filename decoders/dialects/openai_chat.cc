#include "decoders/dialects/openai_chat.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "decoders/dialects/openai_chat_request.h"
#include "decoders/dialects/openai_usage.h"
#include "decoders/dialects/reply_reader.h"

namespace sonde::dialects {
namespace {

using json::Kind;
using json::Scalar;
using json::Strings;
using json::Tag;

constexpr size_t kMaxToolCalls = 128;
constexpr size_t kMaxToolCallBytes = size_t{8} * 1024;  // Their text.
constexpr size_t kMaxFragments = 128;                   // Of one document.
constexpr int64_t kMaxChoices = 128;
constexpr int64_t kPicoPerTick = 100;  // xAI bills in 1e-10 USD.
constexpr int64_t kMaxTicks = 1'000'000'000'000'000;

/// Tags of the reply. Usage counts follow at kUsageCount and kGroqUsageCount, one per field.
enum ReplyTag : Tag {
  kId = kFirstDialectTag,
  kModel,
  kServiceTier,
  kFingerprint,
  kChoices,
  kChoice,
  kChoiceIndex,
  kFinishReason,
  kDeltaText,
  kDeltaThought,
  kMessageText,
  kMessageThought,
  kTool,
  kToolIndex,
  kToolId,
  kToolName,
  kToolArguments,
  kLegacyName,
  kLegacyArguments,
  kExecutedTool,
  kExecutedToolName,
  kUsage,
  kUsageTier,
  kCostTicks,
  kCost,
  kGroqUsage,
  kGroqError,
  kTimingPrompt,
  kTimingCache,
  kTimingPredicted,
  kUsageCount = 64,
  kGroqUsageCount = 96,
};

/// The counts of a usage object, from tag `base` on.
json::Paths UsagePaths(Tag base) {
  const auto tag = [base](OpenAiUsageField field) { return static_cast<Tag>(base + field); };
  return {
      {"prompt_tokens", tag(kPromptTokens)},
      {"completion_tokens", tag(kCompletionTokens)},
      {"total_tokens", tag(kTotalTokens)},
      {"prompt_tokens_details.cached_tokens", tag(kCachedTokens)},
      {"prompt_token_details.cached_tokens", tag(kCachedTokensOtherName)},
      {"num_cached_tokens", tag(kNumCachedTokens)},
      {"prompt_tokens_details.cache_write_tokens", tag(kCacheWriteTokens)},
      {"prompt_tokens_details.audio_tokens", tag(kPromptAudioTokens)},
      {"completion_tokens_details.reasoning_tokens", tag(kReasoningTokens)},
      {"reasoning_tokens", tag(kLooseReasoningTokens)},
      {"completion_tokens_details.audio_tokens", tag(kCompletionAudioTokens)},
      {"prompt_cache_hit_tokens", tag(kCacheHitTokens)},
      {"prompt_cache_miss_tokens", tag(kCacheMissTokens)},
      {"server_tool_use_details.web_search_requests", tag(kWebSearchRequests)},
      {"num_search_queries", tag(kSearchQueries)},
      {"num_sources_used", tag(kSourcesUsed)},
  };
}

/// A choice's message, whole or as a delta.
json::Paths MessagePaths(Tag text, Tag thought) {
  return {
      {"content", text, Strings::kText},
      {"content[].text", text, Strings::kText},
      {"content[].thinking", thought, Strings::kText},
      {"content[].thinking[].text", thought, Strings::kText},
      {"refusal", text, Strings::kText},
      {"audio.transcript", text, Strings::kText},
      {"reasoning_content", thought, Strings::kText},
      {"reasoning", thought, Strings::kText},
      {"tool_calls[]", kTool},
      {"tool_calls[].index", kToolIndex},
      {"tool_calls[].id", kToolId, Strings::kCapture, kMaxIdBytes},
      {"tool_calls[].function.name", kToolName, Strings::kCapture, kMaxIdBytes},
      {"tool_calls[].function.arguments", kToolArguments, Strings::kText},
      {"tool_calls[].custom.name", kToolName, Strings::kCapture, kMaxIdBytes},
      {"tool_calls[].custom.input", kToolArguments, Strings::kText},
      {"function_call.name", kLegacyName, Strings::kCapture, kMaxIdBytes},
      {"function_call.arguments", kLegacyArguments, Strings::kText},
      {"executed_tools[]", kExecutedTool},
      {"executed_tools[].type", kExecutedToolName, Strings::kCapture, kMaxIdBytes},
  };
}

const json::Schema& ReplySchema() {
  static const json::Schema schema(json::Join({
      ErrorPaths(),
      {
          {"id", kId},
          {"model", kModel},
          {"service_tier", kServiceTier},
          {"system_fingerprint", kFingerprint},
          {"choices", kChoices},
          {"choices[]", kChoice},
          {"choices[].index", kChoiceIndex},
          {"choices[].finish_reason", kFinishReason, Strings::kCapture, 32},
          {"usage", kUsage},
          {"usage.service_tier", kUsageTier},
          {"usage.cost_in_usd_ticks", kCostTicks},
          {"usage.cost", kCost},
          {"usage.cost.total_cost", kCost},
          {"x_groq.error", kGroqError},
          {"x_groq.usage", kGroqUsage},
          {"timings.prompt_n", kTimingPrompt},
          {"timings.cache_n", kTimingCache},
          {"timings.predicted_n", kTimingPredicted},
      },
      json::Under("choices[].delta", MessagePaths(kDeltaText, kDeltaThought)),
      json::Under("choices[].message", MessagePaths(kMessageText, kMessageThought)),
      json::Under("usage", UsagePaths(kUsageCount)),
      json::Under("x_groq.usage", UsagePaths(kGroqUsageCount)),
  }));
  return schema;
}

/// One entry of tool_calls, whole or a fragment.
struct ToolFragment {
  int64_t index = 0;
  bool legacy = false;
  bool server_side = false;
  std::string id;
  std::string name;
};

/// One choice of one document.
struct Choice {
  int64_t index = 0;
  std::string finish_reason;
  std::vector<ToolFragment> tools;
};

/// A usage object that may be replaced, or be null.
struct SeenUsage {
  OpenAiUsage usage;
  bool complete = false;  ///< Its closing brace was seen.

  void Clear() {
    usage.counts.Clear();
    usage.is_xai = complete = false;
  }
};

/// What one document said. Taken over once the document is complete.
struct Document {
  std::string id, model, service_tier, usage_tier, fingerprint, groq_error;
  std::vector<Choice> choices;
  size_t choice_count = 0;
  size_t fragment_count = 0;
  size_t fragment_bytes = 0;
  SeenUsage usage, groq_usage;
  Counts<3> timings;
  std::optional<int64_t> cost_pico;
  bool text = false;     ///< Visible output.
  bool thought = false;  ///< Other output.

  void Clear() {
    for (std::string* field :
         {&id, &model, &service_tier, &usage_tier, &fingerprint, &groq_error}) {
      field->clear();
    }
    choices.clear();
    choice_count = fragment_count = fragment_bytes = 0;
    usage.Clear();
    groq_usage.Clear();
    timings.Clear();
    cost_pico.reset();
    text = thought = false;
  }
};

class OpenAiChatReader final : public ReplyReader, private json::Handler {
 public:
  OpenAiChatReader()
      : ReplyReader(&OpenAiChatRequest::Schema(), &request_handler_, &ReplySchema(), this),
        request_handler_(&request_) {
    request_handler_.set_after_gap([this] { return request_after_gap(); });
  }

 private:
  // ReplyReader
  void FinishRequest() override { request_handler_.Finish(); }
  void BeginDocument() override;
  DocumentRole CommitDocument(bool streamed) override;
  void FinishResponse() override;
  void GapInEvents() override { usage_final_ = false; }
  size_t ExtraMemoryBytes() const override;
  // json::Handler, for the reply
  void OnStart(Tag tag, Kind kind) override;
  void OnEnd(Tag tag, Kind kind) override;
  void OnScalar(Tag tag, const Scalar& scalar) override;
  void OnText(Tag tag, std::string_view piece) override;
  void OnTextEnd(Tag) override {}

  bool SetUsageCount(Tag tag, const Scalar& scalar);
  void SetCost(Tag tag, const Scalar& scalar);
  void SetChoiceValue(Tag tag, const Scalar& scalar);
  Choice* choice() { return document_.choices.empty() ? nullptr : &document_.choices.back(); }
  bool HasRoom(std::string_view text) {
    document_.fragment_bytes += text.size();
    return document_.fragment_bytes <= kMaxToolCallBytes;
  }
  ToolFragment* tool();
  ToolFragment* legacy_tool();
  void AddTool(bool server_side);
  void CommitChoice(const Choice& choice);
  void CommitTool(int64_t choice, const ToolFragment& fragment);
  void CommitUsage(bool streamed);

  OpenAiChatRequest request_handler_;
  Document document_;
  struct ToolKey {
    int64_t choice = 0;
    int64_t index = 0;
    bool legacy = false;
    bool server_side = false;
  };
  std::vector<ToolKey> tool_keys_;  // Beside response_.tool_calls.
  size_t tool_call_bytes_ = 0;
  std::vector<int64_t> finished_;  // Beside response_.finish_reasons: their choices, ascending.
  bool usage_seen_ = false;
  bool tokens_seen_ = false;  // The usage taken over is not all zeros.
  bool usage_final_ = false;
};

void OpenAiChatReader::BeginDocument() { document_.Clear(); }

// ---- Values of a document.

void OpenAiChatReader::OnStart(Tag tag, Kind) {
  switch (tag) {
    case kErrorTag:
      error_.OnStart(tag);
      break;
    case kChoices:
      document_.choices.clear();
      document_.choice_count = 0;
      document_.text = document_.thought = false;
      break;
    case kChoice:
      if (document_.choices.size() < kMaxChoices) document_.choices.emplace_back();
      if (Choice* opened = choice()) opened->index = static_cast<int64_t>(document_.choice_count);
      ++document_.choice_count;
      break;
    case kTool:
      AddTool(false);
      break;
    case kExecutedTool:
      AddTool(true);
      break;
    case kUsage:
      document_.usage.Clear();
      document_.cost_pico.reset();
      break;
    case kGroqUsage:
      document_.groq_usage.Clear();
      break;
    default:
      break;
  }
}

void OpenAiChatReader::OnEnd(Tag tag, Kind kind) {
  if (tag == kUsage && kind == Kind::kObject) document_.usage.complete = true;
  if (tag == kGroqUsage && kind == Kind::kObject) document_.groq_usage.complete = true;
}

void OpenAiChatReader::AddTool(bool server_side) {
  Choice* open = choice();
  if (open == nullptr) return;
  ToolFragment fragment;
  fragment.index = static_cast<int64_t>(open->tools.size());
  fragment.server_side = server_side;
  if (++document_.fragment_count > kMaxFragments) return;
  open->tools.push_back(std::move(fragment));
}

ToolFragment* OpenAiChatReader::tool() {
  Choice* open = choice();
  return open == nullptr || open->tools.empty() ? nullptr : &open->tools.back();
}

/// The deprecated function_call: one call without an id.
ToolFragment* OpenAiChatReader::legacy_tool() {
  ToolFragment* last = tool();
  if (last == nullptr || !last->legacy) {
    const size_t before = document_.fragment_count;
    AddTool(false);
    last = before < kMaxFragments ? tool() : nullptr;
    if (last != nullptr) last->legacy = true;
  }
  return last;
}

bool OpenAiChatReader::SetUsageCount(Tag tag, const Scalar& scalar) {
  const bool groq = tag >= kGroqUsageCount;
  const size_t field = tag - (groq ? kGroqUsageCount : kUsageCount);
  if (tag < kUsageCount || field >= kOpenAiUsageFields) return false;
  OpenAiUsage& usage = groq ? document_.groq_usage.usage : document_.usage.usage;
  usage.counts.Set(field, scalar);
  if (field == kSourcesUsed && scalar.kind == Kind::kNumber) usage.is_xai = true;
  return true;
}

void OpenAiChatReader::SetCost(Tag tag, const Scalar& scalar) {
  if (tag == kCost) {
    document_.cost_pico = ParsePico(scalar);
    return;
  }
  const std::optional<int64_t> ticks = json::ToInteger(scalar);
  if (!ticks || *ticks < 0 || *ticks > kMaxTicks) return;
  document_.usage.usage.is_xai = true;
  document_.cost_pico = *ticks * kPicoPerTick;
}

void OpenAiChatReader::SetChoiceValue(Tag tag, const Scalar& scalar) {
  Choice* open = choice();
  if (open == nullptr) return;
  const bool is_string = scalar.kind == Kind::kString;
  ToolFragment* fragment = tag == kLegacyName && is_string ? legacy_tool() : tool();
  switch (tag) {
    case kChoiceIndex:
      if (const auto index = json::ToInteger(scalar); index && *index >= 0) open->index = *index;
      break;
    case kFinishReason:
      open->finish_reason = is_string ? scalar.text : std::string_view();
      break;
    case kToolIndex:
      if (const auto index = json::ToInteger(scalar); index && fragment) fragment->index = *index;
      break;
    case kToolId:
      if (is_string && fragment && HasRoom(scalar.text)) fragment->id = scalar.text;
      break;
    case kToolName:
    case kLegacyName:
    case kExecutedToolName:
      if (is_string && fragment && HasRoom(scalar.text)) fragment->name = scalar.text;
      if (is_string && !scalar.text.empty() && tag != kExecutedToolName) document_.thought = true;
      break;
    default:
      break;
  }
}

void OpenAiChatReader::OnScalar(Tag tag, const Scalar& scalar) {
  if (error_.OnScalar(tag, scalar) || SetUsageCount(tag, scalar)) return;
  const std::string_view text = scalar.kind == Kind::kString ? scalar.text : std::string_view();
  switch (tag) {
    case kId:
      document_.id = text;
      break;
    case kModel:
      document_.model = text;
      break;
    case kServiceTier:
      document_.service_tier = text;
      break;
    case kUsageTier:
      document_.usage_tier = text;
      break;
    case kFingerprint:
      document_.fingerprint = text;
      break;
    case kChoices:  // Not an array: it replaces one that came before.
    case kUsage:
    case kGroqUsage:
      OnStart(tag, Kind::kNull);
      break;
    case kCostTicks:
    case kCost:
      SetCost(tag, scalar);
      break;
    case kGroqError:
      document_.groq_error = text;
      break;
    case kTimingPrompt:
    case kTimingCache:
    case kTimingPredicted:
      document_.timings.Set(tag - kTimingPrompt, scalar);
      break;
    default:
      SetChoiceValue(tag, scalar);
      break;
  }
}

void OpenAiChatReader::OnText(Tag tag, std::string_view piece) {
  if (piece.empty()) return;
  // Perplexity sends the whole message again beside each delta: one of them counts.
  const bool whole_message = tag == kMessageText || tag == kMessageThought;
  if (whole_message && response_.is_stream) return;
  if (tag == kLegacyArguments) legacy_tool();
  (tag == kDeltaText || tag == kMessageText ? document_.text : document_.thought) = true;
  output_text_.Add(piece);
}

// ---- Taking a document over.

ReplyReader::DocumentRole OpenAiChatReader::CommitDocument(bool streamed) {
  const auto take = [](std::string* to, const std::string& from) {
    if (!from.empty()) *to = from;
  };
  take(&response_.id, document_.id);
  take(&response_.model, document_.model);
  take(&response_.service_tier, document_.usage_tier);
  take(&response_.service_tier, document_.service_tier);
  take(&response_.system_fingerprint, document_.fingerprint);
  for (const Choice& one : document_.choices) CommitChoice(one);
  CommitUsage(streamed);
  if (!document_.groq_error.empty()) {
    response_.error.present = true;
    response_.error.in_stream = streamed;
    response_.error.message = document_.groq_error;
  }
  DocumentRole role;
  role.output = document_.text || document_.thought;
  role.visible = document_.text;
  return role;
}

void OpenAiChatReader::CommitChoice(const Choice& one) {
  if (one.index >= kMaxChoices) return;
  if (!one.finish_reason.empty()) {
    std::vector<std::string>& reasons = response_.finish_reasons;
    const auto at = std::lower_bound(finished_.begin(), finished_.end(), one.index);
    const auto reason = reasons.begin() + (at - finished_.begin());
    if (at != finished_.end() && *at == one.index) {
      *reason = one.finish_reason;
    } else {
      reasons.insert(reason, one.finish_reason);
      finished_.insert(at, one.index);
    }
  }
  for (const ToolFragment& fragment : one.tools) CommitTool(one.index, fragment);
}

/// Joins a fragment to its call: the same index of the same choice, unless it carries another id
/// (some servers number every call 0).
void OpenAiChatReader::CommitTool(int64_t choice_index, const ToolFragment& fragment) {
  std::vector<ToolCall>& calls = response_.tool_calls;
  for (size_t i = calls.size(); i-- > 0;) {
    const ToolKey& key = tool_keys_[i];
    if (key.choice != choice_index || key.index != fragment.index ||
        key.legacy != fragment.legacy || key.server_side != fragment.server_side) {
      continue;
    }
    if (!fragment.id.empty() && !calls[i].id.empty() && fragment.id != calls[i].id) continue;
    if (calls[i].id.empty()) calls[i].id = fragment.id;
    if (calls[i].name.empty()) calls[i].name = fragment.name;
    return;
  }
  tool_call_bytes_ += fragment.id.size() + fragment.name.size();
  if (calls.size() >= kMaxToolCalls || tool_call_bytes_ > kMaxToolCallBytes) return;
  calls.push_back({fragment.id, fragment.name, fragment.server_side});
  tool_keys_.push_back({choice_index, fragment.index, fragment.legacy, fragment.server_side});
}

/// The last usage object of a reply is the whole one: totals so far never add up. Zeros behind
/// counts are a server's empty object, not a total.
void OpenAiChatReader::CommitUsage(bool streamed) {
  const auto has_counts = [](const SeenUsage& seen) {
    return seen.complete &&
           (seen.usage.counts[kPromptTokens] || seen.usage.counts[kCompletionTokens]);
  };
  const auto has_tokens = [](const SeenUsage& one) {
    return one.usage.counts[kPromptTokens].value_or(0) > 0 ||
           one.usage.counts[kCompletionTokens].value_or(0) > 0;
  };
  // In a whole body Groq's x_groq.usage holds other numbers (cache hardware).
  const SeenUsage* seen = has_counts(document_.usage)                    ? &document_.usage
                          : streamed && has_counts(document_.groq_usage) ? &document_.groq_usage
                                                                         : nullptr;
  if (document_.usage.usage.counts.malformed()) response_.malformed = true;
  if (document_.cost_pico.value_or(0) > 0 || !response_.stated_cost_pico_usd) {
    response_.stated_cost_pico_usd = document_.cost_pico;
  }
  if (seen != nullptr && tokens_seen_ && !has_tokens(*seen)) return;
  if (seen != nullptr) {
    tokens_seen_ = has_tokens(*seen);
    response_.usage = seen->usage.Normalize();
    usage_seen_ = true;
    // Counts beside unfinished choices are totals so far.
    const bool finishes = std::any_of(document_.choices.begin(), document_.choices.end(),
                                      [](const Choice& one) { return !one.finish_reason.empty(); });
    usage_final_ = !streamed || document_.choices.empty() || finishes;
    return;
  }
  const Counts<3>& timings = document_.timings;
  if (!usage_seen_ && timings[0] && timings[2]) {  // llama.cpp without usage.
    response_.usage = TokenUsage();
    response_.usage.input_uncached = timings[0];
    response_.usage.cache_read = timings[1];
    response_.usage.output = timings[2];
    usage_final_ =
        !streamed || document_.choices.empty() || !document_.choices.back().finish_reason.empty();
  }
}

void OpenAiChatReader::FinishResponse() {
  // After a gap the terminal event does not prove that the last usage was seen.
  response_.usage_is_partial = response_.is_stream && !response_.usage.empty() && !usage_final_ &&
                               (!response_.terminal_seen || response_.has_gap);
}

size_t OpenAiChatReader::ExtraMemoryBytes() const {
  size_t bytes = sizeof(*this) - sizeof(ReplyReader) + tool_keys_.capacity() * sizeof(ToolKey) +
                 document_.choices.capacity() * sizeof(Choice) +
                 finished_.capacity() * sizeof(int64_t);
  for (const Choice& one : document_.choices) {
    bytes += one.tools.capacity() * sizeof(ToolFragment);
  }
  return bytes;
}

bool Matches(const wire::RequestHead& head) {
  return head.method == "POST" && PathEndsWith(head.target, "/chat/completions");
}

bool MatchesReply(std::string_view body) { return HoldsMember(body, "object", "chat.completion"); }

std::unique_ptr<ExchangeReader> Open(const wire::RequestHead&) {
  return std::make_unique<OpenAiChatReader>();
}

}  // namespace

const Dialect kOpenAiChat = {"openai.chat", "chat", "chat_completions",
                             &Matches,      &Open,  &MatchesReply};

}  // namespace sonde::dialects
