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

TEST(Judge, OneChoiceOfSeveralDoesNotEndTheCall) {
  for (const MessageEnd end : {MessageEnd::kTruncated, MessageEnd::kComplete}) {
    Call call = Stream();
    call.response.terminal_seen = false;
    call.response.terminal.reset();
    call.request.choice_count = 2;
    Ending ending = Cut(EndedBy::kLocal);
    ending.response_end = end;
    Call whole = call;
    Judge(ending, call);
    EXPECT_TRUE(call.client_aborted);
    EXPECT_TRUE(call.has_incomplete(Incomplete::kTruncated));
    whole.response.finish_reasons = {"stop", "length"};
    Judge(ending, whole);
    EXPECT_FALSE(whole.client_aborted);
    EXPECT_TRUE(whole.incomplete.empty());
  }
}

TEST(Judge, OnlyARepliesBodyMustBeJson) {
  for (const int status : {200, 307, 404}) {
    Call call = Body();
    call.http_status = status;
    call.response.malformed = true;
    Judge(Whole(), call);
    EXPECT_EQ(call.has_incomplete(Incomplete::kGarbled), status == 200) << status;
  }
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

  ending.timeouts.read_ns = 900 * kMs;
  Call timeout = call;
  Judge(ending, timeout);
  EXPECT_EQ(timeout.error, ErrorClass::kTimeout);
  EXPECT_EQ(timeout.error_type, "timeout");
  EXPECT_FALSE(timeout.client_aborted);

  ending.timeouts.read_ns = 2000 * kMs;
  Call sooner = call;
  Judge(ending, sooner);
  EXPECT_EQ(sooner.error, ErrorClass::kClientAbort);

  ending.by = EndedBy::kPeer;
  Call reset = call;
  Judge(ending, reset);
  EXPECT_EQ(reset.error, ErrorClass::kNetwork);
}

TEST(Judge, AHoleInTheRequestMattersOnlyWhereTheReplyIsSilent) {
  const auto marked = [](void (*change)(Call&)) {
    Call call;
    call.http_status = 200;
    call.request.model = "gpt-test";
    call.request.body_has_gap = true;
    call.response.usage.output = 5;
    change(call);
    Ending ending;
    ending.request_end = ending.response_end = wire::MessageEnd::kComplete;
    Judge(ending, call);
    return call.has_incomplete(Incomplete::kHole);
  };
  EXPECT_FALSE(marked([](Call&) {}));
  EXPECT_FALSE(marked([](Call& call) { call.request.model.swap(call.response.model); }));
  EXPECT_TRUE(marked([](Call& call) { call.request.model.clear(); }));
  // Without usage the prompt is estimated from what was seen of it.
  EXPECT_TRUE(marked([](Call& call) {
    call.response.usage = {};
    call.response.text.ascii_bytes = 9;
  }));
  EXPECT_TRUE(marked([](Call& call) {
    call.request.body_has_gap = false;
    call.response.has_gap = true;
  }));
}

TEST(Judge, ACodingThatIsNotDecodedIsNoHole) {
  Call call;
  call.http_status = 200;
  Ending ending;
  ending.request_end = ending.response_end = wire::MessageEnd::kComplete;
  ending.unsupported_coding = true;
  Judge(ending, call);
  EXPECT_EQ(call.incomplete, std::vector<Incomplete>{Incomplete::kUnsupportedCoding});
}

ErrorClass AfterTotal(uint64_t stated_ns, events::MonoNs opened_ns, events::MonoNs start_ns,
                      events::MonoNs end_ns, bool streams = false) {
  Call call;
  call.start_ns = start_ns;
  if (streams) {
    call.http_status = 200;
    call.response.is_stream = true;
  }
  Ending ending;
  ending.by = EndedBy::kLocal;
  ending.ns = end_ns;
  ending.last_byte_ns = start_ns + kMs;
  ending.opened_ns = opened_ns;
  ending.timeouts.total_ns = stated_ns;
  ending.timeouts.streams_until_head = true;
  Judge(ending, call);
  return call.error;
}

TEST(Judge, ATimeoutInAllRunsFromTheConnectionsOpening) {
  constexpr uint64_t kSecond = 1000 * kMs;
  constexpr events::MonoNs kOpened = 50 * kSecond;
  constexpr events::MonoNs kStart = kOpened + 300 * kMs;
  // 1 s was stated: the timer may have been set to anything below 2 s.
  EXPECT_EQ(AfterTotal(kSecond, kOpened, kStart, kOpened + 980 * kMs), ErrorClass::kTimeout);
  EXPECT_EQ(AfterTotal(kSecond, kOpened, kStart, kOpened + 1950 * kMs), ErrorClass::kTimeout);
  EXPECT_EQ(AfterTotal(kSecond, kOpened, kStart, kOpened + 700 * kMs), ErrorClass::kClientAbort);
  EXPECT_EQ(AfterTotal(kSecond, kOpened, kStart, kOpened + 2600 * kMs), ErrorClass::kClientAbort);
  // Not the connection's first call, or one on a connection that was opened ahead.
  EXPECT_EQ(AfterTotal(kSecond, 0, kStart, kStart + kSecond), ErrorClass::kTimeout);
  EXPECT_EQ(AfterTotal(kSecond, 0, kStart, kStart + 700 * kMs), ErrorClass::kClientAbort);
  EXPECT_EQ(AfterTotal(kSecond, kOpened - 9 * kSecond, kStart, kStart + kSecond),
            ErrorClass::kTimeout);
  EXPECT_EQ(AfterTotal(kSecond, kOpened - 9 * kSecond, kStart, kStart + 100 * kMs),
            ErrorClass::kClientAbort);
  // Below one second it is stated as nothing.
  EXPECT_EQ(AfterTotal(0, kOpened, kStart, kOpened + 700 * kMs), ErrorClass::kTimeout);
  EXPECT_EQ(AfterTotal(0, kOpened, kStart, kOpened + 1700 * kMs), ErrorClass::kClientAbort);
  // The timer of a stream has ended with its head.
  EXPECT_EQ(AfterTotal(kSecond, kOpened, kStart, kOpened + kSecond, true),
            ErrorClass::kClientAbort);
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
                                   std::pair{EndedBy::kDeselected, Incomplete::kDeselected},
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
