#include "agent/flow/sniff.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace sonde::flow {
namespace {

using std::string_view_literals::operator""sv;

TEST(LookAt, Requests) {
  EXPECT_EQ(LookAt("POST /v1/messages HTTP/1.1\r\n", false), Look::kHttpRequest);
  EXPECT_EQ(LookAt("GET ", true), Look::kHttpRequest);
  EXPECT_EQ(LookAt("M-SEARCH * HTTP/1.1", true), Look::kHttpRequest);
  EXPECT_EQ(LookAt("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false), Look::kHttpRequest);
  EXPECT_EQ(LookAt("\r\n\r\nPOST / HTTP/1.1", false), Look::kHttpRequest);
}

TEST(LookAt, Responses) {
  EXPECT_EQ(LookAt("HTTP/1.1 200 OK", true), Look::kHttpResponse);
  EXPECT_EQ(LookAt("HTTP/", true), Look::kHttpResponse);
}

TEST(LookAt, EveryPrefixOfARequestOrResponseIsUndecidedOrRight) {
  for (const std::string_view text : {"POST /v1 HTTP/1.1"sv, "OPTIONS * HTTP/1.1"sv}) {
    for (size_t size = 0; size <= text.size(); ++size) {
      const Look look = LookAt(text.substr(0, size), true);
      EXPECT_TRUE(look == Look::kNeedMore || look == Look::kHttpRequest) << text << " " << size;
    }
  }
  const std::string_view reply = "HTTP/1.1 200 OK";
  for (size_t size = 0; size <= reply.size(); ++size) {
    const Look look = LookAt(reply.substr(0, size), true);
    EXPECT_EQ(look, size < 5 ? Look::kNeedMore : Look::kHttpResponse) << size;
  }
}

TEST(LookAt, TlsOnlyOnSockets) {
  EXPECT_EQ(LookAt("\x16\x03\x01\x02"sv, true), Look::kTlsRecord);
  EXPECT_EQ(LookAt("\x17\x03\x03"sv, true), Look::kTlsRecord);
  EXPECT_EQ(LookAt("\x16"sv, true), Look::kNeedMore);
  EXPECT_EQ(LookAt("\x16\x03"sv, true), Look::kNeedMore);
  EXPECT_EQ(LookAt("\x16\x04\x01"sv, true), Look::kOther);
  EXPECT_EQ(LookAt("\x16\x03\x09"sv, true), Look::kOther);
  EXPECT_EQ(LookAt("\x16\x03\x01\x02"sv, false), Look::kOther);
}

TEST(LookAt, OtherProtocols) {
  EXPECT_EQ(LookAt("SSH-2.0-OpenSSH_9.2", true), Look::kOther);
  EXPECT_EQ(LookAt("{\"json\":1}", false), Look::kOther);
  EXPECT_EQ(LookAt("\0\0\0\x08\x04\xd2\x16\x2f"sv, true), Look::kOther);
  EXPECT_EQ(LookAt("AVERYLONGWORDTHATISNOMETHOD /", true), Look::kOther);
  EXPECT_EQ(LookAt(" GET /", true), Look::kOther);
  EXPECT_EQ(LookAt("get / HTTP/1.1", true), Look::kOther);
}

}  // namespace
}  // namespace sonde::flow
