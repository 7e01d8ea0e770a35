#include "decoders/dialects/fuzz/dialect_fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return sonde::dialects::testing::FuzzDialect("/v1/messages", data, size);
}
