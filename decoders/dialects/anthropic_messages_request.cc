#include "decoders/dialects/anthropic_messages_request.h"

namespace sonde::dialects {
namespace {

using json::Kind;
using json::Scalar;
using json::Strings;

enum RequestTag : json::Tag {
  kModel = 1,
  kMessages,
  kMessage,
  kText,
  kBlock,
  kBlockType,
  kToolUseId,
  kStream,
  kMaxTokens,
  kTemperature,
  kTopP,
  kTopK,
  kStop,
  kStopItem,
  kFormat,
  kEffort,
  kServiceTier,
  kSpeed,
  kInferenceGeo,
  kUser,
  kTools,
  kToolName,
  kToolText,
  kCacheControl,
  kCacheTtl,
};

std::string TextOf(const Scalar& scalar) {
  return scalar.kind == Kind::kString ? std::string(scalar.text) : std::string();
}

}  // namespace

const json::Schema& AnthropicRequest::Schema() {
  static const json::Schema schema{
      {"model", kModel},
      {"system", kText, Strings::kText},
      {"system[].text", kText, Strings::kText},
      {"system[].cache_control", kCacheControl},
      {"system[].cache_control.ttl", kCacheTtl},
      {"messages", kMessages},
      {"messages[]", kMessage},
      {"messages[].content", kText, Strings::kText},
      {"messages[].content[]", kBlock},
      {"messages[].content[].type", kBlockType},
      {"messages[].content[].tool_use_id", kToolUseId, Strings::kCapture, kMaxIdBytes},
      {"messages[].content[].text", kText, Strings::kText},
      {"messages[].content[].thinking", kText, Strings::kText},
      {"messages[].content[].content", kText, Strings::kText},
      {"messages[].content[].content[].text", kText, Strings::kText},
      {"messages[].content[].content[].cache_control", kCacheControl},
      {"messages[].content[].content[].cache_control.ttl", kCacheTtl},
      {"messages[].content[].cache_control", kCacheControl},
      {"messages[].content[].cache_control.ttl", kCacheTtl},
      {"cache_control", kCacheControl},
      {"cache_control.ttl", kCacheTtl},
      {"tools", kTools},
      {"tools[].name", kToolName, Strings::kCapture, kMaxIdBytes},
      {"tools[].description", kToolText, Strings::kText},
      {"tools[].cache_control", kCacheControl},
      {"tools[].cache_control.ttl", kCacheTtl},
      {"stream", kStream},
      {"max_tokens", kMaxTokens},
      {"temperature", kTemperature},
      {"top_p", kTopP},
      {"top_k", kTopK},
      {"stop_sequences", kStop},
      {"stop_sequences[]", kStopItem},
      {"output_config.effort", kEffort},
      {"output_config.format.type", kFormat},
      {"output_format.type", kFormat},
      {"service_tier", kServiceTier},
      {"speed", kSpeed},
      {"inference_geo", kInferenceGeo},
      {"metadata.user_id", kUser, Strings::kCapture, 512},
  };
  return schema;
}

void AnthropicRequest::OnStart(json::Tag tag, Kind) {
  switch (tag) {
    case kMessages:  // A repeated member replaces the first.
      facts_->message_count = 0;
      facts_->tool_result_ids.clear();
      break;
    case kMessage:
      ++facts_->message_count;
      break;
    case kBlock:
      block_type_.clear();
      block_tool_id_.clear();
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

void AnthropicRequest::OnEnd(json::Tag tag, Kind) {
  if (tag == kCacheControl) cache_.OnEnd(facts_);
  // Results of the provider's own tools are blocks of other types.
  if (tag == kBlock && block_type_ == "tool_result") {
    AddBounded(&facts_->tool_result_ids, block_tool_id_, kMaxToolResults);
  }
}

void AnthropicRequest::OnScalar(json::Tag tag, const Scalar& scalar) {
  switch (tag) {
    case kModel:
      facts_->model = TextOf(scalar);
      facts_->model_after_gap = after_gap_ && after_gap_();
      break;
    case kBlockType:
      block_type_ = TextOf(scalar);
      break;
    case kToolUseId:
      block_tool_id_ = TextOf(scalar);
      break;
    case kStream:
      facts_->stream = scalar.kind == Kind::kBool && scalar.boolean;
      break;
    case kMaxTokens:
      facts_->max_tokens = json::ToInteger(scalar);
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
    case kStopItem:
      AddBounded(&facts_->stop_sequences, TextOf(scalar), kMaxStopSequences);
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
    case kSpeed:
      facts_->speed = TextOf(scalar);
      break;
    case kInferenceGeo:
      facts_->inference_geo = TextOf(scalar);
      break;
    case kUser:
      facts_->user = TextOf(scalar);
      break;
    case kToolName:
      AddBounded(&facts_->tool_names, TextOf(scalar), kMaxTools);
      break;
    case kCacheTtl:
      cache_.OnTtl(scalar, facts_);
      break;
    default:
      break;
  }
}

void AnthropicRequest::OnText(json::Tag, std::string_view piece) { text_.Add(piece); }
void AnthropicRequest::OnTextEnd(json::Tag) { text_.Break(); }

void AnthropicRequest::Finish() {
  facts_->text = {text_.ascii_bytes(), text_.wide_characters(), text_.unbroken_run_bytes()};
}

}  // namespace sonde::dialects
