#include "agent/cli/live_session.h"

#include <poll.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "agent/cli/acting_as.h"
#include "agent/cli/random_seed.h"
#include "agent/export/text.h"

namespace sonde::cli {
namespace {

/// How long the ring is left alone at most; CaptureSource asks for 50 ms or less.
constexpr int kTurnMs = 25;
constexpr auto kDrain = std::chrono::milliseconds(100);
constexpr absl::Duration kExportDeadline = absl::Milliseconds(1800);

int64_t WallNs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

LiveSession::~LiveSession() = default;

absl::StatusOr<std::unique_ptr<LiveSession>> LiveSession::Start(
    const Options& options, const std::optional<User>& owner,
    std::shared_ptr<const pricing::PriceBook> book, Outputs* outputs) {
  std::unique_ptr<LiveSession> session(new LiveSession);
  session->outputs_ = outputs;
  session->id_seed_ = options.output.seed.empty() ? RandomSeed() : options.output.seed;
  if (options.command == Command::kRecord) {
    const absl::Status opened = session->OpenRecorder(options, owner, *book);
    if (!opened.ok()) return opened;
  }
  session->hub_ = std::make_unique<EventHub>(session->id_seed_, std::move(book), outputs,
                                             session->writer_.get(), session.get());
  events::EventSink* sink = session->hub_.get();
  if (session->writer_ != nullptr) {
    session->masker_ = std::make_unique<capture::Masker>(options.mask_text, sink);
    sink = session->masker_.get();
  }
  capture::CaptureOptions capture;
  capture.sockets = !options.capture.no_sockets;
  capture.terminal = outputs->held_terminal();
  capture.ring_bytes = options.capture.ring_bytes;
  auto live = capture::LiveCapture::Create(capture, sink);
  if (!live.ok()) return live.status();
  session->capture_ = *std::move(live);
  if (session->capture_->stats().terminal) {
    outputs->HoldWhile([source = session->capture_.get()] { return source->AlternateScreen(); });
  } else if (capture.terminal != 0) {
    session->Warn(
        "this kernel does not show when a program uses the alternate screen: lines may have "
        "appeared in it; write them to a file with --lines FILE");
  }
  return session;
}

absl::Status LiveSession::OpenRecorder(const Options& options, const std::optional<User>& owner,
                                       const pricing::PriceBook& book) {
  capture::CaptureHeader header;
  header.sonde_version = SONDE_VERSION;
  header.created_unix_ns = WallNs();
  header.id_seed = id_seed_;
  header.price_book_version = book.version();
  header.price_book_hash = book.hash();
  header.text_masked = options.mask_text;
  header.settings[kSettingProviders] = absl::StrJoin(options.output.providers, "\n");
  header.settings[kSettingCommand] = "run";
  const ActingAs acting(owner);
  if (!acting.status().ok()) return acting.status();
  auto writer = capture::CaptureWriter::Create(options.capture_file, header, true);
  if (!writer.ok()) return writer.status();
  writer_ = *std::move(writer);
  capture_path_ = options.capture_file;
  return absl::OkStatus();
}

void LiveSession::Turn(const std::vector<int>& wake) {
  std::vector<pollfd> polled;
  if (!broken_) polled.push_back({capture_->epoll_fd(), POLLIN, 0});
  for (int fd : wake) polled.push_back({fd, POLLIN, 0});
  poll(polled.data(), polled.size(), kTurnMs);
  if (!broken_) {
    const absl::Status status = capture_->Poll(0);
    if (!status.ok()) {
      broken_ = true;
      Warn(absl::StrCat("the capture broke off: ", status.message()));
    }
  }
  outputs_->Flush();
}

void LiveSession::DrainUntilExit(uint32_t pid) {
  const auto end = std::chrono::steady_clock::now() + kDrain;
  while (!broken_ && std::chrono::steady_clock::now() < end) {
    if (!capture_->Poll(0).ok()) return;
    const std::vector<uint32_t> alive = hub_->descendants().alive();
    if (!std::binary_search(alive.begin(), alive.end(), pid)) break;
    poll(nullptr, 0, 1);
  }
  if (!broken_) capture_->Drain().IgnoreError();
}

void LiveSession::OnVerdict(const flow::Verdict& verdict) {
  if (capture_ == nullptr) return;
  capture::Verdict kernel;
  kernel.connection = verdict.connection;
  kernel.mode = verdict.wanted == flow::Wanted::kFull ? capture::CaptureMode::kFull
                                                      : capture::CaptureMode::kLengths;
  // The connection may be gone by now; then there is nothing left to mute.
  capture_->SetVerdict(kernel).IgnoreError();
}

void LiveSession::AddCaptureWarnings(exporter::console::BillFacts& facts) {
  if (writer_ != nullptr) {
    const absl::Status flushed = writer_->Flush();
    if (!flushed.ok()) {
      Warn(absl::StrCat(capture_path_, " is not whole: ", flushed.message(), "; ",
                        writer_->events_lost(), " events are missing"));
    }
  }
  facts.warnings.insert(facts.warnings.end(), warnings_.begin(), warnings_.end());
}

void LiveSession::Finish(const EventHub::BillContext& context) {
  capture_->Stop();
  exporter::console::BillFacts facts = hub_->Finish(context);
  AddCaptureWarnings(facts);
  outputs_->Finish(std::move(facts), kExportDeadline);
}

}  // namespace sonde::cli
