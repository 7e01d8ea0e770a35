#include "agent/pricing/model_key.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/time/civil_time.h"

namespace sonde::pricing {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool AllDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsDigit);
}

bool TakePrefix(std::string_view prefix, std::string_view& text) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

int Number(std::string_view digits) {
  int value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  return value;
}

/// A day that exists; the year of "0229" may be any.
bool IsDay(int year, int month, int day) {
  if (month < 1 || month > 12 || day < 1) return false;
  const absl::CivilDay civil(year, month, day);
  return civil.month() == month && civil.day() == day;
}

bool IsYear(int year) { return year >= 2000 && year <= 2099; }

std::string PercentDecoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() &&
                        absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 1])) &&
                        absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 2]));
    if (!escape) {
      out += text[i];
      continue;
    }
    const auto nibble = [](char c) { return IsDigit(c) ? c - '0' : (c | 0x20) - 'a' + 10; };
    out += static_cast<char>(nibble(text[i + 1]) * 16 + nibble(text[i + 2]));
    i += 2;
  }
  return out;
}

/// "-v2", "-v2:0", "-v1:0:200k", ":0" at the end: Bedrock's versions.
std::string_view WithoutBedrockVersion(std::string_view id) {
  const size_t v = id.rfind("-v");
  if (v != std::string_view::npos && v + 2 < id.size()) {
    const std::string_view rest = id.substr(v + 2);
    const std::string_view version = rest.substr(0, rest.find(':'));
    if (AllDigits(version)) return id.substr(0, v);
  }
  const size_t colon = id.rfind(':');
  if (colon != std::string_view::npos && AllDigits(id.substr(colon + 1))) {
    return id.substr(0, colon);
  }
  return id;
}

constexpr std::string_view kRegionPrefixes[] = {"us-gov", "global", "apac", "us", "eu",
                                                "jp",     "au",     "ca",   "in"};

void ReadBedrock(ModelKey& key) {
  const std::string decoded = PercentDecoded(key.plain);
  std::string_view id = decoded;
  if (id.substr(0, 4) == "arn:") {
    const auto has = [id](std::string_view part) { return id.find(part) != id.npos; };
    if (has(":custom-model")) key.unpriced = "fine_tune";
    if (has(":application-inference-profile/") || has(":provisioned-model/") ||
        has(":imported-model/")) {
      key.unpriced = "opaque_profile";
    }
    id.remove_prefix(std::min(id.size(), id.rfind('/') + 1));
  }
  for (const std::string_view region : kRegionPrefixes) {
    if (id.size() > region.size() && id.substr(0, region.size()) == region &&
        id[region.size()] == '.') {
      key.region_class = region;
      id.remove_prefix(region.size() + 1);
      break;
    }
  }
  key.plain = WithoutBedrockVersion(id);
}

}  // namespace

ModelKey MakeModelKey(std::string_view name, ModelKeyForm form) {
  ModelKey key;
  absl::string_view trimmed =
      absl::StripAsciiWhitespace(absl::string_view(name.data(), name.size()));
  // A Bedrock ARN is longer than any name before its tail.
  const size_t limit = form == ModelKeyForm::kBedrock ? 4 * kMaxModelNameBytes : kMaxModelNameBytes;
  key.raw = absl::AsciiStrToLower(trimmed.substr(0, limit));
  std::string_view plain = key.raw;
  if (plain.substr(0, 3) == "ft:" || plain.find(".ft-") != plain.npos) key.unpriced = "fine_tune";
  if (TakePrefix("publishers/", plain)) {
    const size_t models = plain.find("/models/");
    plain = models == plain.npos ? std::string_view(key.raw) : plain.substr(models + 8);
  } else if (!TakePrefix("models/", plain)) {
    TakePrefix("accounts/fireworks/models/", plain);
  }
  key.plain = plain;
  if (form == ModelKeyForm::kBedrock) ReadBedrock(key);
  return key;
}

std::optional<std::string_view> WithoutDate(std::string_view name) {
  const auto tail = [name](size_t length) {
    return name.size() > length ? name.substr(name.size() - length) : std::string_view();
  };
  const auto rest = [name](size_t length) { return name.substr(0, name.size() - length); };
  if (const std::string_view t = tail(11); !t.empty() && t[0] == '-' && t[5] == '-' &&
                                           t[8] == '-' && AllDigits(t.substr(1, 4)) &&
                                           AllDigits(t.substr(6, 2)) && AllDigits(t.substr(9))) {
    const int year = Number(t.substr(1, 4));
    if (IsYear(year) && IsDay(year, Number(t.substr(6, 2)), Number(t.substr(9)))) return rest(11);
    return std::nullopt;
  }
  if (const std::string_view t = tail(9);
      !t.empty() && (t[0] == '-' || t[0] == '@') && AllDigits(t.substr(1))) {
    const int year = Number(t.substr(1, 4));
    if (IsYear(year) && IsDay(year, Number(t.substr(5, 2)), Number(t.substr(7)))) return rest(9);
    return std::nullopt;
  }
  if (const std::string_view t = tail(5); !t.empty() && t[0] == '-' && AllDigits(t.substr(1))) {
    constexpr int kLeapYear = 2024;
    if (IsDay(kLeapYear, Number(t.substr(1, 2)), Number(t.substr(3)))) return rest(5);
  }
  return std::nullopt;
}

bool IsFamilyRest(std::string_view rest) {
  if (rest == "-latest") return true;
  if (TakePrefix("-preview", rest) || TakePrefix("-exp", rest)) {
    const bool plain =
        std::all_of(rest.begin(), rest.end(), [](char c) { return IsDigit(c) || c == '-'; });
    return rest.empty() || (rest[0] == '-' && rest.size() > 1 && plain);
  }
  if (TakePrefix("-v", rest)) {
    const size_t colon = rest.find(':');
    return AllDigits(rest.substr(0, colon)) &&
           (colon == rest.npos || AllDigits(rest.substr(colon + 1)));
  }
  return TakePrefix("-", rest) && rest.size() >= 3 && AllDigits(rest);
}

bool MatchesGlob(std::string_view glob, std::string_view text) {
  size_t g = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t resume = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      resume = t;
    } else if (g < glob.size() && glob[g] == text[t]) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

}  // namespace sonde::pricing
