// What is read from procfs: mappings and facts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "agent/discovery/proc_maps.h"
#include "agent/discovery/process_facts.h"

namespace sonde::discovery {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(ProcMapsTest, TakesExecutableFilesOnce) {
  const auto mappings = ParseExecutableMappings(
      "55d0c0000000-55d0c0001000 r--p 00000000 fe:01 131 /usr/bin/python3.11\n"
      "55d0c0001000-55d0c0201000 r-xp 00001000 fe:01 131     /usr/bin/python3.11\n"
      "7f0000000000-7f0000100000 r-xp 00002000 00:2a 77 /a folder/libssl.so.3 (deleted)\n"
      "7f0000200000-7f0000300000 r-xp 00102000 00:2a 77 /a folder/libssl.so.3 (deleted)\n"
      "7f1000000000-7f1000001000 rwxp 00000000 00:00 0 \n"
      "7ffd00000000-7ffd00001000 r-xp 00000000 00:00 0                          [vdso]\n"
      "7f2000000000-7f2000001000 r-xp 00000000 00:05 9 anon_inode:x\n");
  ASSERT_THAT(mappings, SizeIs(2));
  EXPECT_EQ(mappings[0].path, "/usr/bin/python3.11");
  EXPECT_EQ(mappings[0].start, 0x55d0c0001000U);
  EXPECT_EQ(mappings[0].end, 0x55d0c0201000U);
  EXPECT_EQ(mappings[0].file_offset, 0x1000U);
  EXPECT_EQ(mappings[0].device_major, 0xfeU);
  EXPECT_EQ(mappings[0].device_minor, 1U);
  EXPECT_EQ(mappings[0].inode, 131U);
  EXPECT_FALSE(mappings[0].deleted);
  EXPECT_EQ(mappings[1].path, "/a folder/libssl.so.3");
  EXPECT_TRUE(mappings[1].deleted);
}

TEST(ProcMapsTest, SkipsWhatItCannotRead) {
  EXPECT_THAT(
      ParseExecutableMappings("\n\nabc\n1-2\n1-2 r-xp\n1-2 r-xp 0 1:2 x /a\nzz-1 r-xp 0 1:2 3 /a"),
      IsEmpty());
}

TEST(ProcMapsTest, OwnMappings) {
  std::vector<std::string> paths;
  for (const Mapping& mapping :
       ParseExecutableMappings(ReadSmallFile("/proc/self/maps", 1U << 20))) {
    paths.push_back(mapping.path);
  }
  EXPECT_THAT(paths, Contains(::testing::HasSubstr("libc.so")));
}

TEST(ProcessFactsTest, Own) {
  const auto facts = ReadProcessFacts(static_cast<uint32_t>(getpid()));
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->parent_pid, static_cast<uint32_t>(getppid()));
  EXPECT_EQ(facts->uid, getuid());
  EXPECT_GT(facts->start_ns, 0U);
  EXPECT_EQ(facts->start_ns % 10'000'000, 0U);
  EXPECT_THAT(facts->executable, ::testing::HasSubstr("procfs_test"));
  EXPECT_THAT(facts->command_line, ::testing::HasSubstr("procfs_test"));
  EXPECT_EQ(ReadProcessFacts(0x3fffff).status().code(), absl::StatusCode::kNotFound);
}

TEST(ProcessFactsTest, ANameMayHoldAnything) {
  EXPECT_EQ(ParseStartTime("12 (a) b) S) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 12345 20"),
            123'450'000'000U);
  EXPECT_EQ(ParseStartTime(""), std::nullopt);
  EXPECT_EQ(ParseStartTime("12 (x)"), std::nullopt);
  EXPECT_EQ(ParseStartTime("12 (x) S 1 2"), std::nullopt);
}

TEST(ProcessFactsTest, CgroupPath) {
  EXPECT_EQ(ParseCgroupPath("0::/user.slice/x.scope\n"), "/user.slice/x.scope");
  // On a hybrid host the v2 hierarchy may know nothing of a pod.
  EXPECT_EQ(ParseCgroupPath("9:name=systemd:/s\n4:memory:/kubepods/pod1\n0::/\n"),
            "/kubepods/pod1");
  EXPECT_EQ(ParseCgroupPath("1:cpu:/a\n0::/\n"), "/");
  EXPECT_EQ(ParseCgroupPath("broken"), "");
}

TEST(ProcessFactsTest, Descendants) {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  EXPECT_THAT(Descendants(static_cast<uint32_t>(getpid())), Contains(static_cast<uint32_t>(child)));
  EXPECT_THAT(Descendants(static_cast<uint32_t>(child)), IsEmpty());
  kill(child, SIGKILL);
}

}  // namespace
}  // namespace sonde::discovery
