#include "agent/discovery/tls_family.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "agent/discovery/openssl_family.h"

namespace sonde::discovery {
namespace {

/// TLS code that is recognised by the name of its file but cannot be probed yet.
struct KnownFile {
  std::string_view family;
  std::string_view stem;  ///< The file's name begins with it.
};

constexpr KnownFile kKnownFiles[] = {
    {"gnutls", "libgnutls.so"},   {"nss", "libssl3.so"},        {"nss", "libnss3.so"},
    {"mbedtls", "libmbedtls.so"}, {"wolfssl", "libwolfssl.so"}, {"s2n", "libs2n.so"},
    {"java", "libjvm.so"},        {"rustls", "librustls"},      {"rustls", "_rustls"},
};

std::string_view BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::vector<Probe> Resolve(const TlsFamily& family, const Functions& functions) {
  std::vector<Probe> probes;
  for (const ProbeSpec& spec : family.probes) {
    const auto found = functions.offsets.find(std::string(spec.function));
    if (found == functions.offsets.end()) continue;
    probes.push_back(Probe{std::string(spec.function), std::string(spec.program), found->second,
                           spec.at_return});
  }
  return probes;
}

Finding Unsupported(std::string_view family) {
  return Finding{std::string(family),
                 "",
                 absl::StrCat("TLS of ", std::string(family), " is not supported yet"),
                 {}};
}

/// A libssl whose functions have no names, by its own name.
bool LooksLikeOpenssl(std::string_view base) {
  return base.starts_with("libssl.so") || base.starts_with("libssl-");
}

}  // namespace

std::span<const TlsFamily* const> TlsFamilies() {
  static const TlsFamily* const kFamilies[] = {&OpensslFamily()};
  return kFamilies;
}

std::optional<Finding> InspectFile(const std::string& name, const std::string& readable) {
  absl::StatusOr<ElfFile> file = ElfFile::Open(readable);
  if (!file.ok()) return std::nullopt;
  const std::string_view base = BaseName(name);
  for (const TlsFamily* family : TlsFamilies()) {
    const bool by_name = LooksLikeOpenssl(base);
    std::set<std::string_view> names;
    for (const ProbeSpec& probe : family->probes) names.insert(probe.function);
    const Functions functions = file->FindFunctions(names, family->required, by_name);
    if (functions.offsets.empty()) continue;
    return Finding{std::string(family->name), functions.rung, "", Resolve(*family, functions)};
  }
  if (LooksLikeOpenssl(base)) {
    return Finding{
        "openssl", "", "its functions have no names in the file, and no debug file was found", {}};
  }
  for (const KnownFile& known : kKnownFiles) {
    if (base.starts_with(known.stem)) return Unsupported(known.family);
  }
  // Only programs, not libraries: a Go plug-in would be met through its program.
  if (file->HasSection(".gopclntab") || file->HasSection(".go.buildinfo")) return Unsupported("go");
  return std::nullopt;
}

}  // namespace sonde::discovery
