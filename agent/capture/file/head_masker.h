// The head of one HTTP/1.x message: masks credentials as bytes pass and learns how the body is
// framed. Works on any split of the bytes and holds no more of them than a header's name.
#ifndef SONDE_AGENT_CAPTURE_FILE_HEAD_MASKER_H_
#define SONDE_AGENT_CAPTURE_FILE_HEAD_MASKER_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/capture/file/secrets.h"

namespace sonde::capture {

/// Text of a few bytes; what is longer is cut and known to be.
template <size_t N>
class SmallText {
 public:
  void Clear() { size_ = 0, cut_ = false; }
  void Add(char c) {
    if (size_ < N) {
      text_[size_++] = c;
    } else {
      cut_ = true;
    }
  }
  /// Without blanks at the end.
  std::string_view view() const {
    size_t size = size_;
    while (size > 0 && (text_[size - 1] == ' ' || text_[size - 1] == '\t')) --size;
    return {text_, size};
  }
  bool cut() const { return cut_; }
  bool empty() const { return size_ == 0; }

 private:
  char text_[N];
  uint16_t size_ = 0;
  bool cut_ = false;
};

/// Masks the values of telling parameters in URLs: "?key=V&x=1", or of all. One per line of a head.
class QueryMasker {
 public:
  explicit QueryMasker(bool all = false) : all_(all) {}
  void Reset() { *this = QueryMasker(all_); }
  bool all() const { return all_; }
  /// `ahead`: see SecretValue.
  char Mask(char c, std::string_view ahead);

 private:
  enum class State : uint8_t { kText, kName, kPlainValue, kSecretValue };
  bool all_;
  State state_ = State::kText;
  SmallText<40> name_;
  SecretValue value_;
};

/// Masks the strings under telling names in a header's value that is JSON: {"api_key":"V"}.
class JsonValueMasker {
 public:
  void Reset() { *this = JsonValueMasker(); }
  /// Takes each byte of a value. Returns whether it lies in a string that is to be masked.
  bool InSecret(char c);
  bool is_json() const { return state_ != State::kBegin && state_ != State::kOther; }

 private:
  enum class State : uint8_t { kBegin, kStructure, kString, kEscape, kOther };
  State state_ = State::kBegin;
  bool secret_ = false;  ///< The member being read has a telling name.
  uint8_t lists_ = 0;    ///< Lists that are open in it.
  char last_ = 0;        ///< Of the name.
  SmallText<40> name_;   ///< The last string; "apiKey" as "api_key".
};

/// What a head says of the body behind it.
struct HeadFacts {
  bool response = false;
  int status = 0;
  bool head_method = false;  ///< HEAD: its reply has no body whatever it says.
  bool connect_method = false;
  bool chunked = false;
  bool other_coding = false;  ///< A transfer coding whose end is not known.
  bool bad_framing = false;   ///< Lengths that contradict each other or are none.
  std::optional<uint64_t> length;
  bool encoded = false;  ///< Content-Encoding other than identity.
  bool event_stream = false;
  bool json = false;
  bool typed = false;  ///< A Content-Type was stated.
};

class HeadMasker {
 public:
  /// `all_queries`: masks the values of every parameter of URLs, not only those of telling ones.
  explicit HeadMasker(bool all_queries = false) : query_(all_queries) {}

  enum class Step : uint8_t {
    kMore,     ///< The byte belongs to the head; store what was returned.
    kDone,     ///< It was the head's last.
    kNotHttp,  ///< This is no HTTP/1.x head; the byte must not be stored.
    kPreface,  ///< The start line is HTTP/2's preface; the byte ends it.
  };

  /// Replaces the byte by what may be stored. `ahead` are the bytes behind it in the same event.
  Step Feed(char* byte, std::string_view ahead);
  /// For the trailer section of a chunked body: header lines only.
  void BeginTrailer();
  const HeadFacts& facts() const { return facts_; }
  /// Whether anything but an empty line came so far.
  bool started() const { return state_ != State::kBefore; }

 private:
  enum class State : uint8_t {
    kBefore,
    kMethod,
    kTarget,
    kAuthority,
    kVersionLine,
    kLineStart,
    kName,
    kValue,
    kEnd,
  };
  Step FeedStartLine(char* byte, std::string_view ahead);
  Step FeedTarget(char* byte, std::string_view ahead);
  Step EndStartLine();
  Step FeedHeader(char* byte, std::string_view ahead);
  void BeginValue();
  void FeedValue(char* byte, std::string_view ahead);
  void EndHeader();
  void ReadLength(std::string_view text);

  State state_ = State::kBefore;
  bool trailer_ = false;
  uint32_t bytes_ = 0;
  SmallText<24> method_;
  SmallText<12> version_;  ///< The last word of a request's line, the first ones of a reply's.
  uint8_t slashes_ = 0;    ///< Of "://" in a target.
  bool mask_user_ = false;
  SmallText<64> name_;
  SmallText<64> value_;
  bool keep_value_ = false;
  HeaderRule rule_ = HeaderRule::kPlain;
  SecretValue secret_;
  QueryMasker query_;
  JsonValueMasker json_;
  HeadFacts facts_;
};

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_FILE_HEAD_MASKER_H_
