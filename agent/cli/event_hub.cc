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

/// Before it becomes the command, the first process is an image of Sonde and of no interest.
std::vector<calls::ProcessCapture> WithoutLauncher(std::vector<calls::ProcessCapture> processes) {
  std::erase_if(processes, [&](const calls::ProcessCapture& capture) {
    if (capture.calls + capture.plaintext_connections + capture.plain_http_connections +
            capture.unseen_connections >
        0) {
      return false;
    }
    for (const calls::ProcessCapture& other : processes) {
      const events::ProcessId& a = capture.process->id;
      const events::ProcessId& b = other.process->id;
      if (a.pid == b.pid && a.start_ns == b.start_ns && a.exec_generation < b.exec_generation) {
        return true;
      }
    }
    return false;
  });
  return processes;
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
  pipeline_.OnEvent(event);
}

BillFacts EventHub::Finish(const BillContext& context) {
  pipeline_.Finish();
  BillFacts facts;
  facts.unseen = pipeline_.unseen();
  facts.losses = pipeline_.stats().losses;
  const std::vector<calls::ProcessCapture> processes = WithoutLauncher(pipeline_.processes());
  AddLateFiles(processes, facts);
  facts.price_book = book_version_;
  if (context.count_running) facts.still_running = descendants_.alive().size();
  if (outputs_->bill().calls() == 0) {
    exporter::console::SilenceFacts silence;
    silence.processes = processes;
    silence.unseen = facts.unseen;
    silence.processes_seen = descendants_.seen();
    silence.sockets = context.sockets;
    silence.again = context.again;
    facts.silence = exporter::console::ExplainSilence(silence);
  }
  return facts;
}

}  // namespace sonde::cli
