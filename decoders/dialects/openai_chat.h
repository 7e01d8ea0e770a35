// OpenAI chat completions, and the many servers that speak them.
#ifndef SONDE_DECODERS_DIALECTS_OPENAI_CHAT_H_
#define SONDE_DECODERS_DIALECTS_OPENAI_CHAT_H_

#include "decoders/dialects/dialect.h"

namespace sonde::dialects {

/// POST */chat/completions on any host. Calls on stored completions (.../chat/completions/{id}) are
/// not model calls.
extern const Dialect kOpenAiChat;

}  // namespace sonde::dialects

#endif  // SONDE_DECODERS_DIALECTS_OPENAI_CHAT_H_
