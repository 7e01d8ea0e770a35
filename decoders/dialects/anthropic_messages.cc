#include "decoders/dialects/anthropic_messages.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "decoders/dialects/anthropic_messages_request.h"
#include "decoders/dialects/anthropic_usage.h"
#include "decoders/dialects/reply_reader.h"

namespace sonde::dialects {
namespace {

using json::Kind;
using json::Scalar;
using json::Strings;
using json::Tag;

constexpr size_t kMaxToolCalls = 128;
constexpr size_t kMaxToolCallBytes = size_t{8} * 1024;

/// Tags of the reply. Usage counts follow at kUsageCount and kIterationCount, one per field.
enum ReplyTag : Tag {
  kId = kFirstDialectTag,
  kModel,
  kStopReason,
  kContent,
  kBlock,
  kBlockType,
  kBlockId,
  kBlockName,
  kText,
  kThought,
  kOpaqueThought,
  kUsage,
  kServiceTier,
  kSpeed,
  kInferenceGeo,
  kIterations,
  kIteration,
  kIterationType,
  kIterationModel,
  kUsageCount = 64,
  kIterationCount = 96,
};

/// The counts of a usage object, from tag `base` on.
json::Paths CountPaths(Tag base) {
  const auto tag = [base](AnthropicUsageField field) { return static_cast<Tag>(base + field); };
  return {
      {"input_tokens", tag(kInputTokens)},
      {"output_tokens", tag(kOutputTokens)},
      {"cache_creation_input_tokens", tag(kCacheCreationTokens)},
      {"cache_read_input_tokens", tag(kCacheReadTokens)},
      {"cache_creation.ephemeral_5m_input_tokens", tag(kCreation5mTokens)},
      {"cache_creation.ephemeral_1h_input_tokens", tag(kCreation1hTokens)},
      {"output_tokens_details.thinking_tokens", tag(kThinkingTokens)},
      {"server_tool_use.web_search_requests", tag(kWebSearches)},
  };
}

json::Paths UsagePaths() {
  return json::Join({
      {
          {"", kUsage},
          {"service_tier", kServiceTier},
          {"speed", kSpeed},
          {"inference_geo", kInferenceGeo},
          {"iterations", kIterations},
          {"iterations[]", kIteration},
          {"iterations[].type", kIterationType, Strings::kCapture, 64},
          {"iterations[].model", kIterationModel, Strings::kCapture, kMaxIdBytes},
      },
      CountPaths(kUsageCount),
      json::Under("iterations[]", CountPaths(kIterationCount)),
  });
}

json::Paths BlockPaths() {
  return {
      {"", kBlock},
      {"type", kBlockType, Strings::kCapture, 64},
      {"id", kBlockId, Strings::kCapture, kMaxIdBytes},
      {"name", kBlockName, Strings::kCapture, kMaxIdBytes},
      {"text", kText, Strings::kText},
      {"thinking", kThought, Strings::kText},
      {"data", kOpaqueThought, Strings::kText},
  };
}

json::Paths MessagePaths() {
  return json::Join({
      {
          {"id", kId},
          {"model", kModel},
          {"stop_reason", kStopReason},
          {"content", kContent},
      },
      json::Under("content[]", BlockPaths()),
      json::Under("usage", UsagePaths()),
  });
}

const json::Schema& ReplySchema() {
  // A whole body is a message; a stream has one inside message_start.
  static const json::Schema schema(json::Join({
      ErrorPaths(),
      MessagePaths(),
      json::Under("message", MessagePaths()),
      json::Under("content_block", BlockPaths()),
      {
          {"delta.stop_reason", kStopReason},
          {"delta.text", kText, Strings::kText},
          {"delta.thinking", kThought, Strings::kText},
          {"delta.partial_json", kThought, Strings::kText},
      },
  }));
  return schema;
}

/// One content block's head.
struct Block {
  std::string type;
  std::string id;
  std::string name;
};

/// What one document said. Taken over once the document is complete.
struct Document {
  std::string type, id, model, stop_reason, service_tier, speed, inference_geo;
  std::vector<Block> blocks;
  size_t block_bytes = 0;
  AnthropicUsage usage;
  bool usage_complete = false;  ///< Its closing brace was seen.
  bool text = false;            ///< Visible output.
  bool thought = false;         ///< Other output.

