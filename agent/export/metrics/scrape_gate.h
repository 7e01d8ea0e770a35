// Lets every regular reader see a series' zero before it sees its value.
#ifndef SONDE_AGENT_EXPORT_METRICS_SCRAPE_GATE_H_
#define SONDE_AGENT_EXPORT_METRICS_SCRAPE_GATE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace sonde::exporter {

/// A series that appears with a value is lost to Prometheus' increase(): there is nothing before it
/// to compare with. So a new series is shown as zero until each reader that comes regularly has
/// taken that zero. What was shown once never goes back to zero, for any reader, so one whose
/// address changed meets no false reset. Not thread-safe.
class ScrapeGate {
 public:
  /// Readers remembered; the one not heard of for longest is forgotten.
  static constexpr size_t kMaxReaders = 64;

  /// `reader` takes the page now, when the newest series is `newest`. Series up to the result show
  /// their values, later ones zero. Ids grow from 1.
  uint64_t Reveal(const std::string& reader, uint64_t newest, int64_t now_ns);

  size_t readers() const { return readers_.size(); }

 private:
  struct Reader {
    int64_t last_ns = 0;
    int64_t interval_ns = 0;  ///< Between its last two visits; 0 until it came twice.
    uint64_t saw = 0;         ///< The newest series on its last page.
  };

  std::map<std::string, Reader> readers_;
  uint64_t revealed_ = 0;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_METRICS_SCRAPE_GATE_H_
