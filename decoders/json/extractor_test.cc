#include "decoders/json/extractor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "decoders/json/scan.h"

namespace sonde::json {
namespace {

using ::testing::ElementsAre;

enum Tags : Tag { kId = 1, kText, kChoices, kChoice, kIndex, kUsage, kTokens, kEither, kRoot };

const Schema& TestSchema() {
  static const Schema schema{
      {"", kRoot},
      {"id", kId, Strings::kCapture, 8},
      {"text", kText, Strings::kText},
      {"choices", kChoices},
      {"choices[]", kChoice},
      {"choices[].index", kIndex},
      {"choices[].delta.text", kText, Strings::kText},
      {"usage", kUsage},
      {"usage.details.tokens", kTokens},
      {"either", kEither},
  };
  return schema;
}

/// One short line per event, the pieces of a text joined.
class Log final : public Handler {
 public:
  void OnStart(Tag tag, Kind kind) override {
    if (tag != kRoot) lines.push_back(Name(tag) + (kind == Kind::kArray ? "[" : "{"));
  }
  void OnEnd(Tag tag, Kind kind) override {
    if (tag != kRoot) lines.push_back(Name(tag) + (kind == Kind::kArray ? "]" : "}"));
  }
  void OnScalar(Tag tag, const Scalar& scalar) override {
    std::string value(scalar.text);
    if (scalar.kind == Kind::kString) value = "'" + value + "'";
    lines.push_back(Name(tag) + "=" + value + (scalar.truncated ? "..." : ""));
  }
  void OnText(Tag, std::string_view piece) override { text_ += piece; }
  void OnTextEnd(Tag tag) override {
    lines.push_back(Name(tag) + "~" + text_);
    text_.clear();
  }
  std::vector<std::string> lines;

 private:
  static std::string Name(Tag tag) {
    static const char* const names[] = {"?",     "id",    "text",   "choices", "choice",
                                        "index", "usage", "tokens", "either",  "root"};
    return names[tag];
  }
  std::string text_;
};

struct Read {
  std::vector<std::string> lines;
  bool whole = false;
};

Read Extract(std::string_view document, size_t piece = 0) {
  Log log;
  Extractor extractor(&TestSchema(), &log);
  const size_t step = piece == 0 ? document.size() + 1 : piece;
  for (size_t at = 0; at < document.size(); at += step) extractor.Feed(document.substr(at, step));
  const bool whole = extractor.Finish();
  return {log.lines, whole};
}

struct Case {
  const char* name;
  std::string document;
  std::vector<std::string> lines;
};

class Documents : public ::testing::TestWithParam<Case> {};

TEST_P(Documents, WholeAndInPiecesOfOneToSevenBytes) {
  for (size_t piece = 0; piece <= 7; ++piece) {
    const Read read = Extract(GetParam().document, piece);
    EXPECT_EQ(read.lines, GetParam().lines) << "pieces of " << piece;
    EXPECT_TRUE(read.whole) << "pieces of " << piece;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Values, Documents,
    ::testing::Values(
        Case{"Nothing", "{}", {}},
        Case{"Flat", R"({"id":"a","either":12})", {"id='a'", "either=12"}},
        Case{"Blanks",
             " \r\n\t{ \"id\" : \"a\" , \"either\" : null } \n",
             {"id='a'", "either=null"}},
        Case{"ByteOrderMark", "\xef\xbb\xbf{\"id\":\"a\"}", {"id='a'"}},
        Case{"Literals", R"({"either":true,"id":false})", {"either=true", "id=false"}},
        Case{"Numbers", R"({"either":-0.5e+3,"id":0})", {"either=-0.5e+3", "id=0"}},
        Case{"NotANumberFromPython", R"({"either":NaN})", {"either=NaN"}},
        Case{"CutToTheLimit", R"({"id":"123456789"})", {"id='12345678'..."}},
        Case{"Arrays",
             R"({"choices":[{"index":0},{},{"delta":{"text":"x"},"index":1}]})",
             {"choices[", "choice{", "index=0", "choice}", "choice{", "choice}", "choice{",
              "text~x", "index=1", "choice}", "choices]"}},
        Case{"EmptyArray", R"({"choices":[]})", {"choices[", "choices]"}},
        Case{"OtherKindsOfElements",
             R"({"choices":[1,"a",null,[{"index":5}],{"index":2}]})",
             {"choices[", "choice=1", "choice='a'", "choice=null", "choice[", "choice]", "choice{",
              "index=2", "choice}", "choices]"}},
        Case{"AnObjectWhereAnArrayIsMeant", R"({"choices":{"index":1}})", {"choices{", "choices}"}},
        Case{"StringOrObject",
             R"({"either":"s","either":{"a":1}})",
             {"either='s'", "either{", "either}"}},
        Case{"RepeatedKeysComeAgain",
             R"({"usage":{"details":{"tokens":1}},"usage":{"x":0},"usage":null})",
             {"usage{", "tokens=1", "usage}", "usage{", "usage}", "usage=null"}},
        Case{"Escapes",
             R"({"text":"q\"b\\s\/n\nt\tr\rb\bf\f."})",
             {"text~q\"b\\s/n\nt\tr\rb\bf\f."}},
        Case{"Unicode",
             R"({"id":"\u00e9\u20AC","text":"\ud83d\ude00"})",
             {"id='\xc3\xa9\xe2\x82\xac'", "text~\xf0\x9f\x98\x80"}},
        Case{"LoneSurrogates",
             R"({"text":"\ud83dx\ude00\ud83d\ud83d\ude00"})",
             {"text~\xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbd\xf0\x9f\x98\x80"}},
        Case{"EscapedKey",
             R"({"u\u0073age":{"deta\u0069ls":{"tokens":7}}})",
             {"usage{", "tokens=7", "usage}"}},
        Case{"InvalidUtf8IsLetThrough", "{\"text\":\"a\xff\xc3z\"}", {"text~a\xff\xc3z"}},
        Case{"StructureInStringsIsText",
             R"({"x":"\"usage\":{\"details\":{\"tokens\":9}}","y":"}],{","id":"a"})",
             {"id='a'"}},
        Case{"StructureElsewhereIsNotMeant",
             R"({"z":{"usage":{"details":{"tokens":9}}},"w":[{"id":"no"}],"id":"a"})",
             {"id='a'"}},
        Case{
            "KeyLongerThanAny",
            "{\"" + std::string(100, 'k') + "\":1,\"" + std::string(64, 'i') + "\":2,\"id\":\"a\"}",
            {"id='a'"}}),
    [](const auto& tested) { return tested.param.name; });

