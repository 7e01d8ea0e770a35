#include "agent/export/metrics/prometheus_text.h"

#include <charconv>
#include <cstdlib>

#include "agent/export/metric_names.h"
#include "agent/export/metrics/histogram.h"
#include "agent/export/metrics/label_name.h"
#include "agent/export/text.h"

namespace sonde::exporter {
namespace {

/// OpenMetrics allows an exemplar's labels 128 characters; a trace and a span id take 66.
void AppendEscaped(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '"') {
      out += "\\\"";
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
}

void AppendDouble(std::string& out, double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value);
  out.append(text, end.ptr);
}

/// value / divisor as an exact decimal; the divisor is a power of ten.
void AppendExact(std::string& out, int64_t value, int64_t divisor) {
  if (value < 0) out += '-';
  const auto magnitude = static_cast<uint64_t>(std::llabs(value));
  const auto unit = static_cast<uint64_t>(divisor);
  out += std::to_string(magnitude / unit);
  uint64_t rest = magnitude % unit;
  if (rest == 0) return;
  std::string digits = std::to_string(unit + rest).substr(1);
  digits.resize(digits.find_last_not_of('0') + 1);
  out.append(".").append(digits);
}

class Page {
 public:
  Page(Profile profile, TextFormat format, uint64_t revealed)
      : profile_(profile), open_metrics_(format == TextFormat::kOpenMetrics), revealed_(revealed) {}

  void Add(const SeriesPoint& point) {
    const MetricRow& row = RowOf(point.metric);
    const std::string_view name = MetricName(profile_, point.metric);
    if (name.empty()) return;
    if (&row != row_) Begin(row, name);
    WriteLabels(point.labels, row);
    const bool shown = row.kind == MetricKind::kGauge || point.id <= revealed_;
    if (row.kind == MetricKind::kHistogram) {
      Histogram(point, shown);
    } else {
      out_ += family_;
      if (row.kind == MetricKind::kCounter) out_ += "_total";
      Braces("");
      AppendExact(out_, shown ? point.sum : 0, row.divisor);
      if (shown && row.kind == MetricKind::kCounter) Example(point);
      out_ += '\n';
    }
  }

  std::string Finish() {
    if (open_metrics_) out_ += "# EOF\n";
    return std::move(out_);
  }

 private:
  void Begin(const MetricRow& row, std::string_view name) {
    static constexpr std::string_view kTypes[] = {"counter", "gauge", "histogram"};
    row_ = &row;
    family_ = PrometheusName(name, row.unit);
    // OpenMetrics names the family, the older format the sample.
    const std::string shown =
        !open_metrics_ && row.kind == MetricKind::kCounter ? family_ + "_total" : family_;
    out_ += "# HELP " + shown + " ";
    AppendEscaped(out_, row.help);
    out_ += "\n# TYPE " + shown + " ";
    out_ += kTypes[static_cast<size_t>(row.kind)];
    out_ += '\n';
  }

  void WriteLabels(const Labels& labels, const MetricRow& row) {
    labels_.clear();
    for (const auto& [attribute, value] : labels) {
      if (!labels_.empty()) labels_ += ',';
      labels_ += PrometheusLabel(LabelName(profile_, row, attribute));
      labels_ += "=\"";
      AppendEscaped(labels_, value);
      labels_ += '"';
    }
  }

  /// The labels, and `extra` behind them, and the blank before the value.
  void Braces(std::string_view extra) {
    if (!labels_.empty() || !extra.empty()) {
      out_ += '{';
      out_ += labels_;
      if (!labels_.empty() && !extra.empty()) out_ += ',';
      out_ += extra;
      out_ += '}';
    }
    out_ += ' ';
  }

  void Histogram(const SeriesPoint& point, bool shown) {
    const size_t with_example =
        shown && point.exemplar
            ? BucketOf(row_->buckets, static_cast<double>(point.exemplar->value) /
                                          static_cast<double>(row_->divisor))
            : point.buckets.size();
    uint64_t below = 0;
    for (size_t i = 0; i < point.buckets.size(); ++i) {
      below += point.buckets[i];
      out_ += family_ + "_bucket";
      std::string bound = "le=\"";
      if (i == row_->buckets.size()) {
        bound += "+Inf";
      } else {
        Bound(bound, row_->buckets[i]);
      }
      Braces(bound + '"');
      out_ += std::to_string(shown ? below : 0);
      if (i == with_example) Example(point);
      out_ += '\n';
    }
    out_ += family_ + "_sum";
    Braces("");
    AppendExact(out_, shown ? point.sum : 0, row_->divisor);
    out_ += '\n' + family_ + "_count";
    Braces("");
    out_ += std::to_string(shown ? point.count : 0) + '\n';
  }

  /// OpenMetrics spells bounds as floating point numbers.
  void Bound(std::string& out, double bound) const {
    const size_t begin = out.size();
    AppendDouble(out, bound);
    if (open_metrics_ && out.find_first_of(".e", begin) == std::string::npos) out += ".0";
  }

  void Example(const SeriesPoint& point) {
    if (!open_metrics_ || !point.exemplar) return;
    const Exemplar& exemplar = *point.exemplar;
    out_ += " # {trace_id=\"" + Hex(exemplar.trace_id) + "\",span_id=\"" + Hex(exemplar.span_id) +
            "\"} ";
    AppendExact(out_, exemplar.value, row_->divisor);
    out_ += ' ';
    // Milliseconds: as fine as Prometheus keeps.
    AppendExact(out_, exemplar.unix_ns / 1'000'000, 1000);
  }

  const Profile profile_;
  const bool open_metrics_;
  const uint64_t revealed_;
  const MetricRow* row_ = nullptr;
  std::string family_;
  std::string labels_;
  std::string out_;
};

}  // namespace

TextFormat FormatFor(std::string_view accept) {
  return accept.find("application/openmetrics-text") != std::string_view::npos
             ? TextFormat::kOpenMetrics
             : TextFormat::kPrometheus;
}

std::string_view ContentType(TextFormat format) {
  return format == TextFormat::kOpenMetrics
             ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
             : "text/plain; version=0.0.4; charset=utf-8";
}

std::string PrometheusText(const std::vector<SeriesPoint>& points, Profile profile,
                           TextFormat format, uint64_t revealed) {
  Page page(profile, format, revealed);
  for (const SeriesPoint& point : points) page.Add(point);
  return page.Finish();
}

}  // namespace sonde::exporter
