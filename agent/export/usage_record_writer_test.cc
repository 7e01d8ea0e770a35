#include "agent/export/usage_record_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "agent/export/test_calls.h"
#include "agent/export/usage_record.h"

namespace sonde::exporter {
namespace {

TEST(UsageRecordWriterTest, WritesOneLinePerCallWhenItEnds) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  UsageRecordWriter writer(LineQueue::ForDescriptor(ends[1], "pipe", {}), "salt");
  for (const calls::Call& call : {MakeOpenAiStream(), MakeRateLimited()}) {
    writer.OnCall(call);
    const std::string expected = UsageRecord(call, "salt") + "\n";
    std::string got(expected.size() + 1, '\0');
    got.resize(static_cast<size_t>(read(ends[0], got.data(), got.size())));
    EXPECT_EQ(got, expected);
  }
  EXPECT_EQ(writer.queue().stats().lines, 2u);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace sonde::exporter
