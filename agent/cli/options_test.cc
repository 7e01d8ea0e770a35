#include "agent/cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sonde::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Options Good(const std::vector<std::string>& words) {
  const Parsed parsed = ParseCommandLine(words);
  EXPECT_TRUE(parsed.options.has_value()) << parsed.exit.text;
  return parsed.options.value_or(Options());
}

ParseExit Bad(const std::vector<std::string>& words) {
  const Parsed parsed = ParseCommandLine(words);
  EXPECT_FALSE(parsed.options.has_value());
  return parsed.exit;
}

TEST(RunFlagsTest, TheCommandBeginsBehindTheDashes) {
  const Options options = Good({"run", "-o", "f", "--", "python", "-c", "--json", "--"});
  EXPECT_EQ(options.command, Command::kRun);
  EXPECT_EQ(options.output.records, "f");
  EXPECT_FALSE(options.output.json);
  EXPECT_THAT(options.arguments, ElementsAre("python", "-c", "--json", "--"));
}

TEST(RunFlagsTest, TheCommandBeginsAtTheFirstWordThatIsNoFlag) {
  const Options options =
      Good({"run", "--json", "--lines", "never", "-ofile", "--profile=seed", "--provider",
            "h:1=openai", "--provider", "i=anthropic", "prog", "--json", "--", "-x"});
  EXPECT_TRUE(options.output.json);
  EXPECT_EQ(options.output.lines, "never");
  EXPECT_EQ(options.output.records, "file");
  EXPECT_EQ(options.output.profile, "seed");
  EXPECT_THAT(options.output.providers, ElementsAre("h:1=openai", "i=anthropic"));
  EXPECT_THAT(options.arguments, ElementsAre("prog", "--json", "--", "-x"));
}

TEST(RunFlagsTest, MistakesAre125AndNameTheNearest) {
  EXPECT_EQ(Bad({"run"}).status, 125);
  EXPECT_EQ(Bad({"run", "--"}).status, 125);
  const ParseExit unknown = Bad({"run", "--jsn", "--", "true"});
  EXPECT_EQ(unknown.status, 125);
  EXPECT_EQ(unknown.text, "sonde: unknown flag --jsn; did you mean --json?\n");
  EXPECT_EQ(Bad({"run", "--ring-size", "3x", "true"}).status, 125);
  EXPECT_EQ(Bad({"run", "-o"}).status, 125);
}

TEST(RunFlagsTest, AMistypedModeOfLinesIsNoFile) {
  for (const char* lines : {"auto", "always", "never", "./sometimes", "lines.txt", "/tmp/x"}) {
    EXPECT_EQ(Good({"run", "--lines", lines, "true"}).output.lines, lines);
  }
  EXPECT_EQ(Bad({"run", "--lines", "alwyas", "true"}).status, 125);
  EXPECT_THAT(Bad({"run", "--lines", "alwyas", "true"}).text, HasSubstr("did you mean always?"));
  EXPECT_THAT(Bad({"run", "--lines", "sometimes", "true"}).text, HasSubstr("./sometimes"));
  EXPECT_EQ(Bad({"attach", "--pid", "1", "--lines", "of"}).status, 2);
}

TEST(RunFlagsTest, RecordsOnStandardOutput) {
  EXPECT_EQ(Good({"run", "-o", "-", "true"}).output.records, "-");
}

TEST(RunFlagsTest, Sizes) {
  EXPECT_EQ(Good({"run", "--ring-size", "64k", "true"}).capture.ring_bytes, 65536U);
  EXPECT_EQ(*ParseSize("16M"), 16U << 20);
  EXPECT_EQ(*ParseSize("1g"), 1U << 30);
  EXPECT_EQ(*ParseSize("4096"), 4096U);
  for (const char* text :
       {"", "M", "-1", "1.5M", "99999999999999999999", "18446744073709551615G"}) {
    EXPECT_FALSE(ParseSize(text).ok()) << text;
  }
}

TEST(CommandsTest, Attach) {
  const Options options = Good({"attach", "--pid", "42", "--tree", "--json"});
  EXPECT_EQ(options.command, Command::kAttach);
  EXPECT_EQ(options.pid, 42U);
  EXPECT_TRUE(options.tree);
  EXPECT_EQ(Bad({"attach"}).status, 2);
  EXPECT_EQ(Bad({"attach", "--pid", "x"}).status, 2);
  EXPECT_THAT(Bad({"attach", "--pdi", "1"}).text, HasSubstr("did you mean --pid?"));
}

