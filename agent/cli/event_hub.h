// What hears of every event, live or replayed: the recorder, the process list and the pipeline.
#ifndef SONDE_AGENT_CLI_EVENT_HUB_H_
#define SONDE_AGENT_CLI_EVENT_HUB_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/cli/descendants.h"
#include "agent/cli/outputs.h"
#include "agent/events/event.h"
#include "agent/export/console/bill.h"
#include "agent/flow/exchange_sink.h"
#include "agent/pipeline/pipeline.h"
#include "agent/pricing/price_book.h"

namespace sonde::cli {

/// Used on one thread. Its outputs are a function of the events and of what it was made with.
class EventHub final : public events::EventSink {
 public:
  /// `outputs`, and `recorder` and `verdicts` unless null, must outlive the hub.
  EventHub(std::string id_seed, std::shared_ptr<const pricing::PriceBook> book, Outputs* outputs,
           events::EventSink* recorder, flow::VerdictSink* verdicts);

  void OnEvent(const events::Event& event) override;

  Descendants& descendants() { return descendants_; }

  struct BillContext {
    /// Sonde started the first process: what still runs outlived the command. False for attach.
    bool launched = false;
    bool replay = false;
    bool sockets = true;
    std::string again;  ///< See SilenceFacts.
  };
  /// Ends the calls under way and says what the bill needs to know beside the calls.
  exporter::console::BillFacts Finish(const BillContext& context);

 private:
  void NoteFirst(const events::Event& event);

  std::string book_version_;
  events::ProcessId first_;  ///< The first process met, as it was then.
  Outputs* const outputs_;
  events::EventSink* const recorder_;
  Descendants descendants_;
  pipeline::Pipeline pipeline_;
};

}  // namespace sonde::cli

#endif  // SONDE_AGENT_CLI_EVENT_HUB_H_
