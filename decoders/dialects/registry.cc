#include <string>

#include "decoders/dialects/anthropic_messages.h"
#include "decoders/dialects/dialect.h"
#include "decoders/dialects/openai_chat.h"

namespace sonde::dialects {
namespace {

/// First match wins. A dialect is added here.
const Dialect* const kDialects[] = {&kOpenAiChat, &kAnthropicMessages};

}  // namespace

const Dialect* Recognize(const wire::RequestHead& head) {
  for (const Dialect* dialect : kDialects) {
    if (dialect->matches(head)) return dialect;
  }
  return nullptr;
}

const Dialect* RecognizeReply(std::string_view body) {
  for (const Dialect* dialect : kDialects) {
    if (dialect->matches_reply(body)) return dialect;
  }
  return nullptr;
}

bool HoldsMember(std::string_view body, std::string_view key, std::string_view value) {
  const std::string name = "\"" + std::string(key) + "\":";
  for (size_t at = body.find(name); at != std::string_view::npos; at = body.find(name, at + 1)) {
    std::string_view rest = body.substr(at + name.size());
    if (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    if (!rest.empty() && rest.front() == '"' && rest.substr(1, value.size()) == value) return true;
  }
  return false;
}

}  // namespace sonde::dialects
