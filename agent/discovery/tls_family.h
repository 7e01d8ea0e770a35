// TLS libraries that Sonde can probe, one pair of files each, and what is known of the others.
#ifndef SONDE_AGENT_DISCOVERY_TLS_FAMILY_H_
#define SONDE_AGENT_DISCOVERY_TLS_FAMILY_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/discovery/elf_file.h"

namespace sonde::discovery {

/// One function and the kernel program that watches it.
struct ProbeSpec {
  std::string_view function;
  std::string_view program;  ///< Name in the family's BPF object.
  bool at_return = false;
};

/// To add a family: write its programs in bpf/, a file like openssl_family.cc, and add it to the
/// table in tls_family.cc.
struct TlsFamily {
  std::string_view name;      ///< As LibraryFound tells it.
  std::string_view required;  ///< A file that does not define this one is not of the family.
  std::span<const ProbeSpec> probes;
};

/// All families that can be probed.
std::span<const TlsFamily* const> TlsFamilies();

struct Probe {
  std::string function;
  std::string program;
  uint64_t offset = 0;  ///< In the file.
  bool at_return = false;
};

/// What an executable file turned out to be.
struct Finding {
  std::string family;
  std::string rung;     ///< Empty when nothing was resolved.
  std::string problem;  ///< Why it cannot be probed; empty when `probes` is not.
  std::vector<Probe> probes;
};

/// Looks into one file. `name` is its path as the process sees it, `readable` a path under which
/// this process can open the same file. Nothing when it holds no TLS code that is recognised.
std::optional<Finding> InspectFile(const std::string& name, const std::string& readable);

}  // namespace sonde::discovery

#endif  // SONDE_AGENT_DISCOVERY_TLS_FAMILY_H_
