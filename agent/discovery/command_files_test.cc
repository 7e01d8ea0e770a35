#include "agent/discovery/command_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "agent/discovery/ld_cache.h"

namespace sonde::discovery {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CommandFilesTest : public ::testing::Test {
 protected:
  CommandFilesTest() {
    folder_ = ::testing::TempDir() + "sonde-command-" + std::to_string(getpid());
    std::filesystem::create_directories(folder_ + "/bin");
  }
  ~CommandFilesTest() override { std::filesystem::remove_all(folder_); }

  std::string Script(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/bin/" + name;
    std::ofstream(path) << text;
    chmod(path.c_str(), 0755);
    return path;
  }

  std::string folder_;
};

TEST_F(CommandFilesTest, FindsAsAShellDoes) {
  const std::string tool = Script("tool", "x");
  std::ofstream(folder_ + "/bin/data") << "not executable";
  EXPECT_EQ(FindProgram("tool", "/nowhere:" + folder_ + "/bin", "/"), tool);
  EXPECT_EQ(FindProgram("bin/tool", "", folder_), folder_ + "/bin/tool");
  EXPECT_EQ(FindProgram(tool, "", "/"), tool);
  EXPECT_EQ(FindProgram("tool", "", folder_ + "/bin"), tool);
  EXPECT_EQ(FindProgram("data", folder_ + "/bin", "/"), std::nullopt);
  EXPECT_EQ(FindProgram("bin", folder_, "/"), std::nullopt);
  EXPECT_EQ(FindProgram("", folder_, "/"), std::nullopt);
}

TEST_F(CommandFilesTest, Shebangs) {
  EXPECT_THAT(ParseShebang("#!/bin/sh\nx"), ElementsAre("/bin/sh"));
  EXPECT_THAT(ParseShebang("#! /usr/bin/env  python3 -u\r\n"),
              ElementsAre("/usr/bin/env", "python3", "-u"));
  EXPECT_THAT(ParseShebang("#!"), IsEmpty());
  EXPECT_THAT(ParseShebang("\x7f"
                           "ELF"),
              IsEmpty());
}

TEST_F(CommandFilesTest, FollowsScriptsToTheirPrograms) {
  const std::string inner = Script("inner", "#!/bin/sh\n");
  const std::string outer = Script("outer", "#!/usr/bin/env -S A=1 inner -x\n");
  EXPECT_THAT(InterpreterChain("outer", folder_ + "/bin", "/"),
              ElementsAre(outer, inner, "/bin/sh"));
}

TEST_F(CommandFilesTest, ALoopOfScriptsEnds) {
  const std::string self = folder_ + "/bin/self";
  Script("self", "#!" + self + "\n");
  EXPECT_THAT(InterpreterChain(self, "", "/"), SizeIs(kInterpreterSteps + 1));
}

TEST_F(CommandFilesTest, LibrariesBesideTheProgramAreTaken) {
  std::filesystem::create_directories(folder_ + "/lib");
  std::filesystem::copy_file("/proc/self/exe", folder_ + "/bin/program");
  std::ofstream(folder_ + "/lib/libssl.so.3") << "x";
  std::ofstream(folder_ + "/lib/libother.so") << "x";
  const auto files = FilesOfCommand(folder_ + "/bin/program", "", "/");
  EXPECT_THAT(files, Contains(std::filesystem::canonical(folder_ + "/bin/program").string()));
  EXPECT_THAT(files, Contains(std::filesystem::canonical(folder_ + "/lib/libssl.so.3").string()));
  EXPECT_THAT(files, ::testing::Not(Contains(::testing::HasSubstr("libother"))));
}

/// A cache as ldconfig writes it.
std::string Cache(const std::vector<std::pair<std::string, std::string>>& libraries) {
  std::string strings;
  std::string entries;
  const auto put = [](std::string* to, uint32_t value) {
    to->append(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  const auto base = static_cast<uint32_t>(48 + 24 * libraries.size());
  for (const auto& [name, path] : libraries) {
    put(&entries, 0x303);
    put(&entries, base + static_cast<uint32_t>(strings.size()));
    strings += name + '\0';
    put(&entries, base + static_cast<uint32_t>(strings.size()));
    strings += path + '\0';
    entries.append(12, '\0');
  }
  std::string cache = "glibc-ld.so.cache1.1";
  put(&cache, static_cast<uint32_t>(libraries.size()));
  put(&cache, static_cast<uint32_t>(strings.size()));
  cache.resize(48, '\0');
  return cache + entries + strings;
}

TEST(LdCacheTest, FindsByPrefix) {
  const std::string cache = Cache({{"libz.so.1", "/lib/libz.so.1"},
                                   {"libssl.so.3", "/lib/libssl.so.3"},
                                   {"libssl.so.1.1", "/opt/libssl.so.1.1"}});
  const auto found = ParseLdCache(cache, "libssl.so");
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].path, "/lib/libssl.so.3");
  EXPECT_EQ(found[1].name, "libssl.so.1.1");
}

TEST(LdCacheTest, SurvivesCutsAndLies) {
  const std::string cache = Cache({{"libssl.so.3", "/lib/libssl.so.3"}});
  for (size_t size = 0; size < cache.size(); ++size) ParseLdCache(cache.substr(0, size), "lib");
  std::string many = cache;
  std::memset(many.data() + 20, 0xff, 4);
  EXPECT_THAT(ParseLdCache(many, "lib"), IsEmpty());
  std::string far = cache;
  std::memset(far.data() + 48 + 4, 0xff, 8);
  EXPECT_THAT(ParseLdCache(far, "lib"), IsEmpty());
}

TEST(LdCacheTest, ThisMachines) {
  std::ifstream file("/etc/ld.so.cache", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (bytes.empty()) GTEST_SKIP() << "no ld.so.cache";
  EXPECT_FALSE(ParseLdCache(bytes, "libc.so").empty());
}

}  // namespace
}  // namespace sonde::discovery
