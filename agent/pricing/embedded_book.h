// The book built into the binary: agent/pricing/data/pricebook.json, byte for byte.
#ifndef SONDE_AGENT_PRICING_EMBEDDED_BOOK_H_
#define SONDE_AGENT_PRICING_EMBEDDED_BOOK_H_

#include <string_view>

namespace sonde::pricing {

/// Lives as long as the program.
std::string_view EmbeddedBook();

/// Its name in messages.
inline constexpr std::string_view kEmbeddedBookName = "built-in price book";

}  // namespace sonde::pricing

#endif  // SONDE_AGENT_PRICING_EMBEDDED_BOOK_H_
