#include "agent/export/otlp/test_certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>

namespace sonde::exporter {
namespace {

struct KeyDeleter {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct CertificateDeleter {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Key = std::unique_ptr<EVP_PKEY, KeyDeleter>;
using Certificate = std::unique_ptr<X509, CertificateDeleter>;

constexpr long kValidSeconds = 3600;

void Extend(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  if (extension == nullptr) std::abort();
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Signed by `issuer`, or by itself when that is null (then it is an authority).
Certificate Sign(const char* name, long serial, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key) {
  Certificate certificate(X509_new());
  constexpr long kVersion3 = 2;
  X509_set_version(certificate.get(), kVersion3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kValidSeconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kValidSeconds);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509* signer = issuer == nullptr ? certificate.get() : issuer;
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
  if (issuer == nullptr) {
    Extend(certificate.get(), signer, NID_basic_constraints, "critical,CA:TRUE");
  } else {
    Extend(certificate.get(), signer, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  }
  if (X509_sign(certificate.get(), issuer_key, EVP_sha256()) == 0) std::abort();
  return certificate;
}

Key NewKey() { return Key(EVP_EC_gen("P-256")); }

template <typename Write>
void WriteFile(const std::string& path, Write write) {
  FILE* file = std::fopen(path.c_str(), "we");
  if (file == nullptr || write(file) == 0 || std::fclose(file) != 0) std::abort();
}

void WritePair(const TestCertificates& folder, const std::string& name, X509* certificate,
               EVP_PKEY* key) {
  WriteFile(folder.Path(name + ".pem"),
            [&](FILE* file) { return PEM_write_X509(file, certificate); });
  WriteFile(folder.Path(name + ".key"), [&](FILE* file) {
    return PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  });
}

}  // namespace

TestCertificates::TestCertificates() {
  std::string pattern = (std::filesystem::temp_directory_path() / "sonde-ca-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) std::abort();
  folder_ = pattern;
  const Key authority_key = NewKey();
  const Key server_key = NewKey();
  const Key client_key = NewKey();
  const Certificate authority =
      Sign("Test authority", 1, authority_key.get(), nullptr, authority_key.get());
  WritePair(*this, "ca", authority.get(), authority_key.get());
  WritePair(*this, "server",
            Sign("localhost", 2, server_key.get(), authority.get(), authority_key.get()).get(),
            server_key.get());
  WritePair(*this, "client",
            Sign("client", 3, client_key.get(), authority.get(), authority_key.get()).get(),
            client_key.get());
}

TestCertificates::~TestCertificates() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string TestCertificates::Text(const std::string& file) const {
  std::ifstream in(Path(file));
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace sonde::exporter
