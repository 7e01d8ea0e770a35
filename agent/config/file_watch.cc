#include "agent/config/file_watch.h"

#include <sys/stat.h>

namespace sonde::config {

FileWatch::Identity FileWatch::Look() const {
  struct stat status {};
  if (stat(path_.c_str(), &status) != 0) return {};
  return {true, status.st_dev, status.st_ino,
          status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec, status.st_size};
}

bool FileWatch::Changed() {
  const Identity now = Look();
  const bool steady = now == last_;
  last_ = now;
  if (!now.there || !steady || now == known_) return false;
  known_ = now;
  return true;
}

}  // namespace sonde::config
