// Any events at all: no crash, no hang, bounded memory, and every call delivered once.
//
// The input is a program of small steps on four connections: a byte that names the step and the
// connection, then its argument.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/calls/testing/fake_price_book.h"
#include "agent/pipeline/pipeline.h"

namespace {

using sonde::events::ConnectionId;
using sonde::events::Direction;

constexpr size_t kMostMemory = 4 << 20;  // Four connections and as many calls.

class Counter : public sonde::calls::CallSink {
 public:
  void OnCall(const sonde::calls::Call& call) override {
    if (call.number == 0 || call.end_ns < call.start_ns) std::abort();
    if (call.quote.status == sonde::pricing::CostStatus::kUnpriced && call.quote.total) {
      std::abort();
    }
    ++calls;
  }
  uint64_t calls = 0;
};

class Input {
 public:
  Input(const uint8_t* data, size_t size) : left_(reinterpret_cast<const char*>(data), size) {}
  bool empty() const { return left_.empty(); }
  uint8_t Byte() {
    if (left_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(left_.front());
    left_.remove_prefix(1);
    return byte;
  }
  std::string_view Bytes(size_t size) {
    const std::string_view bytes = left_.substr(0, size);
    left_.remove_prefix(bytes.size());
    return bytes;
  }

 private:
  std::string_view left_;
};

struct Peer {
  uint64_t offset[2] = {0, 0};
  uint64_t generation = 1;
};

class Player {
 public:
  explicit Player(sonde::pipeline::Pipeline* pipeline) : pipeline_(pipeline) {}

  void Step(Input& input) {
    const uint8_t what = input.Byte();
    const size_t which = what >> 6;
    Peer& peer = peers_[which];
    const ConnectionId id{
        .process = {.pid = static_cast<uint32_t>(1 + (which & 1U)), .start_ns = 1},
        .transport = static_cast<sonde::events::Transport>(1 + (which >> 1)),
        .handle = which,
        .generation = peer.generation};
    now_ += 1'000'000;
    switch (what & 7U) {
      case 0:
        pipeline_->OnEvent(sonde::events::ConnectionOpened{
            .connection = id,
            .ns = now_,
            .role = static_cast<sonde::events::Role>(input.Byte() % 3),
            .mid_stream = (what & 8U) != 0});
        break;
      case 1:
        pipeline_->OnEvent(sonde::events::StreamEnded{
            .connection = id, .direction = static_cast<Direction>((what >> 3) & 1U), .ns = now_});
        break;
      case 2:
        pipeline_->OnEvent(sonde::events::ConnectionClosed{
            .connection = id,
            .ns = now_,
            .reason = static_cast<sonde::events::CloseReason>(1 + input.Byte() % 6),
            .bytes = {peer.offset[0], peer.offset[1]}});
        ++peer.generation;
        peer.offset[0] = peer.offset[1] = 0;
        break;
      case 3:
        now_ += uint64_t{input.Byte()} * 10'000'000;
        pipeline_->OnEvent(sonde::events::Tick{now_});
        break;
      case 4:
        peer.offset[(what >> 3) & 1U] += input.Byte();
        break;
      default:
        Move(id, peer, what, input);
    }
  }

 private:
  void Move(const ConnectionId& id, Peer& peer, uint8_t what, Input& input) {
    const size_t side = (what >> 3) & 1U;
    const std::string_view bytes = input.Bytes(4U * input.Byte());
    sonde::events::Data data{.connection = id,
                             .direction = static_cast<Direction>(side),
                             .offset = peer.offset[side],
                             .length = bytes.size(),
                             .bytes = bytes,
                             .entry_ns = now_,
                             .exit_ns = now_ + 1};
    if ((what & 0x30U) == 0x10U) data.length += input.Byte();  // Not all of it was captured.
    if ((what & 0x30U) == 0x20U) data.offset += input.Byte();  // Comes too early.
    if ((what & 0x30U) == 0x30U) data.concurrent = true;
    peer.offset[side] = data.offset + data.length;
    pipeline_->OnEvent(data);
  }

  sonde::pipeline::Pipeline* const pipeline_;
  Peer peers_[4];
  uint64_t now_ = 1'000'000'000;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto book = std::make_shared<sonde::calls::testing::FakePriceBook>();
  Counter counter;
  sonde::pipeline::PipelineOptions options;
  options.id_seed = "fuzz";
  options.price_book = book;
  sonde::pipeline::Pipeline pipeline(options, {&counter}, nullptr);
  Player player(&pipeline);
  Input input(data, size);
  while (!input.empty()) player.Step(input);
  const sonde::pipeline::PipelineStats stats = pipeline.stats();
  if (stats.flow.memory_bytes + stats.calls.memory_bytes > kMostMemory) std::abort();
  pipeline.Finish();
  if (pipeline.stats().calls.open_calls != 0) std::abort();
  if (pipeline.stats().calls.calls != counter.calls) std::abort();
  return 0;
}
