#include "agent/calls/process_table.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sonde::calls {
namespace {

constexpr size_t kLongestName = 64;

std::string_view BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

/// How an interpreter's command line leads to its script.
struct Interpreter {
  std::string_view name;           ///< Base name, possibly followed by a version.
  std::string_view code_options;   ///< Blank-separated: the program is the argument itself.
  std::string_view module_option;  ///< Its argument names a module.
  std::string_view value_options;  ///< Blank-separated: take the next argument.
  std::string_view subcommand;     ///< Skipped when it is the first word: "run".
};

constexpr std::array<Interpreter, 9> kInterpreters = {{
    {"python", "-c", "-m", "-W -X --check-hash-based-pycs", ""},
    {"pypy", "-c", "-m", "-W -X", ""},
    {"nodejs", "-e --eval -p --print", "", "-r --require --import --loader -C", ""},
    {"node", "-e --eval -p --print", "", "-r --require --import --loader -C", ""},
    {"bun", "-e --eval", "", "-r --preload --cwd --config", "run"},
    {"deno", "eval", "", "--config --import-map --cert --lock", "run"},
    {"ruby", "-e", "", "-r -I", ""},
    {"perl", "-e -E", "", "", ""},
    {"php", "-r", "", "-c -d", ""},
}};

bool HasWord(std::string_view words, std::string_view word) {
  while (!words.empty() && !word.empty()) {
    const size_t blank = words.find(' ');
    if (words.substr(0, blank) == word) return true;
    if (blank == std::string_view::npos) break;
    words.remove_prefix(blank + 1);
  }
  return false;
}

const Interpreter* FindInterpreter(std::string_view program) {
  for (const Interpreter& interpreter : kInterpreters) {
    if (program.substr(0, interpreter.name.size()) != interpreter.name) continue;
    const std::string_view rest = program.substr(interpreter.name.size());
    const bool version = rest.find_first_not_of("0123456789.-dbgt") == std::string_view::npos;
    if (version) return &interpreter;
  }
  return nullptr;
}

std::vector<std::string_view> Words(std::string_view line) {
  constexpr size_t kMostWords = 64;
  std::vector<std::string_view> words;
  while (!line.empty() && words.size() < kMostWords) {
    const size_t blank = line.find(' ');
    if (blank != 0) words.push_back(line.substr(0, blank));
    if (blank == std::string_view::npos) break;
    line.remove_prefix(blank + 1);
  }
  return words;
}

std::string ScriptName(const Interpreter& interpreter, std::string_view command_line) {
  const std::vector<std::string_view> words = Words(command_line);
  for (size_t i = 1; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (HasWord(interpreter.code_options, word)) {
      return std::string(interpreter.name) + " " + std::string(word);
    }
    if (!interpreter.module_option.empty() && word == interpreter.module_option) {
      return i + 1 < words.size() ? std::string(words[i + 1]) : std::string();
    }
    if (HasWord(interpreter.value_options, word)) {
      ++i;
    } else if (word.front() != '-' && word != interpreter.subcommand) {
      return std::string(BaseName(word));
    }
  }
  return {};
}

}  // namespace

std::string DisplayName(std::string_view comm, std::string_view executable,
                        std::string_view command_line) {
  const std::string_view first = command_line.substr(0, command_line.find(' '));
  // procfs marks the path of a replaced file.
  constexpr std::string_view kDeleted = " (deleted)";
  if (executable.size() > kDeleted.size() &&
      executable.substr(executable.size() - kDeleted.size()) == kDeleted) {
    executable.remove_suffix(kDeleted.size());
  }
  std::string name;
  const Interpreter* interpreter = FindInterpreter(BaseName(executable));
  if (interpreter == nullptr) interpreter = FindInterpreter(BaseName(first));
  if (interpreter != nullptr) name = ScriptName(*interpreter, command_line);
  if (name.empty()) name = BaseName(executable);
  if (name.empty()) name = BaseName(first);
  if (name.empty()) name = comm;
  name.resize(std::min(name.size(), kLongestName));
  return name;
}

void ProcessTable::OnStarted(const events::ProcessStarted& event) {
  auto process = std::make_shared<Process>();
  process->id = event.process;
  process->parent_pid = event.parent_pid;
  process->uid = event.uid;
  process->comm = event.comm;
  process->executable = event.executable;
  process->command_line = event.command_line;
  process->cgroup = event.cgroup;
  process->display_name = DisplayName(event.comm, event.executable, event.command_line);
  if (process->display_name.empty()) {
    process->display_name = absl::StrCat("pid ", event.process.pid);
  }
  Put(std::move(process));
}

void ProcessTable::OnForked(const events::ProcessForked& event) {
  if (processes_.contains(event.process)) return;
  const auto parent = processes_.find(event.parent);
  if (parent == processes_.end()) return;
  auto child = std::make_shared<Process>(*parent->second);
  child->id = event.process;
  child->parent_pid = event.parent.pid;
  Put(std::move(child));
}

void ProcessTable::OnExited(const events::ProcessExited& event) {
  if (processes_.contains(event.process)) exited_.push_back(event.process);
}

std::shared_ptr<const Process> ProcessTable::Get(const events::ProcessId& id) {
  const auto found = processes_.find(id);
  if (found != processes_.end()) return found->second;
  auto process = std::make_shared<Process>();
  process->id = id;
  process->display_name = absl::StrCat("pid ", id.pid);
  Put(process);
  return process;
}

void ProcessTable::Put(std::shared_ptr<const Process> process) {
  const events::ProcessId id = process->id;
  if (!processes_.contains(id)) MakeRoom();
  processes_[id] = std::move(process);
}

void ProcessTable::MakeRoom() {
  while (processes_.size() >= std::max<size_t>(limit_, 1)) {
    ++evicted_;
    if (exited_.empty()) {
      processes_.erase(processes_.begin());
      continue;
    }
    processes_.erase(exited_.front());
    exited_.pop_front();
  }
}

}  // namespace sonde::calls
