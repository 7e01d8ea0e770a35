// The request body of Anthropic's messages API.
#ifndef SONDE_DECODERS_DIALECTS_ANTHROPIC_MESSAGES_REQUEST_H_
#define SONDE_DECODERS_DIALECTS_ANTHROPIC_MESSAGES_REQUEST_H_

#include <functional>
#include <string>
#include <utility>

#include "decoders/dialects/facts.h"
#include "decoders/dialects/request_lists.h"
#include "decoders/json/extractor.h"
#include "decoders/json/text_counter.h"

namespace sonde::dialects {

class AnthropicRequest final : public json::Handler {
 public:
  static const json::Schema& Schema();

  /// `facts` must outlive this.
  explicit AnthropicRequest(RequestFacts* facts) : facts_(facts) {}
  /// Whether what is reported now stands behind a hole.
  void set_after_gap(std::function<bool()> after_gap) { after_gap_ = std::move(after_gap); }
  void Finish();

  void OnStart(json::Tag tag, json::Kind kind) override;
  void OnEnd(json::Tag tag, json::Kind kind) override;
  void OnScalar(json::Tag tag, const json::Scalar& scalar) override;
  void OnText(json::Tag tag, std::string_view piece) override;
  void OnTextEnd(json::Tag tag) override;

 private:
  RequestFacts* const facts_;
  std::function<bool()> after_gap_;
  CacheControl cache_;
  json::TextCounter text_;
  std::string block_type_, block_tool_id_;  // Of the content block being read.
};

}  // namespace sonde::dialects

#endif  // SONDE_DECODERS_DIALECTS_ANTHROPIC_MESSAGES_REQUEST_H_
