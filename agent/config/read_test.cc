#include "agent/config/read.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace sonde::config {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const char* Variables(const char* name) {
  return strcmp(name, "API_KEY") == 0 ? "made-up" : nullptr;
}

Loaded Read(const std::string& text) { return ReadConfig(text, Variables); }

/// All problems of a text, one per line.
std::string Told(const std::string& text) {
  const Loaded loaded = Read(text);
  std::string all;
  for (const Problem& problem : loaded.problems.all()) all += Describe("c.yaml", problem) + "\n";
  EXPECT_EQ(loaded.config == nullptr, loaded.problems.fatal());
  return all;
}

TEST(ReadConfigTest, EmptyTextIsTheDefaultsAndSelectsNothing) {
  const Loaded loaded = Read("");
  ASSERT_NE(loaded.config, nullptr);
  EXPECT_TRUE(loaded.config->select.empty());
  EXPECT_EQ(loaded.config->http.listen, "127.0.0.1:9464");
  EXPECT_EQ(Told(""), "c.yaml: warning: select: is empty: nothing is captured\n");
}

TEST(ReadConfigTest, ReadsEveryKindOfValue) {
  const Loaded loaded = Read(R"(
select:
  - name: batch
    executable: /usr/bin/python3*
    command: 'agent\.py'
capture: {plain_http: true, ring: 32MiB}
resource: {deployment.environment: prod}
names: seed
otlp:
  - endpoint: grpcs://collector.example:4317
    headers: {x-api-key: "${env:API_KEY}"}
    metrics_interval: 5s
    temporality: delta
sampling: {ratio: 0.25, keep_above_usd: 0.5}
ledger: {max_file: 65536}
log: {level: debug, format: text}
)");
  ASSERT_NE(loaded.config, nullptr) << Describe("c", loaded.problems.all().at(0));
  const Config& config = *loaded.config;
  ASSERT_EQ(config.select.size(), 1U);
  EXPECT_EQ(config.select[0].command, "agent\\.py");
  EXPECT_TRUE(config.capture.plain_http);
  EXPECT_EQ(config.capture.ring.count, 32U << 20);
  EXPECT_EQ(config.resource.at("deployment.environment"), "prod");
  EXPECT_EQ(config.names, Names::kSeed);
  ASSERT_EQ(config.otlp.size(), 1U);
  EXPECT_EQ(config.otlp[0].headers.at("x-api-key").value, "made-up");
  EXPECT_EQ(config.otlp[0].metrics_interval, absl::Seconds(5));
  EXPECT_EQ(config.otlp[0].temporality, Temporality::kDelta);
  EXPECT_DOUBLE_EQ(config.sampling.ratio, 0.25);
  EXPECT_EQ(config.ledger.max_file.count, 65536U);
  EXPECT_EQ(config.log.format, LogFormat::kText);
  EXPECT_TRUE(loaded.problems.all().empty());
}

TEST(ReadConfigTest, UnknownKeyIsRefusedWithLineAndNearestName) {
  EXPECT_EQ(Told("select: [{pid: 1}]\notlp:\n  - endpiont: http://x\n"),
            "c.yaml:3: otlp[0]: unknown key \"endpiont\"; did you mean \"endpoint\"?\n");
  EXPECT_THAT(Told("nothing_like_it: 1\n"), HasSubstr("unknown key \"nothing_like_it\"\n"));
}

TEST(ReadConfigTest, WrongTypesAndBoundsAreToldTogether) {
  const std::string told = Told(R"(
capture:
  plain_http: perhaps
  ring: big
  max_connections: -1
sampling: {ratio: 1.5}
otlp: http://x
log: [debug]
names: "1.40"
ledger: {sync_interval: 5}
)");
  EXPECT_THAT(told, HasSubstr("c.yaml:3: capture.plain_http: expects true or false"));
  EXPECT_THAT(told, HasSubstr("c.yaml:4: capture.ring: expects a size"));
  EXPECT_THAT(told, HasSubstr("c.yaml:5: capture.max_connections: must be from 64 to 1048576"));
  EXPECT_THAT(told, HasSubstr("c.yaml:6: sampling.ratio: must be from 0 to 1"));
  EXPECT_THAT(told, HasSubstr("c.yaml:7: otlp: expects a list, found \"http://x\""));
  EXPECT_THAT(told, HasSubstr("c.yaml:8: log: expects a mapping, found a list"));
  EXPECT_THAT(told, HasSubstr("c.yaml:9: names: expects one of 1.41, main, seed; found \"1.40\""));
  EXPECT_THAT(told, HasSubstr("c.yaml:10: ledger.sync_interval: expects a duration"));
}

