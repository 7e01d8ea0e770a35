#include "agent/export/otlp/batch_exporter.h"

#include <algorithm>
#include <utility>

#include "agent/export/otlp/worker_thread.h"

namespace sonde::exporter {
namespace {

using Clock = Delivery::Clock;
using Lock = std::unique_lock<std::mutex>;

}  // namespace

BatchExporter::BatchExporter(Signal signal, const Options& options,
                             std::unique_ptr<BatchEncoder> encoder,
                             std::unique_ptr<OtlpTransport> transport)
    : settings_(options.settings.batch),
      encoder_(std::move(encoder)),
      delivery_(signal, options.settings, options.on_problem, std::move(transport)) {
  worker_ = StartWorker([this] { Work(); });
}

BatchExporter::~BatchExporter() { BatchExporter::Stop(absl::ZeroDuration()); }

void BatchExporter::OnCall(const calls::Call& call) {
  Waiting next{{call.process, encoder_->Encode(call)}, Clock::now()};
  const Lock lock(mutex_);
  ++stats_.queued;
  if (stopping_) {
    ++stats_.dropped_at_stop;
    return;
  }
  if (queue_.size() >= settings_.queue_spans) {
    queue_bytes_ -= queue_.front().item.bytes.size();
    queue_.pop_front();
    --stats_.waiting;
    ++stats_.dropped_queue_full;
  }
  queue_bytes_ += next.item.bytes.size();
  queue_.push_back(std::move(next));
  ++stats_.waiting;
  const bool full = queue_.size() >= settings_.batch_spans || queue_bytes_ >= kRequestBytes;
  if (queue_.size() == 1 || full) changed_.notify_all();
}

void BatchExporter::Stop(absl::Duration deadline) {
  delivery_.BeginStop(deadline);
  {
    Lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
    changed_.wait_until(lock, delivery_.stop_at(), [this] { return finished_; });
  }
  delivery_.Cancel();
  if (worker_.joinable()) worker_.join();
}

ExportStats BatchExporter::stats() const {
  const Delivery::Stats delivery = delivery_.stats();
  const Lock lock(mutex_);
  ExportStats stats = stats_;
  stats.batches = delivery.accepted;
  stats.retries = delivery.retries;
  stats.last_error = delivery.last_error;
  return stats;
}

void BatchExporter::Work() {
  for (;;) {
    std::vector<BatchEncoder::Item> batch = NextBatch();
    if (batch.empty()) break;
    const uint64_t items = batch.size();
    Count(Deliver(std::move(batch)), items);
  }
  const Lock lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

// Waits until a batch is due. Empty only at the end.
std::vector<BatchEncoder::Item> BatchExporter::NextBatch() {
  Lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  if (!queue_.empty()) {
    const Clock::time_point due = queue_.front().since + Chrono(settings_.schedule_delay);
    changed_.wait_until(lock, due, [this] {
      return stopping_ || queue_.size() >= settings_.batch_spans || queue_bytes_ >= kRequestBytes;
    });
  }
  std::vector<BatchEncoder::Item> batch;
  size_t bytes = 0;
  while (!queue_.empty() && batch.size() < settings_.batch_spans) {
    const size_t next = queue_.front().item.bytes.size();
    if (!batch.empty() && bytes + next > kRequestBytes) break;
    bytes += next;
    queue_bytes_ -= next;
    batch.push_back(std::move(queue_.front().item));
    queue_.pop_front();
  }
  return batch;
}

Delivery::Result BatchExporter::Deliver(std::vector<BatchEncoder::Item> batch) {
  const std::unique_ptr<OtlpTransport::Request> request = encoder_->ToRequest(batch);
  if (!delivery_.WaitForQuietEnd()) return {.fate = Delivery::Fate::kStopped};
  return delivery_.Send(*request, Clock::now() + Chrono(settings_.give_up_after));
}

void BatchExporter::Count(const Delivery::Result& result, uint64_t items) {
  const Lock lock(mutex_);
  stats_.waiting -= items;
  switch (result.fate) {
    case Delivery::Fate::kAccepted: {
      const uint64_t rejected = std::min(result.rejected, items);
      stats_.rejected += rejected;
      stats_.sent += items - rejected;
      break;
    }
    case Delivery::Fate::kGaveUp:
      stats_.dropped_gave_up += items;
      break;
    case Delivery::Fate::kRefused:
      stats_.dropped_refused += items;
      break;
    case Delivery::Fate::kStopped:
      stats_.dropped_at_stop += items;
      break;
  }
}

}  // namespace sonde::exporter
