// `sonde doctor`: what this host supports, found out by trying.
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "agent/capture/features/features.h"
#include "agent/cli/commands.h"

namespace sonde::cli {

int DoctorCommand() {
  utsname kernel{};
  uname(&kernel);
  std::printf("kernel        %s %s (%s)\n", kernel.sysname, kernel.release, kernel.machine);
  const absl::Status host = capture::CheckHost();
  if (!host.ok()) {
    std::printf("capture       no: %s\n", std::string(host.message()).c_str());
    return 1;
  }
  std::printf("capture       yes\n");
  std::printf("probes        %s\n",
              capture::HasUprobeMulti()
                  ? "uprobe_multi (one link for all probes of a file)"
                  : "one perf event per probe (uprobe_multi needs Linux 6.6)");
  std::printf("TLS families  OpenSSL 1.1 to 3.x (libssl, or inside the executable, as in Node)\n");
  std::printf("protocols     HTTP/1.1; HTTP/2 and QUIC are counted, not decoded\n");
  std::printf("APIs          OpenAI chat completions, Anthropic messages\n");
  return 0;
}

}  // namespace sonde::cli
