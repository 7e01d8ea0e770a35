#include "agent/config/problem.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace sonde::config {

std::string Describe(const std::string& file, const Problem& problem) {
  return absl::StrCat(file, problem.line > 0 ? absl::StrCat(":", problem.line) : "", ": ",
                      problem.fatal ? "" : "warning: ", problem.path,
                      problem.path.empty() ? "" : ": ", problem.text);
}

void Problems::Add(Problem problem) {
  fatal_ = fatal_ || problem.fatal;
  if (problems_.size() < kMost) {
    problems_.push_back(std::move(problem));
  } else {
    ++left_out_;
  }
}

}  // namespace sonde::config
