#include "agent/calls/errors.h"

#include <string>

#include "gtest/gtest.h"

namespace sonde::calls {
namespace {

struct Case {
  int status;
  const char* type;
  const char* code;
  const char* message;
  ErrorClass error;
  const char* error_type;
};

dialects::ErrorFacts Facts(const Case& c) {
  return {.present = true, .type = c.type, .code = c.code, .message = c.message};
}

class ClassifyTest : public testing::TestWithParam<Case> {};

TEST_P(ClassifyTest, ClassAndType) {
  const Case& c = GetParam();
  const ErrorClass found = Classify(c.status, Facts(c));
  EXPECT_EQ(ErrorClassName(found), ErrorClassName(c.error));
  EXPECT_EQ(ErrorType(c.status, Facts(c), found), c.error_type);
}

INSTANTIATE_TEST_SUITE_P(
    Providers, ClassifyTest,
    testing::Values(
        Case{401, "invalid_request_error", "invalid_api_key", "Incorrect API key",
             ErrorClass::kAuth, "invalid_api_key"},
        Case{401, "authentication_error", "", "invalid x-api-key", ErrorClass::kAuth,
             "authentication_error"},
        Case{403, "permission_error", "", "", ErrorClass::kAuth, "permission_error"},
        Case{429, "tokens", "rate_limit_exceeded", "Rate limit reached", ErrorClass::kRateLimit,
             "rate_limit_exceeded"},
        Case{429, "rate_limit_error", "", "", ErrorClass::kRateLimit, "rate_limit_error"},
        Case{429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota",
             ErrorClass::kQuota, "insufficient_quota"},
        Case{400, "invalid_request_error", "", "Your credit balance is too low", ErrorClass::kQuota,
             "invalid_request_error"},
        Case{402, "billing_error", "", "", ErrorClass::kQuota, "billing_error"},
        Case{529, "overloaded_error", "", "Overloaded", ErrorClass::kOverloaded,
             "overloaded_error"},
        Case{200, "overloaded_error", "", "Overloaded", ErrorClass::kOverloaded,
             "overloaded_error"},
        Case{503, "server_error", "", "The model is currently overloaded", ErrorClass::kOverloaded,
             "server_error"},
        Case{503, "server_error", "", "try again", ErrorClass::kServer, "server_error"},
        Case{400, "invalid_request_error", "context_length_exceeded", "maximum context length",
             ErrorClass::kContextLength, "context_length_exceeded"},
        Case{400, "invalid_request_error", "", "This model's maximum context length is 8192 tokens",
             ErrorClass::kContextLength, "invalid_request_error"},
        Case{400, "invalid_request_error", "", "prompt is too long: 210000 tokens > 200000 maximum",
             ErrorClass::kContextLength, "invalid_request_error"},
        Case{413, "request_too_large", "", "Request exceeds the maximum size",
             ErrorClass::kInvalidRequest, "request_too_large"},
        Case{400, "", "content_filter", "filtered", ErrorClass::kContentFilter, "content_filter"},
        Case{400, "invalid_request_error", "content_policy_violation", "",
             ErrorClass::kContentFilter, "content_policy_violation"},
        Case{400, "invalid_request_error", "", "Unknown parameter", ErrorClass::kInvalidRequest,
             "invalid_request_error"},
        Case{404, "invalid_request_error", "model_not_found", "", ErrorClass::kInvalidRequest,
             "model_not_found"},
        Case{404, "", "404", "Resource not found", ErrorClass::kInvalidRequest, "404"},
        Case{408, "timeout_error", "", "", ErrorClass::kTimeout, "timeout_error"},
        Case{504, "timeout_error", "", "", ErrorClass::kTimeout, "timeout_error"},
        Case{500, "api_error", "", "Internal server error", ErrorClass::kServer, "api_error"},
        Case{200, "api_error", "", "", ErrorClass::kServer, "api_error"},
        Case{200, "invalid_request_error", "", "", ErrorClass::kInvalidRequest,
             "invalid_request_error"},
        Case{200, "", "429", "upstream", ErrorClass::kRateLimit, "429"},
        Case{200, "", "", "something", ErrorClass::kServer, "server"},
        Case{500, "a whole sentence, not a word", "", "", ErrorClass::kServer, "500"}));

TEST(Classify, StatusAlone) {
  const dialects::ErrorFacts none;
  EXPECT_EQ(Classify(200, none), ErrorClass::kNone);
  EXPECT_EQ(Classify(0, none), ErrorClass::kNone);
  EXPECT_EQ(Classify(304, none), ErrorClass::kNone);
  EXPECT_EQ(Classify(401, none), ErrorClass::kAuth);
  EXPECT_EQ(Classify(408, none), ErrorClass::kTimeout);
  EXPECT_EQ(Classify(409, none), ErrorClass::kInvalidRequest);
  EXPECT_EQ(Classify(429, none), ErrorClass::kRateLimit);
  EXPECT_EQ(Classify(502, none), ErrorClass::kServer);
  EXPECT_EQ(Classify(504, none), ErrorClass::kTimeout);
  EXPECT_EQ(Classify(529, none), ErrorClass::kOverloaded);
  EXPECT_EQ(ErrorType(502, none, ErrorClass::kServer), "502");
  EXPECT_EQ(ErrorType(0, none, ErrorClass::kNetwork), "network");
}

}  // namespace
}  // namespace sonde::calls
