#include "agent/config/check.h"

#include <pwd.h>
#include <re2/re2.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/config/address.h"
#include "agent/config/cgroup_tree.h"

namespace sonde::config {
namespace {

class Checker {
 public:
  explicit Checker(const std::function<void(Problem)>& tell) : tell_(tell) {}

  void Fail(std::string path, std::string text) {
    tell_({true, std::move(path), 0, std::move(text)});
  }
  void Warn(std::string path, std::string text) {
    tell_({false, std::move(path), 0, std::move(text)});
  }

  /// A file that must be readable; an empty name is none.
  void File(const std::string& path, const std::string& file) {
    if (!file.empty() && access(file.c_str(), R_OK) != 0) {
      Fail(path, absl::StrCat("cannot read ", file, ": ", strerror(errno)));
    }
  }

  void Directory(const std::string& path, const std::string& directory, int mode) {
    if (directory.empty()) return;
    struct stat status {};
    if (stat(directory.c_str(), &status) != 0) {
      Fail(path, absl::StrCat(directory, ": ", strerror(errno)));
    } else if (!S_ISDIR(status.st_mode)) {
      Fail(path, absl::StrCat(directory, " is no folder"));
    } else if (access(directory.c_str(), mode) != 0) {
      Fail(path, absl::StrCat(directory, " cannot be ", (mode & W_OK) != 0 ? "written" : "read",
                              ": ", strerror(errno)));
    }
  }

  void Pair(const std::string& path, const std::string& certificate, const std::string& key) {
    if (certificate.empty() != key.empty()) {
      Fail(path, "cert_file and key_file belong together; only one is given");
    }
    File(path + ".cert_file", certificate);
    File(path + ".key_file", key);
  }

 private:
  const std::function<void(Problem)>& tell_;
};

void CheckUser(Checker& checker, const std::string& path, const std::string& user) {
  uint32_t number = 0;
  if (!absl::SimpleAtoi(user, &number) && getpwnam(user.c_str()) == nullptr) {
    checker.Fail(path,
                 absl::StrCat("no user named \"", user, "\" on this host; a number works too"));
  }
}

void CheckSelector(Checker& checker, const std::string& path, const Selector& selector) {
  if (selector.cgroup.empty() && !selector.pid && selector.executable.empty() &&
      selector.command.empty() && selector.user.empty()) {
    checker.Fail(path, "selects nothing by itself; give cgroup, pid, executable, command or user");
  }
  if (!selector.cgroup.empty()) {
    const std::string directory = CgroupTree::OfHost().Directory(selector.cgroup);
    if (directory.empty()) {
      checker.Fail(path + ".cgroup",
                   "the root holds every process of the host; name a cgroup in it");
    } else if (access(directory.c_str(), F_OK) != 0) {
      checker.Warn(path + ".cgroup",
                   absl::StrCat(directory, " does not exist yet; it is selected when it appears"));
    }
  }
  if (selector.pid && kill(static_cast<pid_t>(*selector.pid), 0) != 0 && errno == ESRCH) {
    checker.Warn(path + ".pid", absl::StrCat("no process ", *selector.pid, " runs"));
  }
  if (!selector.command.empty()) {
    const RE2 pattern(selector.command, RE2::Quiet);
    if (!pattern.ok()) {
      checker.Fail(path + ".command", absl::StrCat("no regular expression: ", pattern.error()));
    } else if (RE2::PartialMatch("", pattern)) {
      checker.Fail(path + ".command", "fits every command line, the empty one too");
    }
  }
  if (!selector.executable.empty() && !absl::StrContains(selector.executable, "/")) {
    checker.Fail(path + ".executable",
                 absl::StrCat("is compared with a whole path; write */", selector.executable));
  }
  if (!selector.user.empty()) CheckUser(checker, path + ".user", selector.user);
}

void CheckOtlp(Checker& checker, const std::string& path, const Otlp& otlp) {
  static constexpr std::string_view kSchemes[] = {"http://", "https://", "grpc://", "grpcs://"};
  bool known = false;
  for (const std::string_view scheme : kSchemes) known |= otlp.endpoint.starts_with(scheme);
  if (otlp.endpoint.empty()) {
    checker.Fail(path, "has no endpoint");
  } else if (!known) {
    checker.Fail(path + ".endpoint",
                 absl::StrCat("\"", otlp.endpoint,
                              "\" must begin with http://, https://, grpc:// or grpcs://"));
  }
  if (!otlp.traces && !otlp.metrics && !otlp.logs) {
    checker.Warn(path, "sends neither traces nor metrics nor logs");
  }
  checker.File(path + ".tls.ca_file", otlp.tls.ca_file);
  checker.Pair(path + ".tls", otlp.tls.cert_file, otlp.tls.key_file);
}

void CheckHttp(Checker& checker, const Http& http) {
  if (!http.enabled) return;
  const auto listen = ParseListen(http.listen);
  if (!listen.ok()) checker.Fail("http.listen", std::string(listen.status().message()));
  checker.Pair("http.tls", http.tls.cert_file, http.tls.key_file);
  for (size_t i = 0; i < http.allow.size(); ++i) {
    const auto network = Network::Parse(http.allow[i]);
    if (!network.ok()) {
      checker.Fail(absl::StrCat("http.allow[", i, "]"), std::string(network.status().message()));
    }
  }
  for (size_t i = 0; i < http.basic.size(); ++i) {
    const std::string path = absl::StrCat("http.basic[", i, "]");
    if (http.basic[i].user.empty()) checker.Fail(path, "has no user");
    if (http.basic[i].password.value.empty()) checker.Fail(path, "has no password");
  }
  for (size_t i = 0; i < http.bearer.size(); ++i) {
    if (http.bearer[i].value.empty())
      checker.Fail(absl::StrCat("http.bearer[", i, "]"), "is empty");
  }
  const bool authenticated = !http.basic.empty() || !http.bearer.empty();
  if (authenticated && http.tls.cert_file.empty() && listen.ok() &&
      listen->host.find("127.") != 0 && listen->host != "::1" && listen->host != "localhost") {
    checker.Warn("http", "credentials cross the network unencrypted; set http.tls");
  }
}

}  // namespace

void Check(const Config& config, const std::function<void(Problem)>& tell) {
  Checker checker(tell);
  if (config.select.empty()) checker.Warn("select", "is empty: nothing is captured");
  for (size_t i = 0; i < config.select.size(); ++i) {
    CheckSelector(checker, absl::StrCat("select[", i, "]"), config.select[i]);
  }
  const uint64_t ring = config.capture.ring.count;
  if ((ring & (ring - 1)) != 0) checker.Fail("capture.ring", "must be a power of two");
  for (size_t i = 0; i < config.otlp.size(); ++i) {
    CheckOtlp(checker, absl::StrCat("otlp[", i, "]"), config.otlp[i]);
  }
  CheckHttp(checker, config.http);
  checker.Directory("ledger.directory", config.ledger.directory, W_OK | X_OK);
  checker.Directory("prices.directory", config.prices.directory, R_OK | X_OK);
}

}  // namespace sonde::config
