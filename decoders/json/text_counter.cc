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

bool IsBreak(char c) { return static_cast<signed char>(c) <= ' '; }

}  // namespace

void TextCounter::Add(std::string_view piece) {
  const char* p = piece.data();
  uint64_t rest = piece.size();
  for (; rest >= kBlockBytes; rest -= kBlockBytes, p += kBlockBytes) AddBlock(p);
  AddBytes(p, rest);
}

void TextCounter::AddBlock(const char* bytes) {
  const Block block(bytes);
  const uint64_t high = block.High();
  ascii_ += kBlockBytes - static_cast<uint64_t>(std::popcount(high));
  if (high != 0) wide_ += static_cast<uint64_t>(std::popcount(block.Leads()));
  const uint64_t breaks = block.AtMost(' ');
  if (breaks == 0) {
    run_ += kBlockBytes;
    return;
  }
  // The open run ends at the first break, a new one begins after the last. A long run that lies
  // wholly inside is rare.
  const int first = std::countr_zero(breaks);
  const int after_last = std::countl_zero(breaks);
  run_ += static_cast<uint64_t>(first);
  Break();
  if (HasLongRun(~breaks)) {
    const int last = 63 - after_last;
    for (int i = first + 1; i <= last; ++i) {
      (breaks >> i & 1) != 0 ? Break() : static_cast<void>(++run_);
    }
  }
  run_ = static_cast<uint64_t>(after_last);
}

void TextCounter::AddBytes(const char* bytes, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    ascii_ += byte < 0x80;
    wide_ += byte >= 0xc0;
    if (IsBreak(bytes[i])) {
      Break();
    } else {
      ++run_;
    }
  }
}

void TextCounter::Break() {
  if (run_ >= kLongRun) long_ += run_;
  run_ = 0;
}

}  // namespace sonde::json