TEST(CommandsTest, RecordAndReplay) {
  const Options record =
      Good({"record", "-o", "cap", "--records", "use", "--mask-text", "ls", "-l"});
  EXPECT_EQ(record.command, Command::kRecord);
  EXPECT_EQ(record.capture_file, "cap");
  EXPECT_EQ(record.output.records, "use");
  EXPECT_TRUE(record.mask_text);
  EXPECT_THAT(record.arguments, ElementsAre("ls", "-l"));
  EXPECT_EQ(Bad({"record", "--", "ls"}).status, 125);
  const Options replay = Good({"replay", "cap", "-o", "use"});
  EXPECT_EQ(replay.command, Command::kReplay);
  EXPECT_EQ(replay.capture_file, "cap");
  EXPECT_EQ(replay.output.records, "use");
}

TEST(CommandsTest, Prices) {
  EXPECT_EQ(Good({"prices", "show"}).command, Command::kPricesShow);
  EXPECT_THAT(Good({"prices", "show", "openai", "gpt-5"}).price.words,
              ElementsAre("openai", "gpt-5"));
  EXPECT_EQ(Bad({"prices", "show", "a", "b", "c"}).status, 2);
  EXPECT_THAT(Good({"prices", "explain", "openai", "gpt-5", "input=1"}).price.words,
              ElementsAre("openai", "gpt-5", "input=1"));
  const Options explain = Good({"prices", "explain", "--provider", "openai", "--model", "gpt-5",
                                "--usage", "input=1", "output=2"});
  EXPECT_EQ(explain.command, Command::kPricesExplain);
  EXPECT_THAT(explain.price.quantities, ElementsAre("input=1", "output=2"));
  EXPECT_THAT(Good({"prices", "check", "a", "b"}).price.paths, ElementsAre("a", "b"));
  EXPECT_EQ(Bad({"prices"}).status, 2);
}

TEST(CommandsTest, HelpAndVersion) {
  EXPECT_EQ(Bad({"--version"}).status, 0);
  EXPECT_THAT(Bad({"--version"}).text, HasSubstr("sonde "));
  EXPECT_EQ(Bad({"--help"}).status, 0);
  const ParseExit help = Bad({"run", "--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.text, HasSubstr("Usage: sonde run [FLAGS] [--] CMD [ARGS...]"));
  EXPECT_THAT(Bad({"--help"}).text, HasSubstr("Usage: sonde [OPTIONS]"));
  EXPECT_THAT(Bad({"prices", "explain", "--help"}).text,
              HasSubstr("Usage: sonde prices explain [PROVIDER] MODEL"));
  EXPECT_THAT(Bad({"prices", "show", "--help"}).text, HasSubstr("Usage: sonde prices show ["));
  EXPECT_EQ(Bad({}).status, 2);
  EXPECT_THAT(Bad({"rum"}).text, HasSubstr("unknown command rum; did you mean run?"));
  EXPECT_EQ(Bad({"rum"}).status, 2);
  EXPECT_EQ(Bad({""}).status, 2);
}

TEST(ProviderSourceTest, GroupsHostsByProvider) {
  EXPECT_EQ(*ProviderSource({}), "");
  const auto book = nlohmann::json::parse(*ProviderSource({"a:1=openai", "b=x", "c=openai"}));
  EXPECT_EQ(book["schema"], "pricebook/1");
  EXPECT_EQ(book["providers"][0]["id"], "openai");
  EXPECT_EQ(book["providers"][0]["hosts"], (std::vector<std::string>{"a:1", "c"}));
  EXPECT_EQ(book["providers"][1]["id"], "x");
}

TEST(ProviderSourceTest, RefusesWhatIsNoMapping) {
  for (const char* word : {"nonsense", "=openai", "host=", ""}) {
    const auto source = ProviderSource({word});
    ASSERT_FALSE(source.ok()) << word;
    EXPECT_THAT(std::string(source.status().message()), HasSubstr("HOST[:PORT]=ID"));
  }
}

}  // namespace
}  // namespace sonde::cli
