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

}  // namespace sonde::dialects
