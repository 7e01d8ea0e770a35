// Anthropic's messages API.
#ifndef SONDE_DECODERS_DIALECTS_ANTHROPIC_MESSAGES_H_
#define SONDE_DECODERS_DIALECTS_ANTHROPIC_MESSAGES_H_

#include "decoders/dialects/dialect.h"

namespace sonde::dialects {

/// POST */v1/messages on any host. Counting (.../count_tokens) and batches cost nothing there and
/// are not calls.
extern const Dialect kAnthropicMessages;

}  // namespace sonde::dialects

#endif  // SONDE_DECODERS_DIALECTS_ANTHROPIC_MESSAGES_H_
