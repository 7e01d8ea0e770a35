// An override file may hold anything: it is refused with a line, or it merges into a book that
// answers. Whatever it prices, the total is the sum of the parts.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

#include "agent/pricing/book.h"
#include "agent/pricing/book_merge.h"
#include "agent/pricing/book_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sonde::pricing;  // NOLINT(google-build-using-namespace): one function.
  const BookSource source{.file = "f",
                          .text = std::string(reinterpret_cast<const char*>(data), size)};
  absl::StatusOr<BookData> read = ReadBook(source, 1);
  if (!read.ok()) {
    if (read.status().message().substr(0, 2) != "f:") std::abort();
    return 0;
  }
  BookData merged;
  if (const absl::Status status = MergeBook("f", *read, merged); !status.ok()) {
    if (status.message().substr(0, 2) != "f:") std::abort();
    return 0;
  }
  const Book book(std::move(merged), "1", "hash");
  (void)book.ProviderForHost("localhost", 8443);
  for (const Provider& provider : book.data().providers) {
    for (const Model& model : provider.models) {
      const Quote quote = book.Price({.provider = provider.id,
                                      .response_model = model.id,
                                      .start_unix_ns = 1'790'000'000'000'000'000,
                                      .quantities = {{Unit::kInput, 300'000},
                                                     {Unit::kCacheRead, 7},
                                                     {Unit::kOutput, 999'999'999},
                                                     {Unit::kReasoning, 3}}});
      PicoUsd sum = 0;
      for (const Component& part : quote.components) sum += part.amount.value_or(0);
      if (quote.total.value_or(0) != sum) std::abort();
    }
  }
  return 0;
}
