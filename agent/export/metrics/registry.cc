#include "agent/export/metrics/registry.h"

#include <algorithm>

#include "agent/export/text.h"

namespace sonde::exporter {
namespace {

/// Labels whose values a program or a provider chooses: they are bounded and folded first.
bool FromTheWire(Attribute attribute) {
  switch (attribute) {
    case Attribute::kRequestModel:
    case Attribute::kResponseModel:
    case Attribute::kServerAddress:
    case Attribute::kErrorType:
    case Attribute::kServiceName:
    case Attribute::kServiceTier:
    case Attribute::kOpenAiResponseServiceTier:
    case Attribute::kOpenAiSystemFingerprint:
      return true;
    default:
      return false;
  }
}

std::string Key(const Labels& labels) {
  std::string key;
  for (const auto& [attribute, value] : labels) {
    key += static_cast<char>(attribute);
    key += static_cast<char>(value.size());  // At most kLabelBytes.
    key += value;
  }
  return key;
}

}  // namespace

void Registry::Fold(Labels& labels) {
  for (auto& [attribute, value] : labels) {
    value = CleanUtf8(value, kLabelBytes);
    if (!FromTheWire(attribute) || value == kOther) continue;
    auto& known = values_[attribute];
    if (known.contains(value)) continue;
    if (known.size() < limits_.values) {
      known.insert(value);
    } else {
      value = kOther;
      ++folded_values_;
    }
  }
}

SeriesPoint* Registry::Find(Metric metric, Labels labels, int64_t unix_ns) {
  std::erase_if(labels, [](const auto& label) { return label.second.empty(); });
  Fold(labels);
  Table& table = tables_[static_cast<size_t>(metric)];
  std::string key = Key(labels);
  auto found = table.find(key);
  if (found == table.end() && table.size() >= limits_.series) {
    ++folded_series_;
    for (auto& [attribute, value] : labels) {
      if (FromTheWire(attribute)) value = kOther;
    }
    key = Key(labels);
    found = table.find(key);
  }
  if (found != table.end()) return found->second.get();
  auto point = std::make_unique<SeriesPoint>();
  point->id = next_id_++;
  point->metric = metric;
  point->labels = std::move(labels);
  point->born_unix_ns = unix_ns;
  const MetricRow& row = RowOf(metric);
  if (row.kind == MetricKind::kHistogram) {
    point->buckets.resize(row.buckets.size() + 1);
    if (limits_.exponential) point->exponential.emplace();
  }
  ++size_;
  return table.emplace(std::move(key), std::move(point)).first->second.get();
}

void Registry::Add(Metric metric, Labels labels, int64_t amount, int64_t unix_ns,
                   const Exemplar* exemplar) {
  if (amount < 0) return;
  const std::lock_guard lock(mutex_);
  SeriesPoint* point = Find(metric, std::move(labels), unix_ns);
  point->sum += amount;
  if (exemplar != nullptr) point->exemplar = *exemplar;
}

void Registry::Set(Metric metric, Labels labels, int64_t value, int64_t unix_ns) {
  const std::lock_guard lock(mutex_);
  SeriesPoint* point = Find(metric, std::move(labels), unix_ns);
  const bool counter = RowOf(metric).kind == MetricKind::kCounter;
  point->sum = counter ? std::max(point->sum, value) : value;
}

void Registry::Observe(Metric metric, Labels labels, int64_t value, int64_t unix_ns,
                       const Exemplar* exemplar, uint64_t times) {
  if (times == 0) return;
  const MetricRow& row = RowOf(metric);
  const double scaled = static_cast<double>(value) / static_cast<double>(row.divisor);
  const std::lock_guard lock(mutex_);
  SeriesPoint* point = Find(metric, std::move(labels), unix_ns);
  point->sum += value * static_cast<int64_t>(times);
  point->count += times;
  point->buckets[BucketOf(row.buckets, scaled)] += times;
  if (point->exponential) point->exponential->Add(scaled, times);
  if (exemplar != nullptr) point->exemplar = *exemplar;
}

void Registry::Forget(Metric metric, const Labels& labels) {
  const std::lock_guard lock(mutex_);
  if (RowOf(metric).kind != MetricKind::kGauge) return;
  size_ -= tables_[static_cast<size_t>(metric)].erase(Key(labels));
}

std::vector<SeriesPoint> Registry::Collect() const {
  const std::lock_guard lock(mutex_);
  std::vector<SeriesPoint> out;
  out.reserve(size_);
  for (const Table& table : tables_) {
    const size_t begin = out.size();
    for (const auto& [key, point] : table) out.push_back(*point);
    std::sort(out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(),
              [](const SeriesPoint& a, const SeriesPoint& b) { return a.id < b.id; });
  }
  return out;
}

size_t Registry::size() const {
  const std::lock_guard lock(mutex_);
  return size_;
}

uint64_t Registry::folded_values() const {
  const std::lock_guard lock(mutex_);
  return folded_values_;
}

uint64_t Registry::folded_series() const {
  const std::lock_guard lock(mutex_);
  return folded_series_;
}

}  // namespace sonde::exporter
