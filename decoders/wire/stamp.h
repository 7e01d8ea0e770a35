#ifndef SONDE_DECODERS_WIRE_STAMP_H_
#define SONDE_DECODERS_WIRE_STAMP_H_

#include <cstdint>

namespace sonde::wire {

/// When bytes moved, in the caller's clock. Decoders carry it from input to output and never read
/// a clock themselves.
struct Stamp {
  uint64_t begin_ns = 0;  ///< The invocation that moved the bytes was entered.
  uint64_t end_ns = 0;    ///< It returned.
};

}  // namespace sonde::wire

#endif  // SONDE_DECODERS_WIRE_STAMP_H_
