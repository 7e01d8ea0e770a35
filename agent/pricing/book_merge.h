// Lays one file over what is there: by provider id, then model id, then card key.
#ifndef SONDE_AGENT_PRICING_BOOK_MERGE_H_
#define SONDE_AGENT_PRICING_BOOK_MERGE_H_

#include <string>

#include "absl/status/status.h"
#include "agent/pricing/book_data.h"

namespace sonde::pricing {

/// Names, stems, hosts and cards are added, a card with the same key is replaced, `delete` removes,
/// everything else that is stated replaces. A name given to a model is taken from any other model
/// of the provider. Errors (an unknown provider, a model without any price) name `file` and line;
/// `base` is then half merged and must be dropped.
absl::Status MergeBook(const std::string& file, const BookData& addition, BookData& base);

}  // namespace sonde::pricing

#endif  // SONDE_AGENT_PRICING_BOOK_MERGE_H_
