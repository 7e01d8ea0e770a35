#include "decoders/dialects/openai_chat_request.h"

namespace sonde::dialects {
namespace {

using json::Kind;
using json::Scalar;
using json::Strings;

enum RequestTag : json::Tag {
  kModel = 1,
  kMessages,
  kMessage,
  kMessageText,
  kToolResultId,
  kStream,
  kIncludeUsage,
  kMaxTokens,
  kMaxCompletionTokens,
  kTemperature,
  kTopP,
  kTopK,
  kFrequencyPenalty,
  kPresencePenalty,
  kSeed,
  kChoiceCount,
  kStop,
  kStopItem,
  kFormat,
  kEffort,
  kServiceTier,
  kUser,
  kSafetyIdentifier,
  kTools,
  kToolName,
  kToolText,
  kCacheControl,
  kCacheTtl,
};

std::string TextOf(const Scalar& scalar) {
  return scalar.kind == Kind::kString ? std::string(scalar.text) : std::string();
}

std::optional<bool> BoolOf(const Scalar& scalar) {
  if (scalar.kind != Kind::kBool) return std::nullopt;
  return scalar.boolean;
}

}  // namespace

const json::Schema& OpenAiChatRequest::Schema() {
  static const json::Schema schema{
      {"model", kModel},
      {"messages", kMessages},
      {"messages[]", kMessage},
      {"messages[].content", kMessageText, Strings::kText},
      {"messages[].content[].text", kMessageText, Strings::kText},
      {"messages[].content[].refusal", kMessageText, Strings::kText},
      {"messages[].refusal", kMessageText, Strings::kText},
      {"messages[].reasoning_content", kMessageText, Strings::kText},
      {"messages[].tool_calls[].function.name", kMessageText, Strings::kText},
      {"messages[].tool_calls[].function.arguments", kMessageText, Strings::kText},
      {"messages[].tool_calls[].custom.input", kMessageText, Strings::kText},
      {"messages[].function_call.arguments", kMessageText, Strings::kText},
      {"messages[].tool_call_id", kToolResultId, Strings::kCapture, kMaxIdBytes},
      {"messages[].cache_control", kCacheControl},
      {"messages[].cache_control.ttl", kCacheTtl},
      {"messages[].content[].cache_control", kCacheControl},
      {"messages[].content[].cache_control.ttl", kCacheTtl},
      {"cache_control", kCacheControl},
      {"cache_control.ttl", kCacheTtl},
      {"stream", kStream},
      {"stream_options.include_usage", kIncludeUsage},
      {"max_tokens", kMaxTokens},
      {"max_completion_tokens", kMaxCompletionTokens},
      {"temperature", kTemperature},
      {"top_p", kTopP},
      {"top_k", kTopK},
      {"frequency_penalty", kFrequencyPenalty},
      {"presence_penalty", kPresencePenalty},
      {"seed", kSeed},
      {"random_seed", kSeed},
      {"n", kChoiceCount},
      {"stop", kStop},
      {"stop[]", kStopItem},
      {"response_format.type", kFormat},
      {"reasoning_effort", kEffort},
      {"reasoning.effort", kEffort},
      {"service_tier", kServiceTier},
      {"user", kUser},
      {"safety_identifier", kSafetyIdentifier},
      {"tools", kTools},
      {"tools[].function.name", kToolName, Strings::kCapture, kMaxIdBytes},
      {"tools[].custom.name", kToolName, Strings::kCapture, kMaxIdBytes},
      {"tools[].function.description", kToolText, Strings::kText},
      {"tools[].custom.description", kToolText, Strings::kText},
      {"functions", kTools},
      {"functions[].name", kToolName, Strings::kCapture, kMaxIdBytes},
      {"functions[].description", kToolText, Strings::kText},
  };
  return schema;
}

void OpenAiChatRequest::OnStart(json::Tag tag, Kind) {
  switch (tag) {
    case kMessages:  // A repeated member replaces the first.
      facts_->message_count = 0;
      facts_->tool_result_ids.clear();
      text_ = json::TextCounter();
      break;
    case kMessage:
      ++facts_->message_count;
      break;
    case kStop:
      facts_->stop_sequences.clear();
      break;
    case kTools:
      facts_->tool_names.clear();
      break;
    case kCacheControl:
      cache_.OnStart();
      break;
    default:
      break;
  }
}

void OpenAiChatRequest::OnEnd(json::Tag tag, Kind) {
  if (tag == kCacheControl) cache_.OnEnd(facts_);
}

void OpenAiChatRequest::OnScalar(json::Tag tag, const Scalar& scalar) {
  switch (tag) {
    case kModel:
      facts_->model = TextOf(scalar);
      facts_->model_after_gap = after_gap_ && after_gap_();
      break;
    case kToolResultId:
      if (scalar.kind == Kind::kString) {
        AddBounded(&facts_->tool_result_ids, scalar.text, kMaxToolResults);
      }
      break;
    case kStream:
      facts_->stream = BoolOf(scalar).value_or(false);
      break;
    case kIncludeUsage:
      facts_->include_usage = BoolOf(scalar);
      break;
    case kMaxTokens:
      max_tokens_ = json::ToInteger(scalar);
      break;
    case kMaxCompletionTokens:
      max_completion_tokens_ = json::ToInteger(scalar);
      break;
    case kTemperature:
      facts_->temperature = json::ToDouble(scalar);
      break;
    case kTopP:
      facts_->top_p = json::ToDouble(scalar);
      break;
    case kTopK:
      facts_->top_k = json::ToInteger(scalar);
      break;
    case kFrequencyPenalty:
      facts_->frequency_penalty = json::ToDouble(scalar);
      break;
    case kPresencePenalty:
      facts_->presence_penalty = json::ToDouble(scalar);
      break;
    case kSeed:
      facts_->seed = json::ToInteger(scalar);
      break;
    case kChoiceCount:
      facts_->choice_count = json::ToInteger(scalar);
      break;
    case kStop:
      facts_->stop_sequences.clear();
      [[fallthrough]];
    case kStopItem:
      if (scalar.kind == Kind::kString) {
        AddBounded(&facts_->stop_sequences, scalar.text, kMaxStopSequences);
      }
      break;
    case kFormat:
      facts_->output_type = OutputTypeOf(TextOf(scalar));
      break;
    case kEffort:
      facts_->reasoning_level = TextOf(scalar);
      break;
    case kServiceTier:
      facts_->service_tier = TextOf(scalar);
      break;
    case kUser:
      user_ = TextOf(scalar);
      break;
    case kSafetyIdentifier:
      safety_identifier_ = TextOf(scalar);
      break;
    case kToolName:
      if (scalar.kind == Kind::kString) AddBounded(&facts_->tool_names, scalar.text, kMaxTools);
      break;
    case kCacheTtl:
      cache_.OnTtl(scalar, facts_);
      break;
    default:
      break;
  }
  // The newer name wins where both were sent.
  facts_->max_tokens = max_completion_tokens_ ? max_completion_tokens_ : max_tokens_;
}

void OpenAiChatRequest::OnText(json::Tag, std::string_view piece) { text_.Add(piece); }
void OpenAiChatRequest::OnTextEnd(json::Tag) { text_.Break(); }

void OpenAiChatRequest::Finish() {
  facts_->user = user_.empty() ? safety_identifier_ : user_;
  facts_->text = {text_.ascii_bytes(), text_.wide_characters(), text_.unbroken_run_bytes()};
}

}  // namespace sonde::dialects
