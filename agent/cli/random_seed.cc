#include "agent/cli/random_seed.h"

#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "agent/export/text.h"

namespace sonde::cli {

std::string RandomSeed() {
  std::array<uint8_t, 16> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    return absl::StrCat(now.tv_sec, ".", now.tv_nsec, ".", getpid());
  }
  return exporter::Hex(bytes);
}

}  // namespace sonde::cli
