#include "agent/config/file_watch.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace sonde::config {
namespace {

namespace fs = std::filesystem;

class FileWatchTest : public ::testing::Test {
 protected:
  FileWatchTest() {
    char name[] = "/tmp/sonde_watch_XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~FileWatchTest() override { fs::remove_all(directory_); }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ + "/" + name) << text;
  }
  std::string Path(const std::string& name) { return directory_ + "/" + name; }

  std::string directory_;
};

TEST_F(FileWatchTest, TellsAChangeOnceWhenItIsSteady) {
  Write("c", "1");
  FileWatch watch(Path("c"));
  EXPECT_FALSE(watch.Changed());
  Write("c", "22");
  EXPECT_FALSE(watch.Changed());
  EXPECT_TRUE(watch.Changed());
  EXPECT_FALSE(watch.Changed());
}

TEST_F(FileWatchTest, AFileThatIsBeingWrittenIsWaitedFor) {
  Write("c", "1");
  FileWatch watch(Path("c"));
  for (const char* text : {"22", "333", "4444"}) {
    Write("c", text);
    EXPECT_FALSE(watch.Changed());
  }
  EXPECT_TRUE(watch.Changed());
}

TEST_F(FileWatchTest, ASwapOfSymbolicLinksIsAChange) {
  // As a ConfigMap is mounted: c -> ..data/c, ..data -> ..one.
  fs::create_directory(Path("..one"));
  fs::create_directory(Path("..two"));
  Write("..one/c", "same");
  Write("..two/c", "same");
  fs::create_directory_symlink("..one", Path("..data"));
  fs::create_symlink("..data/c", Path("c"));
  FileWatch watch(Path("c"));
  fs::create_directory_symlink("..two", Path("..new"));
  fs::rename(Path("..new"), Path("..data"));
  EXPECT_FALSE(watch.Changed());
  EXPECT_TRUE(watch.Changed());
}

TEST_F(FileWatchTest, AMissingFileIsNoChangeAndItsReturnIsOne) {
  Write("c", "1");
  FileWatch watch(Path("c"));
  fs::remove(Path("c"));
  EXPECT_FALSE(watch.Changed());
  EXPECT_FALSE(watch.Changed());
  Write("c", "22");
  EXPECT_FALSE(watch.Changed());
  EXPECT_TRUE(watch.Changed());
}

}  // namespace
}  // namespace sonde::config
