// The extractor against a parser that reads whole documents, and against itself in pieces.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "decoders/json/extractor.h"
#include "decoders/json/tail.h"
#include "decoders/json/text_counter.h"

namespace {

using sonde::json::Extractor;
using sonde::json::Handler;
using sonde::json::Kind;
using sonde::json::Scalar;
using sonde::json::Schema;
using sonde::json::Strings;
using sonde::json::Tag;
using sonde::json::TextCounter;

enum Tags : Tag { kRoot = 1, kId, kNumber, kText, kItem, kUsage, kTokens };

const Schema& TestSchema() {
  static const Schema schema{
      {"", kRoot},       {"id", kId},
      {"n", kNumber},    {"text", kText, Strings::kText},
      {"a[].b", kItem},  {"a[].c[].b", kItem},
      {"usage", kUsage}, {"usage.tokens", kTokens, Strings::kCapture, 16},
  };
  return schema;
}

/// Writes down what comes, joining the pieces of a text; keeps the last top-level values.
class Log final : public Handler {
 public:
  void OnStart(Tag tag, Kind kind) override {
    Line('<', tag, std::to_string(static_cast<int>(kind)));
    if (tag == kId) id.reset();
    if (tag == kText) text.reset();
    if (tag == kUsage) tokens.reset();
  }
  void OnEnd(Tag tag, Kind kind) override {
    Line('>', tag, std::to_string(static_cast<int>(kind)));
  }
  void OnScalar(Tag tag, const Scalar& scalar) override {
    Line(scalar.truncated ? '~' : '=', tag, scalar.text);
    const bool whole_string = scalar.kind == Kind::kString && !scalar.truncated;
    if (tag == kId) {
      id_seen_cut = scalar.truncated;
      id.reset();
      if (whole_string) id = scalar.text;
    }
    if (tag == kText) text.reset();
    if (tag == kUsage) tokens.reset();
    if (tag == kTokens) tokens = sonde::json::ToInteger(scalar);
  }
  void OnText(Tag, std::string_view piece) override {
    open_text_ += piece;
    counter.Add(piece);
  }
  void OnTextEnd(Tag tag) override {
    Line('"', tag, open_text_);
    text = open_text_;
    open_text_.clear();
    counter.Break();
  }
  void Line(char what, Tag tag, std::string_view value) {
    log += what;
    log += std::to_string(tag);
    log += value;
    log += '\n';
  }
  std::string log;
  std::optional<std::string> id, text;
  std::optional<int64_t> tokens;
  bool id_seen_cut = false;
  TextCounter counter;

 private:
  std::string open_text_;
};

void Require(bool condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "%s\n", what);
  abort();
}

void CompareWithParser(const std::string_view document, const Log& log, bool done) {
  if (document.find('\0') != std::string_view::npos) return;  // Its end, to that parser.
  const nlohmann::json parsed = nlohmann::json::parse(document, nullptr, false);
  if (parsed.is_discarded()) return;
  Require(done, "a valid document was refused");
  if (!parsed.is_object()) return;
  const auto string_at = [&](const char* key) -> std::optional<std::string> {
    const auto found = parsed.find(key);
    if (found == parsed.end() || !found->is_string()) return std::nullopt;
    return found->get<std::string>();
  };
  if (!log.id_seen_cut) Require(string_at("id") == log.id, "id differs");
  Require(string_at("text") == log.text, "text differs");
  const auto usage = parsed.find("usage");
  if (usage == parsed.end() || !usage->is_object() || !usage->contains("tokens")) return;
  const nlohmann::json& tokens = (*usage)["tokens"];
  const bool fits = tokens.is_number_unsigned() ? tokens.get<uint64_t>() <= uint64_t{INT64_MAX}
                                                : tokens.is_number_integer();
  if (fits) Require(tokens.get<int64_t>() == log.tokens, "tokens differ");
}

/// The same with and without remembered beginnings: each line a document, and each told twice,
/// whole and from the middle of its bytes on changed.
void CompareBeginnings(std::string_view lines, size_t piece) {
  Log plain_log, expecting_log;
  Extractor plain(&TestSchema(), &plain_log);
  Extractor expecting(&TestSchema(), &expecting_log);
  expecting.ExpectLikeBeginnings();
  const auto tell = [&](std::string_view document, size_t step) {
    for (Extractor* extractor : {&plain, &expecting}) {
      extractor->Reset();
      for (size_t at = 0; at < document.size(); at += step) {
        extractor->Feed(document.substr(at, step));
      }
    }
    Require(plain.Finish() == expecting.Finish(), "the end depends on the document before");
    Require(plain.failed() == expecting.failed(), "failing depends on the document before");
    Require(plain_log.log == expecting_log.log, "values depend on the document before");
    plain_log.log.clear();
    expecting_log.log.clear();
  };
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    const size_t all = line.size() + 1;
    std::string changed(line);
    for (size_t at = piece; at < changed.size(); at += 7) changed[at] ^= 1;
    tell(line, all);
    tell(line, all);
    tell(line, piece);
    tell(changed, all);
    tell(line, all);
  }
  Require(expecting.MemoryBytes() <= 4096, "memory grows");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const size_t piece = data[0] % 70 + 1;
  const std::string_view document(reinterpret_cast<const char*>(data) + 1, size - 1);

  Log whole;
  Extractor extractor(&TestSchema(), &whole);
  extractor.Feed(document);
  const bool done = extractor.Finish();

  Log cut;
  Extractor pieces(&TestSchema(), &cut);
  for (size_t at = 0; at < document.size(); at += piece) pieces.Feed(document.substr(at, piece));
  Require(pieces.Finish() == done, "the end depends on the cut");
  Require(whole.log == cut.log, "values depend on the cut");
  Require(whole.counter.ascii_bytes() == cut.counter.ascii_bytes() &&
              whole.counter.wide_characters() == cut.counter.wide_characters() &&
              whole.counter.unbroken_run_bytes() == cut.counter.unbroken_run_bytes(),
          "text statistics depend on the cut");
  Require(pieces.MemoryBytes() <= 1024, "memory grows");

  CompareBeginnings(document, piece);

  // The tail of a document, with "{" before it, is as valid as the document was.
  const std::optional<size_t> members = sonde::json::FindLastMembers(document.substr(size / 2));
  Require(!members || *members <= document.size(), "a tail begins behind the document");
  CompareWithParser(document, whole, done);
  return 0;
}
