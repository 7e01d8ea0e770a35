#include "agent/calls/outcome.h"

#include "gtest/gtest.h"

namespace sonde::calls {
namespace {

using wire::MessageEnd;

constexpr uint64_t kMs = 1'000'000;

/// A stream of which everything was seen; tests spoil it.
Call Stream() {
  Call call;
  call.http_status = 200;
  call.start_ns = 100 * kMs;
  call.response.is_stream = true;
  call.response.terminal_seen = true;
  call.response.terminal = wire::Stamp{880 * kMs, 890 * kMs};
  call.response.usage.output = 5;
  call.response.finish_reasons = {"stop"};
  return call;
}

Call Body() {
  Call call = Stream();
  call.response.is_stream = false;
  call.response.terminal.reset();
  return call;
}

Ending Whole() {
  return {.request_end = MessageEnd::kComplete,
          .response_end = MessageEnd::kComplete,
          .response_end_ns = 900 * kMs,
          .last_byte_ns = 900 * kMs};
}

Ending Cut(EndedBy by) {
  return {.by = by,
          .ns = 950 * kMs,
          .request_end = MessageEnd::kComplete,
          .response_end = MessageEnd::kTruncated,
          .response_end_ns = 950 * kMs,
          .last_byte_ns = 900 * kMs};
}

TEST(Judge, WholeReply) {
  for (Call call : {Stream(), Body()}) {
    Judge(Whole(), call);
    EXPECT_EQ(call.error, ErrorClass::kNone);
    EXPECT_TRUE(call.incomplete.empty());
    EXPECT_EQ(call.end_ns, 900 * kMs);
    EXPECT_EQ(call.error_type, "");
  }
}

TEST(Judge, ClosedAfterTheTerminalEventIsWhole) {
  Call call = Stream();
  Judge(Cut(EndedBy::kLocal), call);
  EXPECT_EQ(call.error, ErrorClass::kNone);
  EXPECT_FALSE(call.client_aborted);
  EXPECT_TRUE(call.incomplete.empty());
  EXPECT_EQ(call.end_ns, 890 * kMs) << "the terminal event, not the close";
}

TEST(Judge, ClosedAfterFinishAndUsageIsWhole) {
  Call call = Stream();
  call.response.terminal_seen = false;
  call.response.terminal.reset();
  Judge(Cut(EndedBy::kLocal), call);
  EXPECT_FALSE(call.client_aborted);
  EXPECT_TRUE(call.incomplete.empty());
  EXPECT_EQ(call.end_ns, 900 * kMs);
}

TEST(Judge, ClosedByTheClientBefore) {
  Call call = Stream();
  call.response.terminal_seen = false;
  call.response.usage = {};
  Judge(Cut(EndedBy::kLocal), call);
  EXPECT_EQ(call.error, ErrorClass::kClientAbort);
  EXPECT_EQ(call.error_type, "client_abort");
  EXPECT_TRUE(call.client_aborted);
  EXPECT_TRUE(call.has_incomplete(Incomplete::kTruncated));
  EXPECT_EQ(call.end_ns, 950 * kMs);
}

TEST(Judge, PartialUsageDoesNotMakeItWhole) {
  Call call = Stream();
  call.response.terminal_seen = false;
  call.response.usage_is_partial = true;
  Judge(Cut(EndedBy::kLocal), call);
  EXPECT_TRUE(call.client_aborted);
}

TEST(Judge, EndedByThePeer) {
  Call call = Stream();
  call.response.terminal_seen = false;
  call.response.usage = {};
  Judge(Cut(EndedBy::kPeer), call);
  EXPECT_EQ(call.error, ErrorClass::kNetwork);
  EXPECT_EQ(call.error_type, "network");
  EXPECT_FALSE(call.client_aborted);
  EXPECT_TRUE(call.has_incomplete(Incomplete::kTruncated));
}

TEST(Judge, StreamDelimitedByTheConnectionWithoutTerminal) {
  Call call = Stream();
  call.response.terminal_seen = false;
  call.response.usage = {};
  call.response.finish_reasons.clear();
  Ending ending = Whole();
  ending.by = EndedBy::kLocal;
  ending.ns = 950 * kMs;
  Judge(ending, call);
  EXPECT_EQ(call.error, ErrorClass::kClientAbort);
  EXPECT_TRUE(call.has_incomplete(Incomplete::kTruncated));
}

TEST(Judge, NoReply) {
  Call call;
  call.start_ns = 100 * kMs;
  Ending ending = {.by = EndedBy::kLocal,
                   .ns = 1100 * kMs,
                   .request_end = MessageEnd::kComplete,
                   .last_byte_ns = 101 * kMs};
  Call aborted = call;
  Judge(ending, aborted);
  EXPECT_EQ(aborted.error, ErrorClass::kClientAbort);
  EXPECT_TRUE(aborted.has_incomplete(Incomplete::kNoResponse));

  ending.client_timeout_ns = 900 * kMs;
  Call timeout = call;
  Judge(ending, timeout);
  EXPECT_EQ(timeout.error, ErrorClass::kTimeout);
  EXPECT_EQ(timeout.error_type, "timeout");
  EXPECT_FALSE(timeout.client_aborted);

  ending.client_timeout_ns = 2000 * kMs;
  Call sooner = call;
  Judge(ending, sooner);
  EXPECT_EQ(sooner.error, ErrorClass::kClientAbort);

  ending.by = EndedBy::kPeer;
  Call reset = call;
  Judge(ending, reset);
  EXPECT_EQ(reset.error, ErrorClass::kNetwork);
}

TEST(Judge, StatusNamesTheClassWhateverHappenedLater) {
  Call call;
  call.http_status = 500;
  Judge(Cut(EndedBy::kLocal), call);
  EXPECT_EQ(call.error, ErrorClass::kServer);
  EXPECT_EQ(call.error_type, "500");
  EXPECT_FALSE(call.client_aborted);
  EXPECT_TRUE(call.incomplete.empty());
}

// openai-python closes a stream's 429 unread and tries again: the status was all it wanted.
TEST(Judge, AnErrorWhoseBodyTheClientLeftUnreadIsWhole) {
  Call call = Stream();
  call.http_status = 429;
  call.response = {};
  Judge(Cut(EndedBy::kLocal), call);
  EXPECT_EQ(call.error, ErrorClass::kRateLimit);
  EXPECT_FALSE(call.client_aborted);
  EXPECT_TRUE(call.incomplete.empty());
  call.incomplete.clear();
  Judge(Cut(EndedBy::kPeer), call);
  EXPECT_TRUE(call.has_incomplete(Incomplete::kTruncated));
}

TEST(Judge, ErrorInsideAStream) {
  Call call = Stream();
  call.response.terminal_seen = false;
  call.response.usage_is_partial = true;
  call.response.error = {
      .present = true, .type = "overloaded_error", .message = "Overloaded", .in_stream = true};
  Judge(Whole(), call);
  EXPECT_EQ(call.error, ErrorClass::kOverloaded);
  EXPECT_EQ(call.error_message, "Overloaded");
  EXPECT_TRUE(call.incomplete.empty());
}

TEST(Judge, BoundsAndTheEndOfCaptureAreNoErrors) {
  for (const auto& [by, reason] : {std::pair{EndedBy::kEvicted, Incomplete::kEvicted},
                                   std::pair{EndedBy::kFinish, Incomplete::kOpenAtEnd}}) {
    Call call;
    call.http_status = 200;
    call.response.is_stream = true;
    Judge(Cut(by), call);
    EXPECT_EQ(call.error, ErrorClass::kNone);
    EXPECT_TRUE(call.has_incomplete(reason));
    EXPECT_FALSE(call.has_incomplete(Incomplete::kTruncated));
  }
}

TEST(Judge, WhatWasNotSeenIsMarked) {
  Call call = Stream();
  call.response.has_gap = true;
  Ending ending = Whole();
  ending.mid_stream = true;
  ending.order_unknown = true;
  Judge(ending, call);
  EXPECT_TRUE(call.has_incomplete(Incomplete::kHole));
  EXPECT_TRUE(call.has_incomplete(Incomplete::kMidStream));
  EXPECT_TRUE(call.has_incomplete(Incomplete::kOrderUnknown));
  EXPECT_EQ(call.error, ErrorClass::kNone);
}

TEST(Judge, HoleInTheFramingIsAHoleAndNoTruncation) {
  Call call = Stream();
  call.response.terminal_seen = false;
  call.response.usage = {};
  Ending ending = Whole();
  ending.response_end = MessageEnd::kHole;
  Judge(ending, call);
  EXPECT_EQ(call.incomplete, std::vector<Incomplete>{Incomplete::kHole});
  EXPECT_EQ(call.error, ErrorClass::kNone);
}

TEST(Judge, GarbledBodyOfASuccessIsMarkedOfAnErrorNot) {
  Call call = Body();
  call.response.malformed = true;
  Judge(Whole(), call);
  EXPECT_TRUE(call.has_incomplete(Incomplete::kGarbled));

  Call error;
  error.http_status = 502;
  error.response.malformed = true;
  Judge(Whole(), error);
  EXPECT_TRUE(error.incomplete.empty());
  EXPECT_EQ(error.error, ErrorClass::kServer);
}

}  // namespace
}  // namespace sonde::calls
