#include "agent/discovery/elf_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <string>

#include "agent/discovery/tls_family.h"

namespace sonde::discovery {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const std::set<std::string_view> kNames = {"SSL_read", "SSL_write", "SSL_table", "SSL_wri"};

/// A file of the test's own, gone afterwards.
class TestFile {
 public:
  TestFile(const std::string& name, const std::string& bytes)
      : path_(::testing::TempDir() + std::to_string(getpid()) + name) {
    std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~TestFile() { unlink(path_.c_str()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(ElfFileTest, FindsExportedFunctions) {
  const auto file = ElfFile::Open(SONDE_TINY_SHARED);
  ASSERT_TRUE(file.ok()) << file.status();
  const Functions found = file->FindFunctions(kNames, "SSL_write", false);
  EXPECT_EQ(found.rung, ".dynsym");
  EXPECT_EQ(found.offsets.size(), 2U);  // The table is no function.
  EXPECT_TRUE(file->HasDynamicSymbol("SSL_table"));
  EXPECT_FALSE(file->HasDynamicSymbol("SSL_tabl"));
  EXPECT_EQ(file->SharedObjectName(), "libtiny.so.1");
  EXPECT_EQ(file->BuildId().size(), 40U);
  EXPECT_TRUE(file->HasSection(".text"));
  EXPECT_FALSE(file->HasSection(".gopclntab"));
}

TEST(ElfFileTest, TheHashTableAnswersAsTheListOfSymbolsDoes) {
  const auto hashed = ElfFile::Open(SONDE_TINY_SHARED);
  const auto listed = ElfFile::Open(SONDE_TINY_UNHASHED);  // Has the older table only.
  ASSERT_TRUE(hashed.ok() && listed.ok());
  EXPECT_TRUE(hashed->HasSection(".gnu.hash"));
  EXPECT_FALSE(listed->HasSection(".gnu.hash"));
  const Functions one = hashed->FindFunctions(kNames, "SSL_write", false);
  const Functions two = listed->FindFunctions(kNames, "SSL_write", false);
  EXPECT_EQ(two.rung, ".dynsym");
  ASSERT_EQ(one.offsets.size(), two.offsets.size());
  for (const auto& [name, offset] : one.offsets) EXPECT_TRUE(two.offsets.contains(name)) << name;
  for (const auto* file : {&*hashed, &*listed}) {
    EXPECT_TRUE(file->FindFunctions({"SSL_writ"}, "SSL_writ", false).offsets.empty());
    EXPECT_TRUE(file->FindFunctions({"SSL_table"}, "SSL_table", false).offsets.empty());
  }
}

TEST(ElfFileTest, AFileOffsetIsWhereTheCodeIs) {
  const auto file = ElfFile::Open(SONDE_TINY_SHARED);
  ASSERT_TRUE(file.ok());
  const auto offsets = file->FindFunctions(kNames, "SSL_write", false).offsets;
  const std::string bytes = ReadFile(SONDE_TINY_SHARED);
  // The two functions differ in the number they return: it stands in their code.
  const auto code = [&](const char* name) { return bytes.substr(offsets.at(name), 64); };
  const std::string minus_two("\xfe\xff\xff\xff", 4);
  EXPECT_THAT(code("SSL_read"), HasSubstr(minus_two));
}

TEST(ElfFileTest, FallsBackToTheSymbolTable) {
  const auto file = ElfFile::Open(SONDE_TINY_PROGRAM);
  ASSERT_TRUE(file.ok()) << file.status();
  const Functions found = file->FindFunctions(kNames, "SSL_write", false);
  EXPECT_EQ(found.rung, ".symtab");
  EXPECT_EQ(found.offsets.size(), 2U);
}

TEST(ElfFileTest, FallsBackToADebugFile) {
  const auto whole = ElfFile::Open(SONDE_TINY_PROGRAM);
  const auto stripped = ElfFile::Open(SONDE_TINY_STRIPPED);
  ASSERT_TRUE(whole.ok() && stripped.ok());
  EXPECT_TRUE(stripped->FindFunctions(kNames, "SSL_write", false).offsets.empty());
  const Functions found = stripped->FindFunctions(kNames, "SSL_write", true);
  EXPECT_EQ(found.rung, "debug file");
  EXPECT_EQ(found.offsets, whole->FindFunctions(kNames, "SSL_write", false).offsets);
}

TEST(ElfFileTest, ReadsWhatAProgramNeeds) {
  const auto file = ElfFile::Open("/proc/self/exe");
  ASSERT_TRUE(file.ok());
  EXPECT_THAT(file->NeededLibraries(), Contains(HasSubstr("libc.so")));
}

TEST(ElfFileTest, RefusesWhatIsNoElf) {
  const TestFile text("text", "#!/bin/sh\n");
  EXPECT_EQ(ElfFile::Open(text.path()).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ElfFile::Open("/nowhere").status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(ElfFile::Open("/proc").ok());
}

// A hostile file can be mapped by any process: whatever its bytes, nothing worse than nothing.
TEST(ElfFileTest, SurvivesCutsAndGarbage) {
  const std::string whole = ReadFile(SONDE_TINY_SHARED);
  for (size_t size = 0; size < whole.size(); size += 97) {
    const TestFile cut("cut", whole.substr(0, size));
    InspectFile("libssl.so.3", cut.path());
  }
  uint32_t random = 1;
  for (int round = 0; round < 300; ++round) {
    std::string bytes = whole;
    for (int i = 0; i < 20; ++i) {
      random = random * 1664525 + 1013904223;
      // Headers and tables more often than code.
      const size_t range = round % 2 == 0 ? 64 + 56 * 8 : bytes.size();
      bytes[(random >> 8) % range] = static_cast<char>(random);
    }
    const TestFile garbled("garbled", bytes);
    InspectFile("libssl.so.3", garbled.path());
  }
}

}  // namespace
}  // namespace sonde::discovery
