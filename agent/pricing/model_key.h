// From a model's name as sent to the key that the book is asked for.
#ifndef SONDE_AGENT_PRICING_MODEL_KEY_H_
#define SONDE_AGENT_PRICING_MODEL_KEY_H_

#include <optional>
#include <string>
#include <string_view>

#include "agent/pricing/book_data.h"

namespace sonde::pricing {

/// Names are cut to this many bytes: names in replies are not trusted.
inline constexpr size_t kMaxModelNameBytes = 128;

struct ModelKey {
  std::string raw;            ///< Lower case, trimmed, cut; tried first.
  std::string plain;          ///< Without path prefixes, region and version.
  std::string region_class;   ///< Bedrock's region prefix: "global", "us", "eu", ...
  std::string_view unpriced;  ///< A reason why no price can be right: fine_tune, opaque_profile.
};

ModelKey MakeModelKey(std::string_view name, ModelKeyForm form);

/// The name without one valid calendar suffix: -YYYY-MM-DD, -YYYYMMDD, -MMDD, @YYYYMMDD.
std::optional<std::string_view> WithoutDate(std::string_view name);

/// Whether `rest` is a bounded continuation of a family's stem: "-latest", "-preview", "-exp", the
/// last two also with dated or numbered tails, three digits or more, "-vN", "-vN:M". Anything with
/// another word in it ("-preview-tts") may be another product at another price.
bool IsFamilyRest(std::string_view rest);

/// '*' stands for any characters, none included.
bool MatchesGlob(std::string_view glob, std::string_view text);

}  // namespace sonde::pricing

#endif  // SONDE_AGENT_PRICING_MODEL_KEY_H_
