#include "agent/pipeline/pipeline.h"

#include <utility>
#include <variant>

namespace sonde::pipeline {
namespace {

constexpr size_t kLossCauses = 64;

}  // namespace

uint64_t PipelineStats::lost() const {
  uint64_t sum = 0;
  for (const auto& [cause, count] : losses) sum += count;
  return sum;
}

/// Hands what flow finds to the call tracker and the unseen tracker, and calls to all sinks.
class Pipeline::Fan final : public flow::ExchangeSink, public calls::CallSink {
 public:
  Fan(Pipeline* pipeline, std::vector<calls::CallSink*> sinks)
      : pipeline_(pipeline), sinks_(std::move(sinks)) {}

  void OnRequestHead(const flow::ConnectionView& connection, uint64_t exchange,
                     const wire::RequestHead& head, wire::Stamp stamp) override {
    pipeline_->unseen_.OnRequestHead(connection, exchange, head);
    pipeline_->tracker_.OnRequestHead(connection, exchange, head, stamp);
  }
  void OnRequestBody(const flow::ConnectionView& connection, uint64_t exchange,
                     std::string_view bytes, wire::Stamp stamp) override {
    pipeline_->tracker_.OnRequestBody(connection, exchange, bytes, stamp);
  }
  void OnRequestGap(const flow::ConnectionView& connection, uint64_t exchange,
                    uint64_t length) override {
    pipeline_->tracker_.OnRequestGap(connection, exchange, length);
  }
  void OnRequestEnd(const flow::ConnectionView& connection, uint64_t exchange, wire::MessageEnd end,
                    wire::Stamp stamp) override {
    pipeline_->tracker_.OnRequestEnd(connection, exchange, end, stamp);
  }
  void OnResponseHead(const flow::ConnectionView& connection, uint64_t exchange,
                      const wire::ResponseHead& head, wire::Stamp stamp) override {
    pipeline_->tracker_.OnResponseHead(connection, exchange, head, stamp);
  }
  void OnResponseBody(const flow::ConnectionView& connection, uint64_t exchange,
                      std::string_view bytes, wire::Stamp stamp) override {
    pipeline_->tracker_.OnResponseBody(connection, exchange, bytes, stamp);
  }
  void OnResponseGap(const flow::ConnectionView& connection, uint64_t exchange,
                     uint64_t length) override {
    pipeline_->tracker_.OnResponseGap(connection, exchange, length);
  }
  void OnResponseEnd(const flow::ConnectionView& connection, uint64_t exchange,
                     wire::MessageEnd end, wire::Stamp stamp) override {
    pipeline_->tracker_.OnResponseEnd(connection, exchange, end, stamp);
  }
  void OnPlaintext(const flow::ConnectionView& connection) override {
    pipeline_->unseen_.OnPlaintext(connection);
  }
  void OnProtocol(const flow::ConnectionView& connection, wire::Protocol protocol) override {
    pipeline_->unseen_.OnProtocol(connection, protocol);
    pipeline_->tracker_.OnProtocol(connection, protocol);
  }
  void OnTlsSocket(const flow::ConnectionView& connection, const flow::TlsHello& hello) override {
    pipeline_->unseen_.OnTlsSocket(connection, hello);
  }
  void OnQuic(const flow::ConnectionView& connection) override {
    pipeline_->unseen_.OnQuic(connection);
  }
  void OnConnectionEnd(const flow::ConnectionView& connection) override {
    pipeline_->tracker_.OnConnectionEnd(connection);
    pipeline_->unseen_.OnConnectionEnd(connection);
  }

  void OnCall(const calls::Call& call) override {
    pipeline_->unseen_.OnCall(call);
    for (calls::CallSink* sink : sinks_) sink->OnCall(call);
  }
  void OnNotice(const calls::Notice& notice) override {
    for (calls::CallSink* sink : sinks_) sink->OnNotice(notice);
  }

 private:
  Pipeline* const pipeline_;
  const std::vector<calls::CallSink*> sinks_;
};

Pipeline::Pipeline(const PipelineOptions& options, std::vector<calls::CallSink*> sinks,
                   flow::VerdictSink* verdicts)
    : processes_(options.processes),
      fan_(std::make_unique<Fan>(this, std::move(sinks))),
      unseen_(options.unseen, options.price_book, &processes_, fan_.get()),
      tracker_(options.calls, options.id_seed, options.price_book, &processes_, fan_.get()),
      flow_(options.flow, fan_.get(), verdicts) {}

Pipeline::~Pipeline() = default;

void Pipeline::OnEvent(const events::Event& event) {
  if (finished_) return;
  ++events_;
  // Names first, so that a call finds its process; ends last, so that it still does.
  if (const auto* started = std::get_if<events::ProcessStarted>(&event)) {
    processes_.OnStarted(*started);
  } else if (const auto* forked = std::get_if<events::ProcessForked>(&event)) {
    processes_.OnForked(*forked);
  } else if (const auto* library = std::get_if<events::LibraryFound>(&event)) {
    unseen_.OnLibraryFound(*library);
  } else if (const auto* clock = std::get_if<events::ClockOffset>(&event)) {
    tracker_.OnClockOffset(*clock);
  } else if (const auto* loss = std::get_if<events::Loss>(&event)) {
    NoteLoss(*loss);
  }
  flow_.OnEvent(event);
  tracker_.Advance(flow_.now());
  if (const auto* exited = std::get_if<events::ProcessExited>(&event)) {
    processes_.OnExited(*exited);
  }
}

void Pipeline::NoteLoss(const events::Loss& loss) {
  const bool known = losses_.contains(loss.cause);
  losses_[known || losses_.size() < kLossCauses ? loss.cause : "_other"] += loss.count;
}

void Pipeline::Finish() {
  if (finished_) return;
  finished_ = true;
  flow_.Finish();
}

void Pipeline::SetPriceBook(std::shared_ptr<const pricing::PriceBook> book) {
  unseen_.SetPriceBook(book);
  tracker_.SetPriceBook(std::move(book));
}

PipelineStats Pipeline::stats() const {
  return PipelineStats{.events = events_,
                       .losses = losses_,
                       .flow = flow_.stats(),
                       .calls = tracker_.stats(),
                       .unseen_dropped = unseen_.dropped(),
                       .processes_evicted = processes_.evicted(),
                       .processes = processes_.size()};
}

std::vector<calls::Unseen> Pipeline::unseen() const { return unseen_.List(); }

std::vector<calls::ProcessCapture> Pipeline::processes() const { return unseen_.Processes(); }

}  // namespace sonde::pipeline