  void Clear() {
    for (std::string* field :
         {&type, &id, &model, &stop_reason, &service_tier, &speed, &inference_geo}) {
      field->clear();
    }
    blocks.clear();
    block_bytes = 0;
    ClearUsage();
    text = thought = false;
  }
  void ClearUsage() {
    usage.counts.Clear();
    usage.iterations.clear();
    usage.iterations_seen = usage.iterations_cut = usage_complete = false;
  }
};

/// Tools that the client runs, and tools that the provider runs itself.
std::optional<bool> RunsAtProvider(std::string_view block_type) {
  if (block_type == "tool_use") return false;
  if (block_type == "server_tool_use" || block_type == "mcp_tool_use") return true;
  return std::nullopt;
}

class AnthropicReader final : public ReplyReader, private json::Handler {
 public:
  AnthropicReader()
      : ReplyReader(&AnthropicRequest::Schema(), &request_handler_, &ReplySchema(), this),
        request_handler_(&request_) {
    request_handler_.set_after_gap([this] { return request_after_gap(); });
  }

 private:
  // ReplyReader
  void FinishRequest() override {
    request_handler_.Finish();
    UpdateUsage();
  }
  void BeginDocument() override { document_.Clear(); }
  DocumentRole CommitDocument(bool streamed) override;
  void FinishResponse() override;
  void GapInEvents() override { delta_usage_seen_ = final_usage_seen_ = false; }
  size_t ExtraMemoryBytes() const override;
  // json::Handler, for the reply
  void OnStart(Tag tag, Kind kind) override;
  void OnEnd(Tag tag, Kind kind) override;
  void OnScalar(Tag tag, const Scalar& scalar) override;
  void OnText(Tag tag, std::string_view piece) override;
  void OnTextEnd(Tag) override {}

  bool SetCount(Tag tag, const Scalar& scalar);
  void SetText(Tag tag, std::string_view text);
  void CommitBlocks();
  void CommitUsage(bool streamed);
  void UpdateUsage();

