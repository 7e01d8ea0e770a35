#include "agent/calls/headers.h"

#include <string>

#include "gtest/gtest.h"

namespace sonde::calls {
namespace {

TEST(SplitAuthority, Forms) {
  const auto check = [](std::string_view text, std::string_view host, uint16_t port) {
    const HostPort split = SplitAuthority(text);
    EXPECT_EQ(split.host, host) << text;
    EXPECT_EQ(split.port, port) << text;
  };
  check("api.openai.test", "api.openai.test", 0);
  check("API.OpenAI.test:8443", "api.openai.test", 8443);
  check("[::1]:8443", "::1", 8443);
  check("[fe80::1%25eth0]", "fe80::1%25eth0", 0);
  check("::1", "::1", 0);
  check("user:secret@host:80", "host", 80);
  check("host:99999", "host", 0);
  check("host:", "host", 0);
  check("", "", 0);
  check("[::1", "", 0);
  check("bad host", "", 0);
  check(
      "a\x01"
      "b",
      "", 0);
  check(std::string(300, 'a'), "", 0);
}

TEST(PathOf, Forms) {
  EXPECT_EQ(PathOf("/v1/messages?beta=true"), "/v1/messages");
  EXPECT_EQ(PathOf("http://proxy.test:80/v1/x?key=secret"), "/v1/x");
  EXPECT_EQ(PathOf("http://proxy.test"), "/");
  EXPECT_EQ(PathOf("/redirect?to=http://other.test/x"), "/redirect");
  EXPECT_EQ(PathOf("/a/http://b"), "/a/http://b");
  EXPECT_EQ(PathOf(""), "");
  EXPECT_EQ(PathOf(std::string(5000, '/')).size(), 1024U);
}

TEST(RetryAfterNs, Forms) {
  EXPECT_EQ(RetryAfterNs({{"retry-after-ms", "1500.5"}, {"retry-after", "9"}}), 1'500'500'000);
  EXPECT_EQ(RetryAfterNs({{"retry-after", "2"}}), 2'000'000'000);
  EXPECT_EQ(RetryAfterNs({{"retry-after", "0.25"}}), 250'000'000);
  EXPECT_EQ(RetryAfterNs({{"retry-after", "Sat, 21 Nov 2026 12:00:30 GMT"},
                          {"date", "Sat, 21 Nov 2026 12:00:00 GMT"}}),
            30'000'000'000);
  EXPECT_EQ(RetryAfterNs({{"retry-after", "Sat, 21 Nov 2026 11:00:00 GMT"},
                          {"date", "Sat, 21 Nov 2026 12:00:00 GMT"}}),
            0);
  EXPECT_EQ(RetryAfterNs({{"retry-after", "Sat, 21 Nov 2026 12:00:30 GMT"}}), std::nullopt);
  EXPECT_EQ(RetryAfterNs({{"retry-after", "soon"}}), std::nullopt);
  EXPECT_EQ(RetryAfterNs({{"retry-after", "-1"}}), std::nullopt);
  EXPECT_EQ(RetryAfterNs({{"retry-after", "nan"}}), std::nullopt);
  EXPECT_EQ(RetryAfterNs({{"retry-after", "1e300"}}), 604'800'000'000'000);
  EXPECT_EQ(RetryAfterNs({}), std::nullopt);
}

TEST(RetryAfterNs, DatesOfEachForm) {
  constexpr int64_t kSecond = 1'000'000'000;
  constexpr int64_t kNoon = 1'795'262'400 * kSecond;  // Sat, 21 Nov 2026 12:00:00 GMT
  for (const char* date : {"Sat, 21 Nov 2026 12:00:30 GMT", "Saturday, 21-Nov-26 12:00:30 GMT",
                           "Sat Nov 21 12:00:30 2026"}) {
    EXPECT_EQ(RetryAfterNs({{"retry-after", date}}, kNoon), 30 * kSecond) << date;
    EXPECT_EQ(RetryAfterNs({{"retry-after", date}}, kNoon + 40 * kSecond), 0) << date;
    EXPECT_EQ(
        RetryAfterNs({{"retry-after", date}, {"date", "Sat, 21 Nov 2026 12:00:20 GMT"}}, kNoon),
        10 * kSecond)
        << date << ": the server's clock is the one it was written by";
    EXPECT_EQ(RetryAfterNs({{"retry-after", date}, {"date", "now"}}, kNoon), 30 * kSecond) << date;
  }
  EXPECT_EQ(RetryAfterNs({{"retry-after", "Sun Nov  1 12:00:00 2026"}}, kNoon), 0);
  EXPECT_EQ(RetryAfterNs({{"retry-after", "Sat, 21 Nov 2099 12:00:30 GMT"}}, kNoon),
            7 * 24 * 3600 * kSecond);
  for (const char* text : {"infinite-future", "soon", "Sat, 21 Nov 2026 12:00:30 CET",
                           "Sat, 31 Feb 2026 12:00:30 GMT"}) {
    EXPECT_EQ(RetryAfterNs({{"retry-after", text}}, kNoon), std::nullopt) << text;
  }
}

TEST(ReadRateLimits, OpenAi) {
  const RateLimits limits = ReadRateLimits({{"x-ratelimit-limit-requests", "500"},
                                            {"x-ratelimit-remaining-requests", "499"},
                                            {"x-ratelimit-limit-tokens", "30000"},
                                            {"x-ratelimit-remaining-tokens", "29000"}});
  EXPECT_EQ(limits.requests_limit, 500);
  EXPECT_EQ(limits.requests_remaining, 499);
  EXPECT_EQ(limits.tokens_limit, 30000);
  EXPECT_EQ(limits.tokens_remaining, 29000);
  EXPECT_FALSE(limits.input_tokens_limit);
}

TEST(ReadRateLimits, Anthropic) {
  const RateLimits limits = ReadRateLimits({{"anthropic-ratelimit-requests-limit", "50"},
                                            {"anthropic-ratelimit-requests-remaining", "0"},
                                            {"anthropic-ratelimit-input-tokens-limit", "40000"},
                                            {"anthropic-ratelimit-input-tokens-remaining", "39000"},
                                            {"anthropic-ratelimit-output-tokens-limit", "8000"},
                                            {"anthropic-ratelimit-output-tokens-remaining", "7"}});
  EXPECT_EQ(limits.requests_limit, 50);
  EXPECT_EQ(limits.requests_remaining, 0);
  EXPECT_EQ(limits.input_tokens_limit, 40000);
  EXPECT_EQ(limits.input_tokens_remaining, 39000);
  EXPECT_EQ(limits.output_tokens_limit, 8000);
  EXPECT_EQ(limits.output_tokens_remaining, 7);
}

TEST(ReadRateLimits, NonsenseIsAbsent) {
  const RateLimits limits =
      ReadRateLimits({{"x-ratelimit-limit-tokens", "-1"}, {"x-ratelimit-limit-requests", "many"}});
  EXPECT_FALSE(limits.tokens_limit);
  EXPECT_FALSE(limits.requests_limit);
}

TEST(RequestIdTest, FirstKnownHeader) {
  EXPECT_EQ(RequestId({{"request-id", "req_2"}}), "req_2");
  EXPECT_EQ(RequestId({{"request-id", "req_2"}, {"x-request-id", "req_1"}}), "req_1");
  EXPECT_EQ(RequestId({{"x-request-id", std::string(500, 'x')}}).size(), 128U);
}

TEST(BillingScopeTest, ReplyBeforeRequest) {
  EXPECT_EQ(BillingScope({{"openai-project", "proj_a"}}, {{"openai-organization", "org-b"}}),
            "org-b/proj_a");
  EXPECT_EQ(BillingScope({}, {{"anthropic-organization-id", "org-c"}}), "org-c");
  EXPECT_EQ(BillingScope({}, {}), "");
}

TEST(CredentialKindTest, ByPrefix) {
  EXPECT_EQ(CredentialKind({{"x-api-key", "sk-ant-api03-test"}}), Credential::kApiKey);
  EXPECT_EQ(CredentialKind({{"authorization", "Bearer sk-ant-oat01-test"}}), Credential::kOAuth);
  EXPECT_EQ(CredentialKind({{"authorization", "Bearer sk-test"}}), Credential::kApiKey);
  EXPECT_EQ(CredentialKind({{"authorization", "Bearer eyJhbGciOi"}}), Credential::kOther);
  EXPECT_EQ(CredentialKind({}), Credential::kNone);
}

TEST(StatedValues, RetryCountAndTimeout) {
  EXPECT_EQ(StatedRetryCount({{"x-stainless-retry-count", "2"}}), 2U);
  EXPECT_EQ(StatedRetryCount({{"x-stainless-retry-count", "-2"}}), std::nullopt);
  EXPECT_EQ(StatedRetryCount({{"x-stainless-retry-count", "99999999"}}), std::nullopt);
  EXPECT_EQ(StatedRetryCount({}), std::nullopt);
}

TEST(StatedTimeouts, ReadOrTotalByLanguage) {
  const StatedTimeouts js =
      ReadStatedTimeouts({{"x-stainless-lang", "js"}, {"x-stainless-timeout", "0"}});
  EXPECT_EQ(js.total_ns, 0U);
  EXPECT_EQ(js.read_ns, std::nullopt);
  EXPECT_TRUE(js.streams_until_head);
  const StatedTimeouts older =
      ReadStatedTimeouts({{"x-stainless-lang", "python"}, {"x-stainless-timeout", "600"}});
  EXPECT_EQ(older.read_ns, 600'000'000'000U);
  EXPECT_EQ(older.total_ns, std::nullopt);
  const StatedTimeouts python = ReadStatedTimeouts({{"x-stainless-lang", "python"},
                                                    {"x-stainless-timeout", "NOT_GIVEN"},
                                                    {"x-stainless-read-timeout", "0.5"}});
  EXPECT_EQ(python.read_ns, 500'000'000U);
  EXPECT_EQ(python.total_ns, std::nullopt);
  const StatedTimeouts java = ReadStatedTimeouts({{"x-stainless-lang", "java"},
                                                  {"x-stainless-timeout", "30"},
                                                  {"x-stainless-read-timeout", "5"}});
  EXPECT_EQ(java.read_ns, 5'000'000'000U);
  EXPECT_EQ(java.total_ns, 30'000'000'000U);
  EXPECT_FALSE(java.streams_until_head);
  EXPECT_EQ(ReadStatedTimeouts({}).total_ns, std::nullopt);
}

}  // namespace
}  // namespace sonde::calls
