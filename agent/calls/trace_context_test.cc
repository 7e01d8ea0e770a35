#include "agent/calls/trace_context.h"

#include <string>

#include "gtest/gtest.h"

namespace sonde::calls {
namespace {

constexpr char kValid[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(ParseTraceParent, Valid) {
  const auto context = ParseTraceParent(kValid);
  ASSERT_TRUE(context);
  EXPECT_EQ(context->trace_id[0], 0x4b);
  EXPECT_EQ(context->trace_id[15], 0x36);
  EXPECT_EQ(context->parent_span_id[0], 0x00);
  EXPECT_EQ(context->parent_span_id[7], 0xb7);
  EXPECT_EQ(context->flags, 1);
}

TEST(ParseTraceParent, UnknownFlagBitsAreDropped) {
  EXPECT_EQ(ParseTraceParent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff")->flags, 3);
}

TEST(ParseTraceParent, LaterVersionsMayCarryMore) {
  const std::string later = std::string("cc") + (kValid + 2);
  EXPECT_TRUE(ParseTraceParent(later));
  EXPECT_TRUE(ParseTraceParent(later + "-what-comes"));
  EXPECT_FALSE(ParseTraceParent(later + "x"));
  EXPECT_FALSE(ParseTraceParent(std::string(kValid) + "-more"));
}

TEST(ParseTraceParent, Invalid) {
  for (const char* text : {
           "",
           "00",
           "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
           "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01-",
           "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
       }) {
    EXPECT_FALSE(ParseTraceParent(text)) << text;
  }
}

TEST(FindTraceContext, JoinsStates) {
  const auto context =
      FindTraceContext({{"tracestate", "a=1"}, {"traceparent", kValid}, {"tracestate", " b=2 "}});
  ASSERT_TRUE(context);
  EXPECT_EQ(context->state, "a=1,b=2");
}

TEST(FindTraceContext, TwoParentsAreNone) {
  EXPECT_FALSE(FindTraceContext({{"traceparent", kValid}, {"traceparent", kValid}}));
}

TEST(FindTraceContext, InvalidParentDropsTheState) {
  EXPECT_FALSE(FindTraceContext({{"traceparent", "junk"}, {"tracestate", "a=1"}}));
  EXPECT_FALSE(FindTraceContext({}));
}

TEST(FindTraceContext, LongStateIsDroppedNotCut) {
  const auto context =
      FindTraceContext({{"traceparent", kValid}, {"tracestate", "a=" + std::string(600, 'x')}});
  ASSERT_TRUE(context);
  EXPECT_EQ(context->state, "");
}

}  // namespace
}  // namespace sonde::calls
