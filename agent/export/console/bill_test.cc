#include "agent/export/console/bill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "agent/export/console/display.h"
#include "agent/export/test_calls.h"

namespace sonde::exporter::console {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Bill MixedBill() {
  Bill bill;
  bill.Add(MakeOpenAiStream());
  bill.Add(MakeOpenAiStream());
  bill.Add(MakeAnthropicCached());
  bill.Add(MakeRateLimited());
  bill.Add(MakeEstimatedStream());
  bill.Add(MakeAborted());
  return bill;
}

BillFacts Facts() {
  BillFacts facts;
  facts.price_book = "2026-09-23";
  return facts;
}

TEST(BillTest, UsageThatDoesNotAddUpIsTold) {
  Bill bill;
  calls::Call call = MakeOpenAiStream();
  bill.Add(call);
  EXPECT_THAT(bill.Format(Facts(), {.width = 200}), Not(HasSubstr("doubtful")));
  call.response.usage.inconsistent = true;
  bill.Add(call);
  EXPECT_THAT(bill.Format(Facts(), {.width = 200}),
              HasSubstr("doubtful   1 call with usage that does not add up, priced as the "
                        "provider stated it\n"));
}

TEST(BillTest, WideTable) {
  EXPECT_EQ(
      MixedBill().Format(Facts(), {.width = 200}),
      "bill       6 calls to 2 models\n"
      "provider   model              calls  errors     in  cached  out  cost                   "
      "        first p50/p95  duration p50/p95\n"
      "anthropic  claude-sonnet-4-5      1       0  2,410   2,000   50  >=$0.003105            "
      "                    -         2.1s/2.1s\n"
      "openai     gpt-5-mini             5       2  2,408   2,048  636  $0.0014132 + ~$0.000085"
      " + ?      380ms/380ms         2.1s/2.1s\n"
      "           total                  6       2  4,818   4,048  686  >=$0.0045182 + "
      "~$0.000085 + ?    380ms/380ms         2.1s/2.1s\n"
      "estimated  ~$0.000085 for 1 call without usage on the wire; not in the total\n"
      "partial    1 call at a lower bound: no price for web_search\n"
      "unpriced   1 call: aborted (gpt-5-mini-2025-08-07)\n"
      "incomplete 1 call: truncated 1\n"
      "unseen (0), lost (0), incomplete (1); prices of 2026-09-23\n");
}

TEST(BillTest, NarrowTable) {
  EXPECT_EQ(MixedBill().Format(Facts(), {.width = 80}),
            "bill       6 calls to 2 models\n"
            "model              calls  errors     in  out  cost\n"
            "claude-sonnet-4-5      1       0  2,410   50  >=$0.003105\n"
            "gpt-5-mini             5       2  2,408  636  $0.0014132 + ~$0.000085 + ?\n"
            "total                  6       2  4,818  686  >=$0.0045182 + ~$0.000085 + ?\n"
            "estimated  ~$0.000085 for 1 call without usage on the wire; not in the total\n"
            "partial    1 call at a lower bound: no price for web_search\n"
            "unpriced   1 call: aborted (gpt-5-mini-2025-08-07)\n"
            "incomplete 1 call: truncated 1\n"
            "unseen (0), lost (0), incomplete (1); prices of 2026-09-23\n");
}

TEST(BillTest, NoLineIsLongerThanTheTerminal) {
  BillFacts facts = Facts();
  facts.losses = {{"ring_full", 12}, {"probe_read", 3}};
  facts.still_running = 2;
  facts.warnings = {"12 of 40 spans not delivered to http://collector:4318: connection refused"};
  facts.late.push_back({"python3[12]", "/usr/lib/x86_64-linux-gnu/libssl.so.3", 12'000'000});
  for (size_t width = 40; width <= 220; ++width) {
    std::istringstream lines(MixedBill().Format(facts, {.width = width}));
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(DisplayWidth(line), width) << line;
    }
  }
}

