#include "agent/export/ledger/ledger.h"

#include <pthread.h>
#include <signal.h>

#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "agent/export/usage_record.h"

namespace sonde::exporter {
namespace {

constexpr size_t kBatchBytes = 1U << 20;  ///< Written with one system call.

}  // namespace

class Ledger::Impl {
 public:
  explicit Impl(Options options) : options_(std::move(options)), files_(options_.files) {
    if (!options_.clock) options_.clock = [] { return absl::ToUnixNanos(absl::Now()); };
  }

  /// Opens today's file, so that a folder that cannot be used is told at once.
  absl::Status Open() { return files_.Append("", options_.clock()); }

  void Run() {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { Loop(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void Take(const calls::Call& call) {
    std::string line = UsageRecord(call, options_.user_salt) + "\n";
    const absl::MutexLock lock(&mutex_);
    ++stats_.taken;
    if (stopping_ || stats_.waiting_bytes + line.size() > options_.most_waiting_bytes) {
      ++stats_.lost;
      return;
    }
    stats_.waiting_bytes += line.size();
    ++stats_.waiting;
    lines_.push_back(std::move(line));
  }

  void Stop(absl::Duration deadline) {
    {
      const absl::MutexLock lock(&mutex_);
      if (!stopping_) give_up_ = absl::Now() + deadline;
      stopping_ = true;
    }
    if (thread_.joinable()) thread_.join();
  }

  LedgerStats stats() const {
    const absl::MutexLock lock(&mutex_);
    return stats_;
  }

 private:
  bool Work() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !lines_.empty(); }

  void Loop() {
    absl::Time next_sync = absl::Now() + options_.sync_interval;
    bool unsynced = false;
    for (;;) {
      std::string batch;
      bool stopping = false;
      {
        const absl::MutexLock lock(&mutex_);
        const absl::Condition work(this, &Impl::Work);
        if (unsynced) {
          mutex_.AwaitWithDeadline(work, next_sync);
        } else {
          mutex_.Await(work);
        }
        batch = Batch();
        stopping = stopping_;
      }
      if (!batch.empty()) {
        const bool written = Note(files_.Append(batch, options_.clock()), batch.size());
        unsynced |= written;
        if (!written && !Again()) return;
      }
      if (unsynced && (stopping || absl::Now() >= next_sync)) {
        if (const absl::Status status = files_.Sync(); !status.ok()) Failed(status);
        unsynced = false;
        next_sync = absl::Now() + options_.sync_interval;
      }
      if (stopping && Empty()) return;
    }
  }

  /// The eldest lines; they leave the queue when they are written.
  std::string Batch() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::string batch;
    in_batch_ = 0;
    for (const std::string& line : lines_) {
      if (!batch.empty() && batch.size() + line.size() > kBatchBytes) break;
      batch += line;
      ++in_batch_;
    }
    return batch;
  }

  bool Empty() const {
    const absl::MutexLock lock(&mutex_);
    return lines_.empty();
  }

  bool Note(const absl::Status& status, size_t bytes) {
    if (!status.ok()) {
      Failed(status);
      return false;
    }
    const absl::MutexLock lock(&mutex_);
    for (size_t i = 0; i < in_batch_; ++i) lines_.pop_front();
    stats_.written += in_batch_;
    stats_.waiting -= in_batch_;
    stats_.waiting_bytes -= bytes;
    stats_.bytes += bytes;
    stats_.last_error.clear();
    stats_.file = files_.current();
    return true;
  }

  void Failed(const absl::Status& status) {
    bool first = false;
    {
      const absl::MutexLock lock(&mutex_);
      ++stats_.failures;
      first = stats_.last_error.empty();
      stats_.last_error = std::string(status.message());
    }
    if (first && options_.on_problem) options_.on_problem(std::string(status.message()));
  }

  /// Waits before the next attempt. False when the end came: what waits is lost.
  bool Again() {
    const absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&stopping_), options_.retry_interval);
    if (!stopping_) return true;
    if (absl::Now() < give_up_) {
      mutex_.AwaitWithTimeout(absl::Condition(
                                  +[](bool*) { return false; }, &stopping_),
                              std::min(options_.retry_interval, give_up_ - absl::Now()));
    }
    if (absl::Now() < give_up_) return true;
    stats_.lost += lines_.size();
    stats_.waiting = 0;
    stats_.waiting_bytes = 0;
    lines_.clear();
    return false;
  }

  Options options_;
  LedgerFiles files_;  ///< Of the thread.
  size_t in_batch_ = 0;
  std::thread thread_;
  mutable absl::Mutex mutex_;
  std::deque<std::string> lines_ ABSL_GUARDED_BY(mutex_);
  LedgerStats stats_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Time give_up_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
};

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::Start(Options options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (absl::Status status = impl->Open(); !status.ok()) return status;
  impl->Run();
  return std::unique_ptr<Ledger>(new Ledger(std::move(impl)));
}

Ledger::Ledger(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Ledger::~Ledger() { impl_->Stop(absl::ZeroDuration()); }
void Ledger::OnCall(const calls::Call& call) { impl_->Take(call); }
void Ledger::Stop(absl::Duration deadline) { impl_->Stop(deadline); }
LedgerStats Ledger::stats() const { return impl_->stats(); }

}  // namespace sonde::exporter
