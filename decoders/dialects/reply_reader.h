// The part of reading an exchange that dialects share: which form a body has, where events and
// documents begin and end, when output came, and what an error looks like.
#ifndef SONDE_DECODERS_DIALECTS_REPLY_READER_H_
#define SONDE_DECODERS_DIALECTS_REPLY_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "decoders/dialects/body_hash.h"
#include "decoders/dialects/dialect.h"
#include "decoders/dialects/error_fields.h"
#include "decoders/dialects/json_body.h"
#include "decoders/json/text_counter.h"
#include "decoders/wire/sse.h"

namespace sonde::dialects {

/// An ExchangeReader over JSON requests and JSON or event-stream replies. A dialect derives from it
/// and fills `request_` and `response_` from its two json::Handlers.
class ReplyReader : public ExchangeReader, private wire::SseHandler {
 public:
  void RequestBody(std::string_view bytes) final;
  void RequestGap(uint64_t length) final;
  void RequestEnd(wire::MessageEnd end) final;
  void ResponseHead(const wire::ResponseHead& head) final;
  void ResponseBody(std::string_view bytes, wire::Stamp stamp) final;
  void ResponseGap(uint64_t length) final;
  void ResponseEnd(wire::MessageEnd end, wire::Stamp stamp) final;
  const RequestFacts& request() const final { return request_; }
  const ResponseFacts& response() const final { return response_; }
  size_t MemoryBytes() const final;

 protected:
  /// What one document of the reply was.
  struct DocumentRole {
    bool output = false;    ///< Carries generated content.
    bool visible = false;   ///< ... that a user is meant to see.
    bool terminal = false;  ///< Ends the stream.
  };

  ReplyReader(const json::Schema* request_schema, json::Handler* request_handler,
              const json::Schema* response_schema, json::Handler* response_handler);

  virtual void FinishRequest() {}
  /// A document of the reply begins: an event's data, or the whole body.
  virtual void BeginDocument() = 0;
  /// It is complete: takes its facts over. `streamed`: it is an event's data. Also called for a
  /// body that was cut or has holes, with what could be read of it.
  virtual DocumentRole CommitDocument(bool streamed) = 0;
  virtual void FinishResponse() {}
  /// Events may be missing here: what was taken for the last word may not be it.
  virtual void GapInEvents() {}
  /// Heap bytes of the derived class.
  virtual size_t ExtraMemoryBytes() const { return 0; }

  bool request_after_gap() const { return request_body_.after_gap(); }

  RequestFacts request_;
  ResponseFacts response_;
  ErrorFields error_;  ///< Of the current document; the response handler fills it.
  json::TextCounter output_text_;

 private:
  enum class Form : uint8_t { kUnknown, kEvents, kJson, kText };

  void OnEventData(std::string_view piece) override;
  void OnEvent(std::string_view name, bool flushed) override;
  void OnEventDropped() override;

  void DecideForm(std::string_view bytes);
  void FeedForm(std::string_view bytes);
  void OpenEvent();
  void OpenBody();
  void CommitEvent();
  void CommitBody();
  void NoteTerminal();
  void NoteError(bool in_stream, bool loose);
  void KeepRaw(std::string_view bytes);

  JsonBody request_body_;
  BodyHash request_hash_;
  bool request_ended_ = false;

  Form form_ = Form::kUnknown;
  bool says_events_ = false;  // The content type is text/event-stream.
  int status_ = 0;
  std::string begin_;  // Bytes too few to tell the form by.
  std::string raw_;    // The first bytes of a body that may be an error's text.
  wire::Stamp stamp_;
  wire::SseParser sse_;
  json::Extractor event_;
  JsonBody body_;
  bool event_open_ = false;
  bool body_open_ = false;
  bool body_committed_ = false;
  bool truncated_ = false;  // The body ended before its framing.
  uint8_t done_bytes_ = 0;  // Of "[DONE]" at the event's beginning.
  bool done_possible_ = false;
};

/// Whether a path (its query cut off) ends in `suffix`, on a segment's border.
bool PathEndsWith(std::string_view target, std::string_view suffix);

TextStats StatsOf(const json::TextCounter& counter);

}  // namespace sonde::dialects

#endif  // SONDE_DECODERS_DIALECTS_REPLY_READER_H_
