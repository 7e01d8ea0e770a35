// Tokens of text that nobody counted for us. Always marked as an estimate; see docs/estimates.md
// for the factors, their source and their error.
#ifndef SONDE_AGENT_CALLS_ESTIMATOR_H_
#define SONDE_AGENT_CALLS_ESTIMATOR_H_

#include <cstdint>
#include <string_view>

#include "decoders/dialects/facts.h"

namespace sonde::calls {

/// Tokens of text of these script classes under the tokenizer of the model's family. Integer
/// arithmetic only: equal input gives equal output everywhere.
int64_t EstimateTokens(const dialects::TextStats& text, std::string_view model);

/// The same for a prompt: with what a chat template adds per message.
int64_t EstimatePromptTokens(const dialects::TextStats& text, uint64_t messages,
                             std::string_view model);

}  // namespace sonde::calls

#endif  // SONDE_AGENT_CALLS_ESTIMATOR_H_
