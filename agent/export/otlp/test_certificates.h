// A certificate authority that lives as long as a test.
#ifndef SONDE_AGENT_EXPORT_OTLP_TEST_CERTIFICATES_H_
#define SONDE_AGENT_EXPORT_OTLP_TEST_CERTIFICATES_H_

#include <filesystem>
#include <string>

namespace sonde::exporter {

/// A folder with ca.pem, and with server.pem, server.key for "localhost" and 127.0.0.1, and with
/// client.pem, client.key, both signed by that authority. Removed at the end.
class TestCertificates {
 public:
  TestCertificates();
  ~TestCertificates();
  TestCertificates(const TestCertificates&) = delete;
  TestCertificates& operator=(const TestCertificates&) = delete;

  std::string Path(const std::string& file) const { return (folder_ / file).string(); }
  std::string Text(const std::string& file) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_TEST_CERTIFICATES_H_
