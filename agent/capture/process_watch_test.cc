// Files and processes as user space remembers them: bounded, and honest about what it could not
// look at. Needs no privilege: the files that are met here get no probes.
#include "agent/capture/process_watch.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/capture/prober.h"
#include "agent/discovery/process_facts.h"

namespace sonde::capture {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Sink final : public events::EventSink {
 public:
  void OnEvent(const events::Event& event) override {
    if (const auto* library = std::get_if<events::LibraryFound>(&event)) {
      libraries.push_back(*library);
    }
    if (std::holds_alternative<events::ProcessExited>(event)) ++exits;
  }
  std::vector<events::LibraryFound> libraries;
  int exits = 0;
};

ProcessRecord RecordOf(pid_t pid) {
  ProcessRecord record;
  record.process.pid = static_cast<uint32_t>(pid);
  const auto facts = discovery::ReadProcessFacts(record.process.pid);
  if (facts.ok()) record.process.start_ns = facts->start_ns;
  return record;
}

bool Always(const events::ProcessId&) { return true; }

TEST(ProberTest, WhatItRemembersIsBounded) {
  Prober prober(nullptr, nullptr, false, {.remembered = 4, .probed = 2});
  const std::string folder = absl::StrCat(::testing::TempDir(), "prober-", getpid());
  std::filesystem::create_directory(folder);
  for (int i = 0; i < 20; ++i) {
    // A family that is known and not probed: there is a finding about each.
    const std::string path = absl::StrCat(folder, "/libgnutls.so.", i);
    std::filesystem::copy_file("/proc/self/exe", path);
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const FileRecord& record = prober.Probe(fd, path);
    EXPECT_TRUE(record.finding.has_value());
    EXPECT_FALSE(record.attached);
    EXPECT_LE(prober.remembered(), 4U);
    // The same file again takes no more room.
    EXPECT_EQ(prober.Probe(fd, path).name, path);
    close(fd);
  }
  EXPECT_FALSE(prober.Files().empty());
  std::filesystem::remove_all(folder);
}

TEST(ProberTest, FilesBeyondTheLimitAreToldNotProbed) {
  Prober prober(nullptr, nullptr, false, {.remembered = 4, .probed = 0});
  const int fd = open(SONDE_FAKE_SSL, O_RDONLY | O_CLOEXEC);
  const FileRecord& record = prober.Probe(fd, SONDE_FAKE_SSL);
  close(fd);
  EXPECT_FALSE(record.attached);
  EXPECT_THAT(record.problem, HasSubstr("the limit"));
}

TEST(ProcessWatchTest, AFileThatCannotBeOpenedIsTriedAgainAndThenTold) {
  Sink sink;
  Prober prober(nullptr, nullptr, false);
  int openings = 0;
  const std::string own = std::filesystem::canonical("/proc/self/exe");
  const auto refuse = [&](uint32_t, const discovery::Mapping& mapping) {
    if (mapping.path == own) ++openings;
    errno = EMFILE;
    return FileDescriptor(mapping.path == own ? -1 : open(mapping.path.c_str(), O_RDONLY));
  };
  ProcessWatch watch(&prober, Always, &sink, refuse);
  watch.Met(RecordOf(getpid()));
  EXPECT_THAT(sink.libraries, IsEmpty());
  for (int i = 0; i < 10; ++i) EXPECT_THAT(watch.Sweep(), IsEmpty());
  EXPECT_EQ(openings, 4);
  ASSERT_THAT(sink.libraries, SizeIs(1));
  EXPECT_EQ(sink.libraries[0].path, own);
  EXPECT_FALSE(sink.libraries[0].attached);
  EXPECT_THAT(sink.libraries[0].problem, HasSubstr("Too many open files"));
}

TEST(ProcessWatchTest, AFileThatCanBeOpenedLaterIsLookedAtLater) {
  Sink sink;
  Prober prober(nullptr, nullptr, false);
  const std::string folder = absl::StrCat(::testing::TempDir(), "watch-", getpid());
  std::filesystem::create_directory(folder);
  const std::string library = folder + "/libgnutls.so.30";
  std::filesystem::copy_file("/proc/self/exe", library);
  int openings = 0;
  const std::string own = std::filesystem::canonical("/proc/self/exe");
  const auto late = [&](uint32_t, const discovery::Mapping& mapping) {
    const bool refused = mapping.path == own && ++openings < 3;
    errno = EACCES;
    return FileDescriptor(refused ? -1 : open(library.c_str(), O_RDONLY));
  };
  ProcessWatch watch(&prober, Always, &sink, late);
  watch.Met(RecordOf(getpid()));
  for (int i = 0; i < 10; ++i) watch.Sweep();
  EXPECT_EQ(openings, 3);
  for (const auto& found : sink.libraries) EXPECT_NE(found.family, "unknown") << found.problem;
  std::filesystem::remove_all(folder);
}

TEST(ProcessWatchTest, AProcessWhoseEndWasNotToldIsMissed) {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  Sink sink;
  Prober prober(nullptr, nullptr, false);
  ProcessWatch watch(&prober, Always, &sink);
  const ProcessRecord record = RecordOf(child);
  watch.Met(record);
  watch.Met(RecordOf(getpid()));
  EXPECT_THAT(watch.Sweep(), IsEmpty());
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_THAT(watch.Sweep(), IsEmpty());  // The record may be on its way.
  const std::vector<events::ProcessId> gone = watch.Sweep();
  ASSERT_THAT(gone, SizeIs(1));
  EXPECT_EQ(gone[0], record.process);
  watch.Exited(record);
  EXPECT_EQ(watch.size(), 1U);
  watch.Exited(record);  // The record came after all.
  EXPECT_EQ(sink.exits, 1);
}

TEST(ProcessWatchTest, AnIoUringIsToldOnce) {
  Sink sink;
  Prober prober(nullptr, nullptr, false);
  ProcessWatch watch(&prober, Always, &sink);
  const ProcessRecord record = RecordOf(getpid());
  watch.Met(record);
  sink.libraries.clear();
  watch.UsesIoUring(record);
  watch.UsesIoUring(record);
  ASSERT_THAT(sink.libraries, SizeIs(1));
  EXPECT_THAT(sink.libraries[0].problem, HasSubstr("plain HTTP"));
  // A forked child made none.
  sink.libraries.clear();
  ProcessRecord child = record;
  child.parent = record.process;
  child.process.pid = 0x3fffff;
  watch.Forked(child);
  for (const auto& library : sink.libraries) EXPECT_NE(library.family, "io_uring");
  sink.libraries.clear();
  watch.UsesIoUring(child);
  EXPECT_THAT(sink.libraries, SizeIs(1));
}

}  // namespace
}  // namespace sonde::capture