TEST(BillTest, TheTotalIsTheSumOfTheRows) {
  const Bill bill = MixedBill();
  BillRow sum;
  for (const BillRow* row : bill.rows()) {
    sum.calls += row->calls;
    sum.errors += row->errors;
    sum.input += row->input;
    sum.cached += row->cached;
    sum.output += row->output;
    sum.cost += row->cost;
    sum.estimated_cost += row->estimated_cost;
    sum.unpriced += row->unpriced;
  }
  EXPECT_EQ(sum.calls, bill.total().calls);
  EXPECT_EQ(sum.errors, bill.total().errors);
  EXPECT_EQ(sum.input, bill.total().input);
  EXPECT_EQ(sum.cached, bill.total().cached);
  EXPECT_EQ(sum.output, bill.total().output);
  EXPECT_EQ(sum.cost, bill.total().cost);
  EXPECT_EQ(sum.estimated_cost, bill.total().estimated_cost);
  EXPECT_EQ(sum.unpriced, bill.total().unpriced);
  EXPECT_EQ(bill.total().cost, 2 * 706'600'000LL + 3'105'000'000LL);
}

TEST(BillTest, AModelThatFailedFirstHasOneRow) {
  calls::Call failed = MakeRateLimited();
  failed.quote.model.clear();
  failed.request.model = "gpt-5-mini-2025-08-07";
  failed.response.model.clear();
  calls::Call good = MakeOpenAiStream();
  good.request.model = failed.request.model;
  for (const auto& order : {std::vector{failed, good, failed}, std::vector{good, failed, failed}}) {
    Bill bill;
    for (const calls::Call& call : order) bill.Add(call);
    ASSERT_EQ(bill.rows().size(), 1U);
    EXPECT_EQ(bill.rows()[0]->model, "gpt-5-mini");
    EXPECT_EQ(bill.rows()[0]->calls, 3U);
    EXPECT_EQ(bill.rows()[0]->errors, 2U);
    EXPECT_EQ(bill.rows()[0]->duration.count(), 1U);
  }
}

TEST(BillTest, ARouterSNameJoinsNothing) {
  calls::Call one = MakeOpenAiStream();
  one.request.model = "auto";
  calls::Call two = one;
  two.response.model = two.quote.model = "gpt-4o";
  calls::Call failed = MakeRateLimited();
  failed.quote.model.clear();
  failed.request.model = "auto";
  failed.response.model.clear();
  Bill bill;
  for (const calls::Call& call : {one, two, failed}) bill.Add(call);
  EXPECT_EQ(bill.rows().size(), 3U);
}

TEST(BillTest, SaysWhyACostIsALowerBound) {
  calls::Call call = MakeOpenAiStream();
  call.quote.status = pricing::CostStatus::kPartial;
  call.response.usage_is_partial = true;
  Bill bill;
  bill.Add(call);
  EXPECT_THAT(bill.Format(Facts(), {.width = 200}),
              HasSubstr("1 call at a lower bound: the stream ended before its final usage\n"));
  call.response.usage_is_partial = false;
  call.response.usage.output.reset();
  bill.Add(call);
  EXPECT_THAT(bill.Format(Facts(), {.width = 200}), HasSubstr("; the stream ended"));
  EXPECT_THAT(bill.Format(Facts(), {.width = 200}), HasSubstr("output tokens were not stated"));
}

TEST(BillTest, WhatNobodyIsBilledForIsInNoSum) {
  for (const auto status : {pricing::CostStatus::kComputed, pricing::CostStatus::kPartial,
                            pricing::CostStatus::kEstimated}) {
    calls::Call call = MakeOpenAiStream();
    call.billing_mode = calls::BillingMode::kPlan;
    call.quote.status = status;
    Bill bill;
    bill.Add(call);
    EXPECT_EQ(bill.total().cost, 0);
    EXPECT_EQ(bill.total().estimated_cost, 0);
    EXPECT_EQ(bill.total().notional_cost, *call.quote.total);
    // Its mark stays with it, in the table and below.
    const std::string mark = status == pricing::CostStatus::kPartial     ? ">="
                             : status == pricing::CostStatus::kEstimated ? "~"
                                                                         : "";
    const std::string text = bill.Format(Facts(), {.width = 200});
    EXPECT_THAT(text, HasSubstr("(" + mark + "$0.0007066 plan)"));
    EXPECT_THAT(text, HasSubstr("notional   " + mark + "$0.0007066 for 1 call"));
  }
}

TEST(BillTest, RowsAreBounded) {
  Bill bill;
  calls::Call call = MakeOpenAiStream();
  for (size_t i = 0; i < 3 * Bill::kRows; ++i) {
    call.quote.model = "model-" + std::to_string(i);
    bill.Add(call);
  }
  EXPECT_LE(bill.rows().size(), Bill::kRows + 1);
  uint64_t calls = 0;
  for (const BillRow* row : bill.rows()) calls += row->calls;
  EXPECT_EQ(calls, 3 * Bill::kRows);
}

TEST(BillTest, MoneyDoesNotWrapAround) {
  Bill bill;
  calls::Call call = MakeOpenAiStream();
  call.quote.total = std::numeric_limits<pricing::PicoUsd>::max() - 1;
  bill.Add(call);
  bill.Add(call);
  EXPECT_EQ(bill.total().cost, std::numeric_limits<pricing::PicoUsd>::max());
}

TEST(BillTest, SaysWhatIsMissing) {
  Bill bill;
  calls::Call open = MakeOpenAiStream();
  open.incomplete = {calls::Incomplete::kOpenAtEnd};
  bill.Add(open);
  bill.AddNotice({.key = "k", .text = "usage not sent: add stream_options.include_usage"});
  bill.AddNotice({.key = "k", .text = "usage not sent: add stream_options.include_usage"});
  BillFacts facts = Facts();
  facts.losses = {{"ring_full", 12}, {"probe_read", 3}};
  facts.unseen.push_back({.kind = "tls",
                          .host = "api.openai.com",
                          .provider_host = true,
                          .reason = "TLS library not recognised",
                          .connections = 2});
  facts.unseen.push_back({.kind = "tls", .host = "example.com", .connections = 5});
  facts.late.push_back({"python3[12]", "/usr/lib/libssl.so.3", 12'000'000});
  facts.still_running = 2;
  facts.warnings = {"12 of 40 spans not delivered"};
  const std::string text = bill.Format(facts, {.width = 200});
  EXPECT_THAT(text, HasSubstr("lost       probe_read 3, ring_full 12\n"));
  EXPECT_THAT(text, HasSubstr("unseen     2 connections to api.openai.com (a model provider), tls: "
                              "TLS library not recognised\n"));
  EXPECT_THAT(text, Not(HasSubstr("example.com")));
  EXPECT_THAT(text, HasSubstr("unseen (7), lost (15), incomplete (1)"));
  EXPECT_THAT(text, HasSubstr("running    2 processes still running, 1 call open"));
  EXPECT_THAT(text, HasSubstr("late       /usr/lib/libssl.so.3 in python3[12]: probes in 12ms"));
  EXPECT_THAT(text, HasSubstr("warning    12 of 40 spans not delivered\n"));
  const size_t hint = text.find("hint ");
  EXPECT_NE(hint, std::string::npos);
  EXPECT_EQ(text.find("hint ", hint + 1), std::string::npos);
}

TEST(BillTest, WithoutCallsItSaysWhy) {
  BillFacts facts = Facts();
  facts.silence = {"no call was seen in 1 process", "next: try \x1b[31mthis"};
  EXPECT_EQ(Bill().Format(facts, {.width = 100}),
            "bill       no call was seen in 1 process\n"
            "           next: try ?[31mthis\n"
            "unseen (0), lost (0), incomplete (0); prices of 2026-09-23\n");
}

TEST(BillTest, JsonHoldsTheSameSums) {
  const auto json = nlohmann::json::parse(MixedBill().Json(Facts()));
  EXPECT_EQ(json["schema"], "sonde.bill/1");
  EXPECT_EQ(json["total"]["cost"], "0.0045182");
  EXPECT_EQ(json["total"]["estimated"]["cost"], "0.000085");
  EXPECT_EQ(json["total"]["calls"], 6);
  EXPECT_EQ(json["models"].size(), 2U);
  EXPECT_EQ(json["unpriced"][0]["reason"], "aborted");
  EXPECT_EQ(json["price_book"], "2026-09-23");
  const auto empty = nlohmann::json::parse(Bill().Json(BillFacts()));
  EXPECT_FALSE(empty["total"].contains("cost"));
}

}  // namespace
}  // namespace sonde::exporter::console
