#include "agent/calls/errors.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace sonde::calls {
namespace {

struct Word {
  std::string_view word;
  ErrorClass error;
};

/// Codes and types of the providers (OpenAI and Azure error objects, Anthropic error types). A word
/// stands here when it alone says what went wrong.
constexpr std::array<Word, 37> kWords = {{
    {"invalid_api_key", ErrorClass::kAuth},
    {"incorrect_api_key", ErrorClass::kAuth},
    {"invalid_authentication", ErrorClass::kAuth},
    {"authentication_error", ErrorClass::kAuth},
    {"account_deactivated", ErrorClass::kAuth},
    {"permission_error", ErrorClass::kAuth},
    {"permission_denied", ErrorClass::kAuth},
    {"unsupported_country_region_territory", ErrorClass::kAuth},
    {"insufficient_permissions", ErrorClass::kAuth},
    {"rate_limit_exceeded", ErrorClass::kRateLimit},
    {"rate_limit_error", ErrorClass::kRateLimit},
    {"too_many_requests", ErrorClass::kRateLimit},
    {"requests", ErrorClass::kRateLimit},  // OpenAI's type names the limit that was hit.
    {"tokens", ErrorClass::kRateLimit},
    {"insufficient_quota", ErrorClass::kQuota},
    {"billing_error", ErrorClass::kQuota},
    {"billing_hard_limit_reached", ErrorClass::kQuota},
    {"billing_not_active", ErrorClass::kQuota},
    {"quota_exceeded", ErrorClass::kQuota},
    {"insufficient_balance", ErrorClass::kQuota},
    {"overloaded_error", ErrorClass::kOverloaded},
    {"overloaded", ErrorClass::kOverloaded},
    {"engine_overloaded", ErrorClass::kOverloaded},
    {"slow_down", ErrorClass::kOverloaded},
    {"context_length_exceeded", ErrorClass::kContextLength},
    {"string_above_max_length", ErrorClass::kContextLength},
    {"model_context_window_exceeded", ErrorClass::kContextLength},
    {"content_filter", ErrorClass::kContentFilter},
    {"content_policy_violation", ErrorClass::kContentFilter},
    {"invalid_prompt", ErrorClass::kContentFilter},
    {"responsibleaipolicyviolation", ErrorClass::kContentFilter},
    {"timeout_error", ErrorClass::kTimeout},
    {"timeout", ErrorClass::kTimeout},
    {"request_timeout", ErrorClass::kTimeout},
    {"not_found_error", ErrorClass::kInvalidRequest},
    {"model_not_found", ErrorClass::kInvalidRequest},
    {"request_too_large", ErrorClass::kInvalidRequest},
}};

/// Words that leave the status, or the message, to say more.
constexpr std::array<Word, 4> kGeneralWords = {{
    {"invalid_request_error", ErrorClass::kInvalidRequest},
    {"api_error", ErrorClass::kServer},
    {"server_error", ErrorClass::kServer},
    {"internal_server_error", ErrorClass::kServer},
}};

template <size_t kSize>
ErrorClass Find(const std::array<Word, kSize>& words, std::string_view text) {
  const std::string lower =
      absl::AsciiStrToLower(absl::string_view(text.data(), std::min<size_t>(text.size(), 64)));
  for (const Word& entry : words) {
    if (lower == entry.word) return entry.error;
  }
  return ErrorClass::kNone;
}

bool Contains(const std::string& message, std::string_view part) {
  return absl::AsciiStrToLower(message).find(part) != std::string::npos;
}

ErrorClass OfStatus(int status) {
  switch (status) {
    case 401:
    case 403:
    case 407:
      return ErrorClass::kAuth;
    case 402:
      return ErrorClass::kQuota;
    case 408:
    case 504:
      return ErrorClass::kTimeout;
    case 429:
      return ErrorClass::kRateLimit;
    case 529:
      return ErrorClass::kOverloaded;
    default:
      if (status >= 500) return ErrorClass::kServer;
      return status >= 400 ? ErrorClass::kInvalidRequest : ErrorClass::kNone;
  }
}

/// What only the message tells.
ErrorClass OfMessage(int status, const dialects::ErrorFacts& error) {
  const bool fault = status == 400 || status == 413 || error.in_stream ||
                     Find(kGeneralWords, error.type) == ErrorClass::kInvalidRequest;
  if (fault && (Contains(error.message, "maximum context length") ||
                Contains(error.message, "prompt is too long") ||
                Contains(error.message, "exceeds the context window") ||
                Contains(error.message, "exceed context limit"))) {
    return ErrorClass::kContextLength;
  }
  if (fault && Contains(error.message, "credit balance is too low")) return ErrorClass::kQuota;
  if (fault && Contains(error.message, "content filtering policy")) {
    return ErrorClass::kContentFilter;
  }
  if ((status == 503 || error.in_stream) && Contains(error.message, "overloaded")) {
    return ErrorClass::kOverloaded;
  }
  return ErrorClass::kNone;
}

/// A word a metric can carry: no blanks, not a number that repeats the status, not prose.
bool IsLabel(std::string_view text, int status) {
  constexpr size_t kLongestLabel = 64;
  if (text.empty() || text.size() > kLongestLabel) return false;
  if (text == absl::StrCat(status)) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.';
  });
}

}  // namespace

ErrorClass Classify(int status, const dialects::ErrorFacts& error) {
  if (!error.present) return OfStatus(status);
  for (const std::string* word : {&error.code, &error.type}) {
    const ErrorClass found = Find(kWords, *word);
    if (found != ErrorClass::kNone && found != ErrorClass::kInvalidRequest) return found;
  }
  const ErrorClass by_message = OfMessage(status, error);
  if (by_message != ErrorClass::kNone) return by_message;
  const ErrorClass by_status = OfStatus(status);
  if (by_status != ErrorClass::kNone) return by_status;
  // An error on a status below 400.
  for (const std::string* word : {&error.code, &error.type}) {
    if (const ErrorClass found = Find(kWords, *word); found != ErrorClass::kNone) return found;
    if (const ErrorClass found = Find(kGeneralWords, *word); found != ErrorClass::kNone) {
      return found;
    }
  }
  int stated = 0;  // OpenRouter and Azure gateways put a status into `code`.
  if (absl::SimpleAtoi(error.code, &stated) && OfStatus(stated) != ErrorClass::kNone) {
    return OfStatus(stated);
  }
  return ErrorClass::kServer;
}

std::string ErrorType(int status, const dialects::ErrorFacts& error, ErrorClass error_class) {
  if (error.present && IsLabel(error.code, status)) return error.code;
  if (error.present && IsLabel(error.type, status)) return error.type;
  if (status >= 400) return absl::StrCat(status);
  return std::string(ErrorClassName(error_class));
}

}  // namespace sonde::calls
