#include "agent/export/console/silence.h"

#include <algorithm>
#include <functional>
#include <string_view>

#include "agent/export/console/display.h"

namespace sonde::exporter::console {
namespace {

constexpr size_t kListed = 12;

std::string BaseName(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

std::string Libraries(const std::vector<calls::LibraryStatus>& libraries) {
  if (libraries.empty()) return "no TLS library found";
  std::string text;
  for (const calls::LibraryStatus& library : libraries) {
    if (!text.empty()) text += "; ";
    text += BaseName(library.path) + " (" + library.family;
    if (!library.rung.empty()) text += ", " + library.rung;
    text += ")";
    if (!library.attached) {
      text += " not probed" + (library.problem.empty() ? "" : ": " + library.problem);
    } else if (library.late_ns > 0) {
      text += " probed " + FormatDuration(library.late_ns) + " late";
    } else {
      text += " probed";
    }
  }
  return text;
}

std::string Traffic(const calls::ProcessCapture& process, const std::vector<calls::Unseen>& all) {
  std::string text;
  const auto add = [&](uint64_t count, std::string_view noun, const std::string& state) {
    if (count == 0) return;
    text += (text.empty() ? "" : ", ") + Plural(count, noun) + state;
  };
  add(process.plaintext_connections, "TLS connection", " read");
  add(process.plain_http_connections, "plain HTTP connection", "");
  for (const calls::Unseen& unseen : all) {
    if (!unseen.process || !process.process || !(unseen.process->id == process.process->id)) {
      continue;
    }
    add(unseen.connections, unseen.is_requests() ? "request" : "connection",
        std::string(unseen.is_requests() ? " not decoded (" : " not read (") + unseen.kind +
            " to " + (unseen.host.empty() ? "an unknown host" : unseen.host) + ")");
  }
  if (text.empty()) return "no connection";
  return text + (process.unseen_connections == 0 ? ", no call to a model in them" : "");
}

std::string Describe(const calls::ProcessCapture& capture, const std::vector<calls::Unseen>& all) {
  std::string name = "process";
  if (capture.process) {
    name = capture.process->display_name + "[" + std::to_string(capture.process->id.pid) + "]";
  }
  return name + ": " + Libraries(capture.libraries) + "; " + Traffic(capture, all);
}

bool AnyUnseen(const SilenceFacts& facts, std::string_view kind) {
  return std::any_of(facts.unseen.begin(), facts.unseen.end(),
                     [&](const calls::Unseen& unseen) { return unseen.kind == kind; });
}

bool AnyLate(const SilenceFacts& facts) {
  for (const calls::ProcessCapture& process : facts.processes) {
    for (const calls::LibraryStatus& library : process.libraries) {
      if (library.late_ns > 0) return true;
    }
  }
  return false;
}

/// curl can be told on the spot.
std::string WithHttp1(const std::string& again) {
  constexpr std::string_view kCurl = "-- curl ";
  const size_t at = again.find(kCurl);
  if (at == std::string::npos) return "";
  return again.substr(0, at) + "-- curl --http1.1 " + again.substr(at + kCurl.size());
}

std::string Advice(const SilenceFacts& facts) {
  if (facts.replay) {
    return "this file holds no more than that; to capture again: sonde record -o FILE -- CMD";
  }
  const bool connected = std::any_of(
      facts.processes.begin(), facts.processes.end(), [](const calls::ProcessCapture& process) {
        return process.plaintext_connections + process.plain_http_connections +
                   process.tls_sockets + process.unseen_connections >
               0;
      });
  if (AnyUnseen(facts, "http/2")) {
    const std::string direct = WithHttp1(facts.again);
    if (!direct.empty()) return "HTTP/2 is not decoded yet: " + direct;
    return "HTTP/2 is not decoded yet; let the client speak HTTP/1.1 (curl --http1.1, httpx "
           "without http2=True) and repeat: " +
           facts.again;
  }
  if (AnyUnseen(facts, "quic")) {
    return "HTTP/3 is not decoded; turn it off in the client and repeat: " + facts.again;
  }
  if (AnyLate(facts) && !facts.again.empty()) {
    return "the probes came late; repeat: " + facts.again;
  }
  if (AnyUnseen(facts, "tls")) {
    return "what this host supports and which TLS libraries are known: sonde doctor";
  }
  if (!connected && !facts.sockets) {
    return "plain HTTP was not looked at; repeat without --no-sockets: " + facts.again;
  }
  if (!connected) {
    return "if a program that runs already makes the calls: sonde attach --pid PID --tree";
  }
  return "to keep what was seen for a closer look: sonde record -o FILE -- CMD";
}

}  // namespace

std::string NextStep(const SilenceFacts& facts) {
  std::string advice = Advice(facts);
  // Without a command to repeat.
  while (advice.ends_with(' ') || advice.ends_with(':')) advice.pop_back();
  return advice;
}

std::vector<std::string> ExplainSilence(const SilenceFacts& facts) {
  std::vector<std::string> lines = {"no call to a model provider was seen in " +
                                    Plural(facts.processes_seen, "process")};
  size_t shown = 0;
  for (const calls::ProcessCapture& process : facts.processes) {
    if (shown++ == kListed) {
      lines.push_back("and " + std::to_string(facts.processes.size() - kListed) + " more");
      break;
    }
    lines.push_back(Describe(process, facts.unseen));
  }
  if (facts.processes.empty()) {
    lines.push_back("no TLS library was mapped and no connection was opened");
  }
  lines.push_back("next: " + NextStep(facts));
  return lines;
}

}  // namespace sonde::exporter::console
