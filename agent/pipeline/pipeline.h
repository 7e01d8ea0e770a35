// The rooms wired together: events in, calls out.
#ifndef SONDE_AGENT_PIPELINE_PIPELINE_H_
#define SONDE_AGENT_PIPELINE_PIPELINE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/calls/call.h"
#include "agent/calls/call_tracker.h"
#include "agent/calls/process_table.h"
#include "agent/calls/unseen_tracker.h"
#include "agent/events/event.h"
#include "agent/flow/exchange_sink.h"
#include "agent/flow/flow.h"
#include "agent/pricing/price_book.h"

namespace sonde::pipeline {

struct PipelineOptions {
  /// Makes the ids of calls. Random for a live run and kept in a capture's header; a replay passes
  /// the same one and gets the same ids.
  std::string id_seed;
  std::shared_ptr<const pricing::PriceBook> price_book;  ///< Required.
  flow::FlowLimits flow;
  calls::TrackerLimits calls;
  size_t processes = 8192;
  calls::UnseenTracker::Limits unseen;
};

/// Everything that was lost, refused or forgotten, by cause, and how full the tables are.
struct PipelineStats {
  uint64_t events = 0;
  /// Loss events by their cause ("ring_full", ...); causes beyond a bound fold into "_other".
  std::map<std::string, uint64_t> losses;
  flow::FlowStats flow;
  calls::TrackerStats calls;
  uint64_t unseen_dropped = 0;
  uint64_t processes_evicted = 0;
  size_t processes = 0;

  /// Sum of `losses`.
  uint64_t lost() const;
};

/// Its output is a function of the options and of the sequence of events, nothing else: no clock,
/// no randomness, no order of a hash table. Not thread-safe: one thread calls everything, and sinks
/// are called on it, inside OnEvent and Finish.
class Pipeline final : public events::EventSink {
 public:
  /// `sinks` hear every call in the order they end; they, and `verdicts` unless it is null (a
  /// replay), must outlive the pipeline.
  Pipeline(const PipelineOptions& options, std::vector<calls::CallSink*> sinks,
           flow::VerdictSink* verdicts);
  ~Pipeline() override;

  void OnEvent(const events::Event& event) override;
  /// Capture ended: calls under way are delivered as Incomplete::kOpenAtEnd, oldest connection
  /// first. Idempotent; events after it are ignored.
  void Finish();

  /// For calls that start from here on.
  void SetPriceBook(std::shared_ptr<const pricing::PriceBook> book);

  PipelineStats stats() const;
  std::vector<calls::Unseen> unseen() const;
  std::vector<calls::ProcessCapture> processes() const;

 private:
  class Fan;

  void NoteLoss(const events::Loss& loss);

  calls::ProcessTable processes_;
  std::unique_ptr<Fan> fan_;
  calls::UnseenTracker unseen_;
  calls::CallTracker tracker_;
  flow::Flow flow_;
  std::map<std::string, uint64_t> losses_;
  uint64_t events_ = 0;
  bool finished_ = false;
};

}  // namespace sonde::pipeline

#endif  // SONDE_AGENT_PIPELINE_PIPELINE_H_