TEST(ReadConfigTest, RepeatedKeysAndBrokenYamlAreRefused) {
  EXPECT_THAT(Told("names: main\nnames: seed\n"), HasSubstr("c.yaml:2: \"names\" is said twice"));
  EXPECT_THAT(Told("resource: {a: 1, a: 2}\n"), HasSubstr("resource: \"a\" is said twice"));
  EXPECT_THAT(Told("select: [\n"), HasSubstr("no YAML"));
  EXPECT_THAT(Told("a: 1\n---\nb: 2\n"), HasSubstr("more than one document"));
  EXPECT_THAT(Told("- 1\n"), HasSubstr("expects a mapping, found a list"));
  EXPECT_THAT(Told(std::string(kMostBytes + 1, '#')), HasSubstr("larger than"));
}

TEST(ReadConfigTest, VariablesMustExist) {
  EXPECT_THAT(Told("service_name: ${env:NOT_THERE}\n"),
              StartsWith("c.yaml:1: service_name: the environment has no variable NOT_THERE"));
  EXPECT_THAT(Told("service_name: ${env:API_KEY\n"), HasSubstr("without its \"}\""));
}

TEST(ReadConfigTest, ASelectorMustNarrow) {
  EXPECT_THAT(Told("select: [{name: all}]"), HasSubstr("select[0]: selects nothing by itself"));
  EXPECT_THAT(Told("select: [{cgroup: /}]"), HasSubstr("the root holds every process"));
  EXPECT_THAT(Told("select: [{cgroup: /sys/fs/cgroup/}]"), HasSubstr("the root holds"));
  EXPECT_THAT(Told("select: [{cgroup: /no-such-group}]"), HasSubstr("warning: select[0].cgroup"));
  EXPECT_THAT(Told("select: [{command: '('}]"), HasSubstr("no regular expression"));
  EXPECT_THAT(Told("select: [{command: '.*'}]"), HasSubstr("fits every command line"));
  EXPECT_THAT(Told("select: [{executable: python3}]"), HasSubstr("write */python3"));
  EXPECT_THAT(Told("select: [{user: no-such-user-here}]"), HasSubstr("no user named"));
  EXPECT_THAT(Told("select: [{pid: 0}]"), HasSubstr("must be from 1"));
}

TEST(ReadConfigTest, FilesAndAddressesAreLookedAt) {
  EXPECT_THAT(Told("otlp: [{endpoint: ftp://x}]"), HasSubstr("must begin with http://"));
  EXPECT_THAT(Told("otlp: [{endpoint: http://x, tls: {ca_file: /no/such.pem}}]"),
              HasSubstr("otlp[0].tls.ca_file: cannot read /no/such.pem: No such file"));
  EXPECT_THAT(Told("otlp: [{endpoint: http://x, tls: {cert_file: /dev/null}}]"),
              HasSubstr("cert_file and key_file belong together"));
  EXPECT_THAT(Told("http: {listen: here}"), HasSubstr("http.listen: \"here\" is no ADDRESS:PORT"));
  EXPECT_THAT(Told("http: {allow: [10.0.0.0/40]}"), HasSubstr("http.allow[0]"));
  EXPECT_THAT(Told("ledger: {directory: /no/such/folder}"), HasSubstr("No such file"));
  EXPECT_THAT(Told("ledger: {directory: /dev/null}"), HasSubstr("is no folder"));
  EXPECT_THAT(Told("http: {listen: ':9464', bearer: [x]}"), HasSubstr("unencrypted"));
  EXPECT_THAT(Told("capture: {ring: 100000}"), HasSubstr("power of two"));
}

TEST(ReadConfigTest, ManyProblemsAreCounted) {
  std::string text;
  for (int i = 0; i < 30; ++i) text += "key" + std::to_string(i) + ": 1\n";
  const Loaded loaded = Read(text);
  EXPECT_EQ(loaded.problems.all().size(), Problems::kMost);
  EXPECT_EQ(loaded.problems.left_out(), 10U);
}

TEST(LoadConfigTest, AFileThatIsNotThereIsAProblem) {
  const Loaded loaded = LoadConfig("/no/such/sonde.yaml", Variables);
  EXPECT_EQ(loaded.config, nullptr);
  EXPECT_THAT(loaded.problems.all().at(0).text, HasSubstr("cannot be read"));
}

TEST(ParseBytesTest, KnowsUnits) {
  uint64_t count = 0;
  EXPECT_TRUE(ParseBytes("64k", &count));
  EXPECT_EQ(count, 65536U);
  EXPECT_TRUE(ParseBytes("2GiB", &count));
  EXPECT_EQ(count, 2ULL << 30);
  for (const char* text : {"", "k", "1.5M", "1 M", "-1", "99999999999T", "1MB"}) {
    EXPECT_FALSE(ParseBytes(text, &count)) << text;
  }
}

}  // namespace
}  // namespace sonde::config