TEST(Extractor, BadDocumentsFail) {
  for (const std::string document :
       {"<html>", "{\"id\" 1}", "{\"id\":}", "{id:1}", "{\"choices\":[1 2]}", "{\"either\":tru}",
        "{\"either\":01}", "{\"either\":1.}", "{\"either\":-}", "{\"choices\":[}",
        "{\"choices\":[{\"index\":0]}", "{,}", "\xef\xbb{}", "{\"id\":\"a\"}x", "{}{}"}) {
    for (size_t piece = 0; piece <= 3; ++piece) {
      Log log;
      Extractor extractor(&TestSchema(), &log);
      const size_t step = piece == 0 ? document.size() : piece;
      for (size_t at = 0; at < document.size(); at += step) {
        extractor.Feed(std::string_view(document).substr(at, step));
      }
      EXPECT_FALSE(extractor.Finish()) << document;
      EXPECT_TRUE(extractor.failed()) << document;
    }
  }
}

TEST(Extractor, CutDocumentsAreNotWhole) {
  const std::string document = R"({"id":"a","choices":[{"index":0}],"usage":{"details":{}}})";
  for (size_t size = 0; size < document.size(); ++size) {
    const Read read = Extract(document.substr(0, size));
    EXPECT_FALSE(read.whole) << size;
  }
}

TEST(Extractor, DoneWithTheLastByte) {
  Log log;
  Extractor extractor(&TestSchema(), &log);
  extractor.Feed(R"({"id":"a")");
  EXPECT_FALSE(extractor.done());
  extractor.Feed("}");
  EXPECT_TRUE(extractor.done());
  extractor.Feed(" \n");
  EXPECT_TRUE(extractor.Finish());
}

TEST(Extractor, NestingOfTenThousandCostsNoMemory) {
  for (const char* open : {"[", "{\"a\":"}) {
    std::string document = "{\"x\":";
    for (int i = 0; i < 10000; ++i) document += open;
    document += "1";
    for (int i = 0; i < 10000; ++i) document += open[0] == '[' ? "]" : "}";
    document += ",\"id\":\"a\"}";
    for (size_t piece : {size_t{0}, size_t{1}, size_t{63}, size_t{64}, size_t{65}}) {
      EXPECT_THAT(Extract(document, piece).lines, ElementsAre("id='a'")) << piece;
    }
  }
  // Deeper than the paths, along a path.
  std::string along = "{\"choices\":";
  for (int i = 0; i < 10000; ++i) along += "[";
  for (int i = 0; i < 10000; ++i) along += "]";
  EXPECT_TRUE(Extract(along + "}").whole);
}

