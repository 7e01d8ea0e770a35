#include "agent/export/console/live_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "agent/export/console/display.h"
#include "agent/export/test_calls.h"

namespace sonde::exporter::console {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr events::MonoNs kOrigin = 5'000'000'000'000 - 410'000'000;

std::string Line(const calls::Call& call, size_t width, bool colour = false) {
  LineContext context{.origin_ns = kOrigin};
  if (call.attempt > 0) context.waited_ns = 2'000'000'000;
  return LiveLine(call, context, {.width = width, .colour = colour});
}

TEST(LiveLineTest, WideTerminal) {
  EXPECT_EQ(
      Line(MakeOpenAiStream(), 200),
      "  0.41s  openai      gpt-5-mini-2025-08-07           1,204 in  (1,024 cached)    318 out"
      "  (192 thinking)  first 380ms   2.1s  185 tok/s  $0.0007066");
  EXPECT_EQ(
      Line(MakeAnthropicCached(), 200),
      "  0.41s  anthropic   claude-sonnet-4-5-20250929      2,410 in  (2,000 cached)     50 out"
      "                                2.1s             >=$0.003105");
}

TEST(LiveLineTest, ColumnsGoInTheStatedOrder) {
  EXPECT_EQ(Line(MakeOpenAiStream(), 120),
            "  0.41s  openai      gpt-5-mini-2025-08-07         1,204 in  (1,024 cached)    318 out"
            "  first 380ms   2.1s  $0.0007066");
  EXPECT_EQ(Line(MakeOpenAiStream(), 80),
            "  0.41s  gpt-5-mini-2025-08-07          1,204 in    318 out   2.1s  $0.0007066");
  EXPECT_EQ(Line(MakeOpenAiStream(), 60), "gpt-5-min..    1,204 in    318 out   2.1s  $0.0007066");
}

TEST(LiveLineTest, Errors) {
  EXPECT_EQ(
      Line(MakeRateLimited(), 200),
      "  0.41s  openai      gpt-5-mini                    429 rate_limit (rate_limit_exceeded)"
      "   90ms  retry 1 after 2.0s  asks to wait 2.0s  Rate limit reached for gpt-5-mini");
  EXPECT_EQ(Line(MakeRateLimited(), 60),
            "gpt-5-mini       429 rate_limit (rate_limit_exceeded)   90ms\n"
            "    retry 1 after 2.0s  asks to wait 2.0s");
}

TEST(LiveLineTest, EstimatesAreMarked) {
  const std::string line = Line(MakeEstimatedStream(), 200);
  EXPECT_THAT(line, HasSubstr("~20 in"));
  EXPECT_THAT(line, HasSubstr("~40 out"));
  EXPECT_THAT(line, HasSubstr("~$0.000085"));
}

TEST(LiveLineTest, AMissingPriceIsNeverZero) {
  calls::Call call = MakeOpenAiStream();
  call.quote = {};
  call.quote.reason = "unknown_model";
  const std::string line = Line(call, 200);
  EXPECT_THAT(line, HasSubstr("unpriced: unknown_model"));
  EXPECT_THAT(line, Not(HasSubstr("$")));
  EXPECT_THAT(Line(MakeAborted(), 200), HasSubstr("unpriced: aborted  incomplete: truncated"));
  EXPECT_THAT(Line(MakeBare(), 200), HasSubstr("(no model)"));
}

TEST(LiveLineTest, AnErrorThatNobodyBillsHasNoCost) { EXPECT_EQ(CostText(MakeRateLimited()), ""); }

TEST(LiveLineTest, APlansCostIsNotional) {
  calls::Call call = MakeOpenAiStream();
  call.billing_mode = calls::BillingMode::kPlan;
  EXPECT_EQ(CostText(call), "($0.0007066 plan)");
}

TEST(LiveLineTest, HostileNamesPrintNothingButText) {
  calls::Call call = MakeOpenAiStream();
  call.response.model = "\x1b]0;owned\x07\x1b[2J\nfake line";
  call.provider = "\x1b[31m";
  call.error = calls::ErrorClass::kServer;
  call.error_type = "\x1b[1A";
  call.error_message = "key sk-test-0123456789abcdef0123456789abcdef \x1b[2K";
  for (size_t width : {60, 80, 200, 1000}) {
    const std::string line = Line(call, width);
    EXPECT_EQ(line.find('\x1b'), std::string::npos) << line;
    EXPECT_EQ(line.find('\x07'), std::string::npos) << line;
    EXPECT_THAT(line, Not(HasSubstr("0123456789abcdef")));
  }
}

TEST(LiveLineTest, NoLineIsLongerThanTheTerminal) {
  const calls::Call all[] = {MakeOpenAiStream(),    MakeAnthropicCached(), MakeRateLimited(),
                             MakeEstimatedStream(), MakeAborted(),         MakeBare(),
                             MakeEverything()};
  for (const calls::Call& call : all) {
    for (size_t width = 40; width <= 220; ++width) {
      std::istringstream lines(Line(call, width));
      for (std::string line; std::getline(lines, line);) {
        EXPECT_LE(DisplayWidth(line), width) << line;
      }
    }
  }
}

TEST(LiveLineTest, ColourChangesNoText) {
  const std::string plain = Line(MakeOpenAiStream(), 120);
  std::string painted = Line(MakeOpenAiStream(), 120, true);
  EXPECT_THAT(painted, HasSubstr("\x1b[32m$0.0007066"));
  for (size_t at = 0; (at = painted.find('\x1b')) != std::string::npos;) {
    painted.erase(at, painted.find('m', at) - at + 1);
  }
  EXPECT_EQ(painted, plain);
}

}  // namespace
}  // namespace sonde::exporter::console
