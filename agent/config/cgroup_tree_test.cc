#include "agent/config/cgroup_tree.h"

#include <gtest/gtest.h>

namespace sonde::config {
namespace {

constexpr char kHybrid[] =
    "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
    "cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0\n"
    "cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n"
    "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
constexpr char kUnified[] = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n";

TEST(CgroupTreeTest, APathBelowTheRootGetsItsMountPoint) {
  EXPECT_EQ(CgroupTree::FromMounts(kUnified).Directory("no-such.slice//x/"),
            "/sys/fs/cgroup/no-such.slice/x");
  EXPECT_EQ(CgroupTree::FromMounts(kHybrid).Directory("/no-such"),
            "/sys/fs/cgroup/unified/no-such");
}

TEST(CgroupTreeTest, ADirectoryStaysWhatItIs) {
  const CgroupTree hybrid = CgroupTree::FromMounts(kHybrid);
  EXPECT_EQ(hybrid.Directory("/sys/fs/cgroup/memory/pods/a/"), "/sys/fs/cgroup/memory/pods/a");
  EXPECT_EQ(hybrid.Path("/sys/fs/cgroup/memory/pods/a"), "/pods/a");
  EXPECT_EQ(CgroupTree::FromMounts(kUnified).Path("pods/a"), "/pods/a");
}

TEST(CgroupTreeTest, RootsAreRefused) {
  for (const char* root : {"", "/", "//", "/sys/fs/cgroup", "/sys/fs/cgroup/memory/",
                           "/sys/fs/cgroup/unified", "/sys/fs", "/sys"}) {
    EXPECT_EQ(CgroupTree::FromMounts(kHybrid).Directory(root), "") << root;
  }
  EXPECT_EQ(CgroupTree::FromMounts(kUnified).Directory("/sys/fs/cgroup/"), "");
  EXPECT_EQ(CgroupTree::FromMounts("").Directory("/x"), "");
}

}  // namespace
}  // namespace sonde::config
