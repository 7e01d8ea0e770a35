// Reading a capture against copying the same bytes, in one run.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "agent/capture/file/capture_reader.h"
#include "agent/capture/file/capture_writer.h"

namespace sonde::capture {
namespace {

class Count : public events::EventSink {
 public:
  void OnEvent(const events::Event& event) override {
    if (const auto* data = std::get_if<events::Data>(&event)) bytes += data->bytes.size();
  }
  uint64_t bytes = 0;
};

/// 64 MiB of payload that compresses about as JSON and SSE do, in pieces of `piece` bytes.
std::string MakeFile(size_t piece) {
  std::string path = "/tmp/capture_file_bench.XXXXXX";
  close(mkstemp(path.data()));
  auto writer = CaptureWriter::Create(path, {}, true);
  std::string text;
  uint64_t state = 1;
  while (text.size() < piece) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    text += "data: {\"id\":\"chatcmpl-" + std::to_string(state >> 40) +
            "\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" word\"}}]}\n\n";
  }
  text.resize(piece);
  for (size_t at = 0; at < (64u << 20); at += piece) {
    (*writer)->OnEvent(events::Data{.offset = at, .length = piece, .bytes = text});
  }
  return path;
}

void BM_Read(benchmark::State& state) {
  const std::string path = MakeFile(static_cast<size_t>(state.range(0)));
  uint64_t bytes = 0;
  for (auto _ : state) {
    Count count;
    auto reader = CaptureReader::Open(path);
    if (!reader.ok() || !(*reader)->ReadAll(&count).ok()) state.SkipWithError("cannot be read");
    bytes += count.bytes;
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
  unlink(path.c_str());
}
BENCHMARK(BM_Read)->Arg(256)->Arg(4096)->Arg(16384)->Unit(benchmark::kMillisecond);

void BM_Memcpy(benchmark::State& state) {
  const std::string from(64u << 20, 'x');
  std::string to(from.size(), '\0');
  for (auto _ : state) {
    std::memcpy(to.data(), from.data(), from.size());
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * from.size()));
}
BENCHMARK(BM_Memcpy)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sonde::capture

BENCHMARK_MAIN();
