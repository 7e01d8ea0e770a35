#include "agent/cli/event_hub.h"

#include <utility>

#include "agent/export/console/silence.h"

namespace sonde::cli {
namespace {

using exporter::console::BillFacts;

pipeline::PipelineOptions PipelineFor(std::string id_seed,
                                      std::shared_ptr<const pricing::PriceBook> book) {
  pipeline::PipelineOptions options;
  options.id_seed = std::move(id_seed);
  options.price_book = std::move(book);
  return options;
}

void AddLateFiles(const std::vector<calls::ProcessCapture>& processes, BillFacts& facts) {
  for (const calls::ProcessCapture& capture : processes) {
    for (const calls::LibraryStatus& library : capture.libraries) {
      if (!library.attached || library.late_ns == 0) continue;
      const std::string name =
          capture.process->display_name + "[" + std::to_string(capture.process->id.pid) + "]";
      facts.late.push_back({name, library.path, library.late_ns});
    }
  }
}

}  // namespace

EventHub::EventHub(std::string id_seed, std::shared_ptr<const pricing::PriceBook> book,
                   Outputs* outputs, events::EventSink* recorder, flow::VerdictSink* verdicts)
    : book_version_(book->version()),
      outputs_(outputs),
      recorder_(recorder),
      pipeline_(PipelineFor(std::move(id_seed), std::move(book)), {outputs}, verdicts) {}

void EventHub::OnEvent(const events::Event& event) {
  if (recorder_ != nullptr) recorder_->OnEvent(event);
  const events::MonoNs before = descendants_.origin_ns();
  descendants_.OnEvent(event);
  if (before != descendants_.origin_ns()) outputs_->SetOrigin(descendants_.origin_ns());
  if (first_.pid == 0) NoteFirst(event);
  pipeline_.OnEvent(event);
}

void EventHub::NoteFirst(const events::Event& event) {
  if (const auto* started = std::get_if<events::ProcessStarted>(&event)) first_ = started->process;
}

BillFacts EventHub::Finish(const BillContext& context) {
  pipeline_.Finish();
  BillFacts facts;
  facts.unseen = pipeline_.unseen();
  facts.losses = pipeline_.stats().losses;
  std::vector<calls::ProcessCapture> processes = pipeline_.processes();
  // Before it becomes the command, the first process is an image of Sonde and of no interest.
  if (context.launched) {
    std::erase_if(processes, [&](const auto& capture) { return capture.process->id == first_; });
  }
  AddLateFiles(processes, facts);
  facts.price_book = book_version_;
  if (context.launched) facts.still_running = descendants_.alive().size();
  exporter::console::SilenceFacts silence;
  silence.processes = std::move(processes);
  silence.unseen = facts.unseen;
  silence.processes_seen = descendants_.seen();
  silence.replay = context.replay;
  silence.sockets = context.sockets;
  silence.again = context.again;
  if (outputs_->bill().calls() == 0) {
    facts.silence = exporter::console::ExplainSilence(silence);
  } else {
    facts.next = exporter::console::NextStep(silence);
  }
  return facts;
}

}  // namespace sonde::cli
