#include "agent/calls/estimator.h"

#include <algorithm>
#include <array>

namespace sonde::calls {
namespace {

// Per mille of a token per unit of text, for o200k. Prose has 4.7 ASCII bytes to a token, source
// code and JSON 3.3 to 3.9; 4.3 lies between them.
constexpr uint64_t kPerAsciiByte = 233;
// Base64 and hex: 1.44 bytes to a token.
constexpr uint64_t kPerRunByte = 694;
// Chinese text: 0.84 tokens to a character.
constexpr uint64_t kPerWideCharacter = 840;
constexpr uint64_t kPerMessage = 4;
constexpr uint64_t kPerReply = 3;  // The primer of the assistant's turn.

struct Family {
  std::string_view stem;  ///< The model's name begins with it, after any "vendor/".
  uint64_t per_mille;     ///< Tokens relative to o200k.
};

constexpr std::array<Family, 7> kFamilies = {{
    {"claude", 1150},
    {"gemini", 1000},
    {"gemma", 1000},
    {"llama", 1000},
    {"qwen", 1010},
    {"deepseek", 970},
    {"gpt-3.5", 1010},
}};

uint64_t FamilyFactor(std::string_view model) {
  if (const size_t slash = model.rfind('/'); slash != std::string_view::npos) {
    model.remove_prefix(slash + 1);
  }
  for (const Family& family : kFamilies) {
    if (model.substr(0, family.stem.size()) == family.stem) return family.per_mille;
  }
  return 1000;
}

}  // namespace

int64_t EstimateTokens(const dialects::TextStats& text, std::string_view model) {
  // Bodies are bounded by what was captured; the cap only keeps the products below 2^64.
  constexpr uint64_t kMost = uint64_t{1} << 40;
  const uint64_t run = std::min({text.unbroken_run_bytes, text.ascii_bytes, kMost});
  const uint64_t ascii = std::min(text.ascii_bytes - run, kMost);
  const uint64_t wide = std::min(text.wide_characters, kMost);
  const uint64_t milli = ascii * kPerAsciiByte + run * kPerRunByte + wide * kPerWideCharacter;
  constexpr uint64_t kMilli = 1000;
  const uint64_t tokens = (milli / kMilli) * FamilyFactor(model) / kMilli;
  if (tokens == 0) return milli > 0 ? 1 : 0;
  return static_cast<int64_t>(tokens);
}

int64_t EstimatePromptTokens(const dialects::TextStats& text, uint64_t messages,
                             std::string_view model) {
  constexpr uint64_t kMostMessages = 1'000'000;
  return EstimateTokens(text, model) +
         static_cast<int64_t>(std::min(messages, kMostMessages) * kPerMessage + kPerReply);
}

}  // namespace sonde::calls
