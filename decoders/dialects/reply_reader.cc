#include "decoders/dialects/reply_reader.h"

#include <strings.h>

#include <algorithm>
#include <array>

namespace sonde::dialects {
namespace {

// SDKs end a stream at data that starts so; what follows is not looked at.
constexpr std::string_view kDone = "[DONE]";
constexpr std::string_view kBomBytes = "\xef\xbb\xbf";
constexpr std::array<std::string_view, 5> kEventFields = {"data:", "event:", "id:", "retry:", ":"};
constexpr std::string_view kEventStreamType = "text/event-stream";

bool HasPrefixIgnoringCase(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         strncasecmp(text.data(), prefix.data(), prefix.size()) == 0;
}

/// Without the blanks and the byte order mark that may precede a body.
std::string_view WithoutBlanks(std::string_view bytes) {
  if (bytes.substr(0, kBomBytes.size()) == kBomBytes) bytes.remove_prefix(kBomBytes.size());
  const size_t first = bytes.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? std::string_view() : bytes.substr(first);
}

bool IsPrefixOf(std::string_view bytes, std::string_view whole) {
  return bytes.size() < whole.size() && whole.substr(0, bytes.size()) == bytes;
}

}  // namespace

bool PathEndsWith(std::string_view target, std::string_view suffix) {
  std::string_view path = target.substr(0, target.find_first_of("?#"));
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path.size() >= suffix.size() && path.substr(path.size() - suffix.size()) == suffix;
}

TextStats StatsOf(const json::TextCounter& counter) {
  return {counter.ascii_bytes(), counter.wide_characters(), counter.unbroken_run_bytes()};
}

ReplyReader::ReplyReader(const json::Schema* request_schema, json::Handler* request_handler,
                         const json::Schema* response_schema, json::Handler* response_handler)
    : request_body_(request_schema, request_handler),
      sse_(this),
      event_(response_schema, response_handler),
      body_(response_schema, response_handler) {
  event_.ExpectLikeBeginnings();
}

// ---- The request.

void ReplyReader::RequestBody(std::string_view bytes) {
  if (request_ended_) return;
  request_.body_bytes += bytes.size();
  request_hash_.Add(bytes);
  request_body_.Feed(bytes);
}

void ReplyReader::RequestGap(uint64_t length) {
  if (request_ended_) return;
  request_.body_has_gap = true;
  request_hash_.AddGap(length);
  request_body_.Gap();
}

void ReplyReader::RequestEnd(wire::MessageEnd end) {
  if (request_ended_) return;
  request_ended_ = true;
  request_.body_is_whole = end == wire::MessageEnd::kComplete;
  request_body_.Finish(request_.body_is_whole);
  request_.body_hash = request_hash_.Value();
  FinishRequest();
}

// ---- The form of the reply.

void ReplyReader::ResponseHead(const wire::ResponseHead& head) {
  status_ = head.status;
  says_events_ =
      HasPrefixIgnoringCase(wire::FindHeader(head.headers, "content-type"), kEventStreamType);
  if (status_ >= 400) response_.error.present = true;
}

void ReplyReader::ResponseBody(std::string_view bytes, wire::Stamp stamp) {
  if (bytes.empty()) return;
  stamp_ = stamp;
  response_.body_bytes += bytes.size();
  form_ == Form::kUnknown ? DecideForm(bytes) : FeedForm(bytes);
}

/// By the first bytes, since gateways answer with JSON errors under a stream's content type and
/// the other way round; by the content type where they leave it open.
void ReplyReader::DecideForm(std::string_view bytes) {
  constexpr size_t kMostBlanks = 4096;  // Keep-alive blanks before a body are dropped beyond this.
  begin_.append(bytes);
  std::string_view seen = WithoutBlanks(begin_);
  if (seen.empty() || IsPrefixOf(seen, kBomBytes)) {
    if (begin_.size() > kMostBlanks) begin_.clear();
    return;
  }
  if (seen.front() == '{' || seen.front() == '[') {
    form_ = Form::kJson;
  } else if (says_events_) {
    form_ = Form::kEvents;
  } else {
    bool may_be_field = false;
    for (const std::string_view field : kEventFields) {
      if (seen.substr(0, field.size()) == field) form_ = Form::kEvents;
      may_be_field = may_be_field || IsPrefixOf(seen, field);
    }
    if (form_ == Form::kUnknown && may_be_field) return;
    if (form_ == Form::kUnknown) form_ = Form::kText;
  }
  response_.is_stream = form_ == Form::kEvents;
  const std::string begin = std::move(begin_);
  begin_ = std::string();
  FeedForm(form_ == Form::kEvents ? std::string_view(begin) : WithoutBlanks(begin));
}

void ReplyReader::FeedForm(std::string_view bytes) {
  switch (form_) {
    case Form::kEvents:
      sse_.Feed(bytes);
      break;
    case Form::kJson:
      if (status_ >= 400) KeepRaw(bytes);
      OpenBody();
      body_.Feed(bytes);
      if (body_.done() && !body_committed_) CommitBody();
      break;
    case Form::kText:
      KeepRaw(bytes);
      break;
    case Form::kUnknown:
      break;
  }
}

void ReplyReader::KeepRaw(std::string_view bytes) {
  raw_.append(bytes.substr(0, kErrorMessageBytes - raw_.size()));
}

void ReplyReader::ResponseGap(uint64_t) {
  response_.has_gap = true;
  if (form_ == Form::kUnknown) {
    begin_ = std::string();
    form_ = says_events_ ? Form::kEvents : Form::kJson;
    response_.is_stream = says_events_;
  }
  if (form_ == Form::kEvents) {
    sse_.Gap();
    if (!response_.terminal_seen) GapInEvents();
  }
  if (form_ == Form::kJson && !body_committed_) body_.Gap();
}

void ReplyReader::ResponseEnd(wire::MessageEnd end, wire::Stamp stamp) {
  stamp_ = stamp;
  truncated_ = end != wire::MessageEnd::kComplete;
  if (form_ == Form::kUnknown && !begin_.empty()) {
    form_ = Form::kText;
    FeedForm(WithoutBlanks(begin_));
    begin_ = std::string();
  }
  switch (form_) {
    case Form::kEvents:
      sse_.Finish();
      break;
    case Form::kJson:
      OpenBody();
      if (!body_committed_) {
        body_.Finish(!truncated_);
        CommitBody();
      }
      if (body_.failed()) response_.malformed = true;
      break;
    case Form::kText:
      response_.malformed = true;
      break;
    case Form::kUnknown:
      // Nothing where a reply was due.
      if (status_ / 100 == 2 && !truncated_) response_.malformed = true;
      break;
  }
  if (response_.error.present && response_.error.message.empty()) response_.error.message = raw_;
  raw_ = std::string();
  response_.text = StatsOf(output_text_);
  FinishResponse();
}

// ---- Whole bodies.

void ReplyReader::OpenBody() {
  if (body_open_) return;
  body_open_ = true;
  error_.Clear();
  BeginDocument();
}

void ReplyReader::CommitBody() {
  body_committed_ = true;
  const bool whole = body_.done();
  if (whole) {
    NoteTerminal();
  } else if (body_.failed() || (!truncated_ && !response_.has_gap)) {
    response_.malformed = true;
  }
  CommitDocument(false);
  NoteError(false, status_ >= 400);
}

void ReplyReader::NoteTerminal() {
  if (response_.terminal_seen) return;
  response_.terminal_seen = true;
  response_.terminal = stamp_;
}

void ReplyReader::NoteError(bool in_stream, bool loose) {
  if (!error_.present() && !loose) return;
  response_.error = error_.Facts(loose);
  response_.error.in_stream = in_stream && status_ < 400;
}

// ---- Events.

void ReplyReader::OpenEvent() {
  event_open_ = true;
  done_bytes_ = 0;
  done_possible_ = true;
  event_.Reset();
  error_.Clear();
  BeginDocument();
}

void ReplyReader::OnEventData(std::string_view piece) {
  if (!event_open_) OpenEvent();
  if (done_possible_) {
    while (done_bytes_ < kDone.size() && !piece.empty() && piece.front() == kDone[done_bytes_]) {
      ++done_bytes_;
      piece.remove_prefix(1);
    }
    if (done_bytes_ == kDone.size() || piece.empty()) return;
    done_possible_ = false;
    event_.Feed(kDone.substr(0, done_bytes_));
  }
  event_.Feed(piece);
}

void ReplyReader::OnEventDropped() { event_open_ = false; }

void ReplyReader::OnEvent(std::string_view name, bool flushed) {
  ++response_.event_count;
  if (!event_open_) return;  // Its data is empty.
  event_open_ = false;
  if (done_possible_ && done_bytes_ == kDone.size()) {
    NoteTerminal();
    return;
  }
  if (done_possible_) event_.Feed(kDone.substr(0, done_bytes_));
  if (event_.Finish()) {
    CommitEvent();
  } else if (event_.started() && !(flushed && truncated_ && !event_.failed())) {
    response_.malformed = true;
  }
  if (name == "error") NoteError(true, true);
}

void ReplyReader::CommitEvent() {
  const DocumentRole role = CommitDocument(true);
  response_.text = StatsOf(output_text_);
  if (role.output) {
    ++response_.output_event_count;
    if (!response_.first_output) response_.first_output = stamp_;
    response_.last_output = stamp_;
  }
  if (role.visible && !response_.first_text) response_.first_text = stamp_;
  if (role.terminal) NoteTerminal();
  NoteError(true, false);
}

size_t ReplyReader::MemoryBytes() const {
  const auto of = [](const std::string& text) {
    return text.capacity() > 15 ? text.capacity() : size_t{0};
  };
  size_t bytes = sizeof(*this) + request_body_.MemoryBytes() + body_.MemoryBytes() +
                 event_.MemoryBytes() + sse_.MemoryBytes() + begin_.capacity() + raw_.capacity();
  for (const std::string& text : request_.stop_sequences) bytes += sizeof(std::string) + of(text);
  for (const std::string& text : request_.tool_names) bytes += sizeof(std::string) + of(text);
  for (const std::string& text : request_.tool_result_ids) bytes += sizeof(std::string) + of(text);
  for (const std::string& text : response_.finish_reasons) bytes += sizeof(std::string) + of(text);
  for (const ToolCall& call : response_.tool_calls) {
    bytes += sizeof(call) + of(call.id) + of(call.name);
  }
  for (const std::string* text :
       {&request_.model, &request_.user, &request_.service_tier, &response_.id, &response_.model,
        &response_.service_tier, &response_.system_fingerprint, &response_.error.message}) {
    bytes += of(*text);
  }
  return bytes + ExtraMemoryBytes();
}

}  // namespace sonde::dialects
