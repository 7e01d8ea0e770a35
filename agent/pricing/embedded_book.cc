#include "agent/pricing/embedded_book.h"

// The assembler reads the file: no generated source and no copy. CMake makes this file depend on
// it.
__asm__(
    ".section .rodata\n"
    ".balign 16\n"
    ".type sonde_embedded_book, @object\n"
    "sonde_embedded_book:\n"
    ".incbin \"" SONDE_PRICEBOOK_FILE
    "\"\n"
    "sonde_embedded_book_end:\n"
    ".byte 0\n"
    ".size sonde_embedded_book, sonde_embedded_book_end - sonde_embedded_book\n"
    ".previous\n");

extern "C" {
// NOLINTBEGIN(readability-identifier-naming): assembler labels.
extern const char sonde_embedded_book[] __attribute__((visibility("hidden")));
extern const char sonde_embedded_book_end[] __attribute__((visibility("hidden")));
// NOLINTEND(readability-identifier-naming)
}

namespace sonde::pricing {

std::string_view EmbeddedBook() {
  return {sonde_embedded_book, static_cast<size_t>(sonde_embedded_book_end - sonde_embedded_book)};
}

}  // namespace sonde::pricing
