#include "decoders/wire/tls_client_hello.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace sonde::wire {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Number(size_t value, int width) {
  std::string out;
  for (int i = width - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}
std::string Vector(std::string_view body, int width) {
  return Number(body.size(), width) + std::string(body);
}
std::string Extension(int type, std::string_view body) { return Number(type, 2) + Vector(body, 2); }
std::string Sni(std::string_view name) {
  return Extension(0, Vector(std::string(1, '\0') + Vector(name, 2), 2));
}
std::string Alpn(std::initializer_list<std::string_view> names) {
  std::string list;
  for (const std::string_view name : names) list += Vector(name, 1);
  return Extension(16, Vector(list, 2));
}
std::string Handshake(std::string_view extensions) {
  const std::string body = "\x03\x03" + std::string(32, 'r') + Vector("", 1) +
                           Vector("\x13\x01\x13\x02", 2) + Vector(std::string(1, '\0'), 1) +
                           Vector(extensions, 2);
  return "\x01" + Vector(body, 3);
}
std::string Record(std::string_view fragment) { return "\x16\x03\x01" + Vector(fragment, 2); }

std::string Hello() {
  return Record(
      Handshake(Extension(43, "\x02\x03\x04") + Sni("api.example.com") + Alpn({"h2", "http/1.1"})));
}

TEST(ClientHello, NameAndProtocols) {
  const ClientHelloResult result = ParseClientHello(Hello());
  ASSERT_EQ(result.status, ClientHelloStatus::kComplete);
  EXPECT_EQ(result.hello.server_name, "api.example.com");
  EXPECT_THAT(result.hello.alpn, ElementsAre("h2", "http/1.1"));
}

TEST(ClientHello, EveryShorterPrefixNeedsMore) {
  const std::string hello = Hello();
  for (size_t size = 0; size < hello.size(); ++size) {
    EXPECT_EQ(ParseClientHello(hello.substr(0, size)).status, ClientHelloStatus::kNeedMore) << size;
  }
  EXPECT_EQ(ParseClientHello(hello + "more").status, ClientHelloStatus::kComplete);
}

TEST(ClientHello, SpreadOverSeveralRecords) {
  const std::string handshake = Handshake(Sni("api.example.com"));
  for (size_t cut = 1; cut < handshake.size(); ++cut) {
    const std::string bytes = Record(handshake.substr(0, cut)) + Record(handshake.substr(cut));
    EXPECT_EQ(ParseClientHello(bytes).hello.server_name, "api.example.com") << cut;
  }
}

TEST(ClientHello, WithoutExtensions) {
  const ClientHelloResult result = ParseClientHello(Record(Handshake("")));
  EXPECT_EQ(result.status, ClientHelloStatus::kComplete);
  EXPECT_EQ(result.hello.server_name, "");
  EXPECT_THAT(result.hello.alpn, IsEmpty());
}

TEST(ClientHello, NotOne) {
  EXPECT_EQ(ParseClientHello("GET / HTTP/1.1\r\n").status, ClientHelloStatus::kNotHello);
  EXPECT_EQ(ParseClientHello("\x17\x03\x03").status, ClientHelloStatus::kNotHello);
  EXPECT_EQ(ParseClientHello("\x16\x02").status, ClientHelloStatus::kNotHello);
  const std::string server_hello = Record("\x02" + Vector(std::string(40, 'x'), 3));
  EXPECT_EQ(ParseClientHello(server_hello).status, ClientHelloStatus::kNotHello);
}

TEST(ClientHello, LengthsThatLie) {
  EXPECT_EQ(ParseClientHello(Record("\x01" + Number(0xffffff, 3))).status,
            ClientHelloStatus::kNotHello);
  std::string hello = Hello();
  for (size_t at = 5; at < hello.size(); ++at) {  // Any byte may be wrong: no crash, no nonsense.
    std::string broken = hello;
    broken[at] = '\xff';
    const ClientHelloResult result = ParseClientHello(broken);
    EXPECT_LE(result.hello.alpn.size(), 16u);
    EXPECT_LE(result.hello.server_name.size(), 255u);
  }
}

TEST(ClientHello, ANameWithControlCharactersIsRefused) {
  EXPECT_EQ(ParseClientHello(Record(Handshake(Sni("a\nb")))).status, ClientHelloStatus::kNotHello);
}

}  // namespace
}  // namespace sonde::wire
