#include "decoders/json/text_counter.h"

#include <bit>
#include <cstring>

#include "decoders/json/scan.h"

namespace sonde::json {
namespace {

static_assert(TextCounter::kLongRun == 40, "HasLongRun() looks for runs of 40 bits");

/// Whether `bits` has 40 set bits in a row.
bool HasLongRun(uint64_t bits) {
  bits &= bits >> 1;  // 2
  bits &= bits >> 2;  // 4
  bits &= bits >> 4;  // 8
  const uint64_t eight = bits;
  bits &= bits >> 8;   // 16
  bits &= bits >> 16;  // 32
  return (bits & eight >> 32) != 0;
}

}  // namespace

void TextCounter::Add(std::string_view piece) {
  const char* p = piece.data();
  size_t rest = piece.size();
  for (; rest >= kBlockBytes; rest -= kBlockBytes, p += kBlockBytes) AddBlock(p, kBlockBytes);
  if (rest == 0) return;
  char padded[kBlockBytes];
  memcpy(padded, p, rest);
  AddBlock(padded, rest);
}

/// `count`: bytes of the block that are text, at least one.
void TextCounter::AddBlock(const char* bytes, size_t count) {
  const Block block(bytes);
  const uint64_t text = count == kBlockBytes ? ~uint64_t{0} : (uint64_t{1} << count) - 1;
  const uint64_t breaks = block.AtMost(' ') & text;
  ascii_ += count;
  if (const uint64_t high = block.High() & text; high != 0) {
    ascii_ -= static_cast<uint64_t>(std::popcount(high));
    wide_ += static_cast<uint64_t>(std::popcount(block.Leads() & text));
  }
  if (breaks == 0) {
    run_ += count;
    return;
  }
  // The open run ends at the first break, a new one begins after the last. A long run that lies
  // wholly inside is rare.
  const int first = std::countr_zero(breaks);
  const int last = 63 - std::countl_zero(breaks);
  run_ += static_cast<uint64_t>(first);
  Break();
  if (last - first > static_cast<int>(kLongRun) && HasLongRun(~breaks & text)) {
    for (int i = first + 1; i <= last; ++i) {
      (breaks >> i & 1) != 0 ? Break() : static_cast<void>(++run_);
    }
  }
  run_ = count - 1 - static_cast<uint64_t>(last);
}

void TextCounter::Break() {
  if (run_ >= kLongRun) long_ += run_;
  run_ = 0;
}

}  // namespace sonde::json