  AnthropicRequest request_handler_;
  Document document_;
  Block block_;  // The one being read.
  AnthropicUsage usage_;
  size_t tool_call_bytes_ = 0;
  bool usage_seen_ = false;
  bool delta_usage_seen_ = false;  // A message_delta's, perhaps totals so far.
  bool final_usage_seen_ = false;  // With the stop reason, before message_stop, or a whole body's.
};

// ---- Values of a document.

void AnthropicReader::OnStart(Tag tag, Kind) {
  switch (tag) {
    case kErrorTag:
      error_.OnStart(tag);
      break;
    case kContent:
      document_.blocks.clear();
      break;
    case kBlock:
      block_ = Block();
      break;
    case kUsage:
      document_.ClearUsage();
      break;
    case kIterations:
      document_.usage.iterations.clear();
      document_.usage.iterations_seen = true;
      break;
    case kIteration:
      if (document_.usage.iterations.size() < AnthropicUsage::kMaxIterations) {
        document_.usage.iterations.emplace_back();
      } else {
        document_.usage.iterations_cut = true;
      }
      break;
    default:
      break;
  }
}

void AnthropicReader::OnEnd(Tag tag, Kind kind) {
  if (tag == kUsage && kind == Kind::kObject) document_.usage_complete = true;
  // Only tool calls are kept of the blocks.
  if (tag == kBlock && RunsAtProvider(block_.type) && document_.blocks.size() < kMaxToolCalls) {
    document_.block_bytes += block_.id.size() + block_.name.size();
    if (document_.block_bytes <= kMaxToolCallBytes) document_.blocks.push_back(block_);
  }
}

bool AnthropicReader::SetCount(Tag tag, const Scalar& scalar) {
  const bool iteration = tag >= kIterationCount;
  const size_t field = tag - (iteration ? kIterationCount : kUsageCount);
  if (tag < kUsageCount || field >= kAnthropicUsageFields) return false;
  if (!iteration) {
    document_.usage.counts.Set(field, scalar);
  } else if (!document_.usage.iterations.empty() && !document_.usage.iterations_cut) {
    document_.usage.iterations.back().counts.Set(field, scalar);
  }
  return true;
}

void AnthropicReader::SetText(Tag tag, std::string_view text) {
  const bool in_iteration = !document_.usage.iterations.empty() && !document_.usage.iterations_cut;
  switch (tag) {
    case kBlockType:
      block_.type = text;
      break;
    case kBlockId:
      block_.id = text;
      break;
    case kBlockName:
      block_.name = text;
      break;
    case kIterationType:
      if (in_iteration) document_.usage.iterations.back().type = text;
      break;
    case kIterationModel:
      if (in_iteration) document_.usage.iterations.back().model = text;
      break;
    case kId:
      document_.id = text;
      break;
    case kModel:
      document_.model = text;
      break;
    case kStopReason:
      document_.stop_reason = text;
      break;
    case kServiceTier:
      document_.service_tier = text;
      break;
    case kSpeed:
      document_.speed = text;
      break;
    case kInferenceGeo:
      document_.inference_geo = text;
      break;
    default:
      break;
  }
}

void AnthropicReader::OnScalar(Tag tag, const Scalar& scalar) {
  const std::string_view text = scalar.kind == Kind::kString ? scalar.text : std::string_view();
  if (tag == kLooseTypeTag) document_.type = text;
  if (error_.OnScalar(tag, scalar) || SetCount(tag, scalar)) return;
  switch (tag) {
    case kUsage:  // Null, or no object: it replaces one that came before.
      document_.ClearUsage();
      break;
    case kIterations:
      document_.usage.iterations.clear();
      document_.usage.iterations_seen = false;
      break;
    case kContent:
      document_.blocks.clear();
      break;
    default:
      SetText(tag, text);
      break;
  }
}

void AnthropicReader::OnText(Tag tag, std::string_view piece) {
  if (piece.empty()) return;
  (tag == kText ? document_.text : document_.thought) = true;
  if (tag != kOpaqueThought) output_text_.Add(piece);
}

// ---- Taking a document over.

ReplyReader::DocumentRole AnthropicReader::CommitDocument(bool streamed) {
  const auto take = [](std::string* to, const std::string& from) {
    if (!from.empty()) *to = from;
  };
  take(&response_.id, document_.id);
  take(&response_.model, document_.model);
  take(&response_.service_tier, document_.service_tier);
  take(&response_.speed, document_.speed);
  take(&response_.inference_geo, document_.inference_geo);
  if (!document_.stop_reason.empty()) response_.finish_reasons = {document_.stop_reason};
  CommitBlocks();
  CommitUsage(streamed);
  DocumentRole role;
  role.output = document_.text || document_.thought;
  role.visible = document_.text;
  role.terminal = streamed && document_.type == "message_stop";
  return role;
}

void AnthropicReader::CommitBlocks() {
  for (const Block& block : document_.blocks) {
    const std::optional<bool> server_side = RunsAtProvider(block.type);
    if (!server_side) continue;
    if (!block.name.empty()) document_.thought = true;
    tool_call_bytes_ += block.id.size() + block.name.size();
    if (response_.tool_calls.size() < kMaxToolCalls && tool_call_bytes_ <= kMaxToolCallBytes) {
      response_.tool_calls.push_back({block.id, block.name, *server_side});
    }
  }
}

void AnthropicReader::CommitUsage(bool streamed) {
  if (document_.usage.counts.malformed()) response_.malformed = true;
  // No totals follow: what the last message_delta said is the whole of it.
  if (document_.type == "message_stop" && delta_usage_seen_) final_usage_seen_ = true;
  if (!document_.usage_complete) return;
  if (document_.type == "message_start" || !streamed) {
    usage_ = document_.usage;
  } else {
    usage_.Merge(document_.usage);  // Cumulative; what it leaves out stays.
  }
  usage_seen_ = true;
  const bool is_delta = document_.type == "message_delta";
  if (is_delta) delta_usage_seen_ = true;
  if (!streamed || (is_delta && !document_.stop_reason.empty())) final_usage_seen_ = true;
  UpdateUsage();
}

void AnthropicReader::UpdateUsage() {
  if (!usage_seen_) return;
  response_.usage = usage_.Normalize(request_);
  response_.usage_by_other_models = usage_.OtherModels(response_.model, request_);
}

void AnthropicReader::FinishResponse() {
  UpdateUsage();
  response_.usage_is_partial = response_.is_stream && usage_seen_ && !final_usage_seen_;
}

size_t AnthropicReader::ExtraMemoryBytes() const {
  return sizeof(*this) - sizeof(ReplyReader) + document_.blocks.capacity() * sizeof(Block) +
         (usage_.iterations.capacity() + document_.usage.iterations.capacity()) *
             sizeof(AnthropicIteration);
}

bool Matches(const wire::RequestHead& head) {
  return head.method == "POST" && PathEndsWith(head.target, "/v1/messages");
}

bool MatchesReply(std::string_view body) {
  // OpenAI's Responses hold messages too, and count their input another way.
  if (HoldsMember(body, "object", "response") || HoldsMember(body, "type", "response.")) {
    return false;
  }
  if (HoldsMember(body, "type", "content_block_")) return true;
  return HoldsMember(body, "type", "message_start\"") ||
         HoldsMember(body, "type", "message_delta\"") ||
         (HoldsMember(body, "type", "message\"") && HoldsMember(body, "role", "assistant\""));
}

std::unique_ptr<ExchangeReader> Open(const wire::RequestHead&) {
  return std::make_unique<AnthropicReader>();
}

}  // namespace

const Dialect kAnthropicMessages = {"anthropic.messages", "chat", "", &Matches, &Open,
                                    &MatchesReply};

}  // namespace sonde::dialects
