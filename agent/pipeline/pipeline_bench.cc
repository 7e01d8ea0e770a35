// How fast events become calls on one core, beside a memcpy of the same bytes.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>
#include <vector>

#include "agent/pipeline/pipeline.h"
#include "agent/pipeline/testing/fixture.h"

namespace sonde::pipeline {
namespace {

using flow::testing::Chunk;
using flow::testing::Conversation;
using flow::testing::Id;
using flow::testing::Reply;
using testing::Bench;

uint64_t Bytes(const Conversation& talk) {
  uint64_t bytes = 0;
  for (const events::Event& event : talk.events()) {
    if (const auto* data = std::get_if<events::Data>(&event)) bytes += data->bytes.size();
  }
  return bytes;
}

void Play(benchmark::State& state, const Conversation& talk, uint64_t calls) {
  for (auto _ : state) {
    Bench bench;
    bench.Play(talk);
    if (bench.heard.calls.size() != calls) state.SkipWithError("a call was lost");
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * Bytes(talk)));
  state.counters["calls/s"] = benchmark::Counter(static_cast<double>(state.iterations() * calls),
                                                 benchmark::Counter::kIsRate);
}

/// Streams of 200 chunks, one record each, as a provider sends them.
void BM_Streams(benchmark::State& state) {
  Conversation talk(Id(1));
  talk.Open();
  const std::vector<std::string> words(200, "word and ");
  for (int i = 0; i < 20; ++i) {
    testing::Stream(talk, testing::ChatPost(testing::ChatRequest(true)),
                    testing::ChatEvents(words));
  }
  Play(state, talk, 20);
}
BENCHMARK(BM_Streams);

/// The same events in records of 16 KiB: what decoding costs without the cost per record.
void BM_StreamsInLargeRecords(benchmark::State& state) {
  std::string reply = flow::testing::StreamHead();
  for (const std::string& event :
       testing::ChatEvents(std::vector<std::string>(20'000, "word and "))) {
    reply += Chunk(event);
  }
  reply += flow::testing::kLastChunk;
  Conversation talk(Id(1));
  talk.Open().Send(testing::ChatPost(testing::ChatRequest(true)));
  constexpr size_t kRecord = 16 * 1024;
  for (size_t at = 0; at < reply.size(); at += kRecord) talk.Receive(reply.substr(at, kRecord));
  Play(state, talk, 1);
}
BENCHMARK(BM_StreamsInLargeRecords);

/// Requests of 1 MiB in records of 16 KiB.
void BM_PlainBodies(benchmark::State& state) {
  Conversation talk(Id(1));
  talk.Open();
  std::string text;
  while (text.size() < (1U << 20)) text += "a long prompt goes on and on ";
  const std::string post = testing::ChatPost(testing::ChatRequest(false, false, text));
  constexpr size_t kRecord = 16 * 1024;
  for (int i = 0; i < 10; ++i) {
    for (size_t at = 0; at < post.size(); at += kRecord) talk.Send(post.substr(at, kRecord));
    talk.Receive(Reply(testing::ChatReply()));
  }
  Play(state, talk, 10);
}
BENCHMARK(BM_PlainBodies);

void BM_Memcpy(benchmark::State& state) {
  const std::string from(16 << 20, 'x');
  std::string to(from.size(), ' ');
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), from.size());
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * from.size()));
}
BENCHMARK(BM_Memcpy);

}  // namespace
}  // namespace sonde::pipeline

BENCHMARK_MAIN();