TEST(Extractor, SkippedTextOfEveryAlignment) {
  // Quotes, backslashes and brackets move through all places of a block.
  const std::string nasty = R"(["\\","\"","}]","\\\"{",{"a":"[\\"}])";
  for (size_t shift = 0; shift < 2 * kBlockBytes; ++shift) {
    const std::string document =
        "{\"x\":[\"" + std::string(shift, 'p') + "\"," + nasty + "],\"id\":\"a\"}";
    for (size_t piece : {size_t{0}, size_t{64}, size_t{70}, size_t{1}}) {
      const Read read = Extract(document, piece);
      EXPECT_THAT(read.lines, ElementsAre("id='a'")) << shift << " " << piece;
      EXPECT_TRUE(read.whole);
    }
  }
}

TEST(Extractor, ALongTextComesInPiecesAndIsNotKept) {
  class Sizes final : public Handler {
   public:
    void OnText(Tag, std::string_view piece) override { bytes += piece.size(); }
    size_t bytes = 0;
  } sizes;
  Extractor extractor(&TestSchema(), &sizes);
  extractor.Feed("{\"text\":\"");
  const std::string piece(100000, 'x');
  for (int i = 0; i < 100; ++i) extractor.Feed(piece);
  extractor.Feed("\"}");
  EXPECT_TRUE(extractor.Finish());
  EXPECT_EQ(sizes.bytes, 100 * piece.size());
  EXPECT_LE(extractor.MemoryBytes(), 64u);
}

TEST(Extractor, ResetForgetsTheDocumentBefore) {
  Log log;
  Extractor extractor(&TestSchema(), &log);
  extractor.Feed(R"({"id":"half\u00)");
  extractor.Reset();
  extractor.Feed(R"({"id":"a"})");
  EXPECT_TRUE(extractor.Finish());
  EXPECT_THAT(log.lines, ElementsAre("id='a'"));
}

Scalar Number(std::string_view text) { return {Kind::kNumber, false, false, text}; }

TEST(Scalars, Integers) {
  EXPECT_EQ(ToInteger(Number("12")), 12);
  EXPECT_EQ(ToInteger(Number("-12")), -12);
  EXPECT_EQ(ToInteger(Number("12.0")), 12);
  EXPECT_EQ(ToInteger(Number("1.2e1")), 12);
  EXPECT_EQ(ToInteger(Number("9223372036854775807")), INT64_MAX);
  EXPECT_EQ(ToInteger(Number("12.5")), std::nullopt);
  EXPECT_EQ(ToInteger(Number("1e300")), std::nullopt);
  EXPECT_EQ(ToInteger(Number("9223372036854775808")), std::nullopt);
  EXPECT_EQ(ToInteger({Kind::kString, false, false, "12"}), std::nullopt);
  EXPECT_EQ(ToInteger({Kind::kNull, false, false, "null"}), std::nullopt);
  EXPECT_EQ(ToDouble(Number("0.25")), 0.25);
}

TEST(ExtractorBeginnings, TellTheSameAsReading) {
  const std::vector<std::string> documents = {
      R"({"id":"a","choices":[{"index":0,"delta":{"text":"one"}}]})",
      R"({"id":"a","choices":[{"index":0,"delta":{"text":"two \n"}}]})",
      R"({"id":"a","choices":[{"index":0,"delta":{"text":"three"}}],"usage":{}})",
      R"({"id":"a","choices":[{"index":0,"delta":{"text":4}}]})",
      R"({"id":"b","choices":[{"index":0,"delta":{"text":"five"}}]})",
      R"({"id":"a\u0062 and very long","choices":[{"index":1,"delta":{"text":"six"}}]})",
      R"({"id":"a\u0062 and very long","choices":[{"index":1,"delta":{"text":"seven"}}]})",
      R"({"id":"a","choices":[{"index":0,"delta":{"text":"ei)",
      R"({"text":"nine"})",
      R"({"text":"ten"})",
      R"([1)",
  };
  Log plain_log, expecting_log;
  Extractor plain(&TestSchema(), &plain_log);
  Extractor expecting(&TestSchema(), &expecting_log);
  expecting.ExpectLikeBeginnings();
  for (int round = 0; round < 3; ++round) {
    for (const std::string& document : documents) {
      for (Extractor* extractor : {&plain, &expecting}) {
        extractor->Reset();
        extractor->Feed(document);
      }
      EXPECT_EQ(plain.Finish(), expecting.Finish()) << document;
      EXPECT_EQ(plain_log.lines, expecting_log.lines) << document;
    }
  }
}

TEST(ExtractorBeginnings, LongOnesAreReadEachTime) {
  const std::string document = R"({"either":")" + std::string(600, 'x') + R"(","text":"word"})";
  Log log;
  Extractor extractor(&TestSchema(), &log);
  extractor.ExpectLikeBeginnings();
  for (int i = 0; i < 3; ++i) {
    extractor.Reset();
    extractor.Feed(document);
    EXPECT_TRUE(extractor.Finish());
  }
  EXPECT_EQ(std::count(log.lines.begin(), log.lines.end(), "text~word"), 3);
}

}  // namespace
}  // namespace sonde::json
