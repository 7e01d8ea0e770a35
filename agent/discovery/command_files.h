// The files with TLS code that a command is likely to map, worked out before it runs.
#ifndef SONDE_AGENT_DISCOVERY_COMMAND_FILES_H_
#define SONDE_AGENT_DISCOVERY_COMMAND_FILES_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sonde::discovery {

/// Scripts naming scripts: how many steps are followed, as the kernel does.
inline constexpr int kInterpreterSteps = 5;

/// The file a shell would run for `program`: itself when it holds a slash (relative to
/// `directory`), else the first executable of that name in the colon-separated `path`.
std::optional<std::string> FindProgram(const std::string& program, const std::string& path,
                                       const std::string& directory);

/// The words of a script's first line after "#!": interpreter and its one argument. Empty when the
/// text does not begin so.
std::vector<std::string> ParseShebang(std::string_view head);

/// The program itself and the interpreters behind it, following "#!" and env(1).
std::vector<std::string> InterpreterChain(const std::string& program, const std::string& path,
                                          const std::string& directory);

/// All files worth probing ahead: the chain, the TLS libraries its last program needs or has
/// beside it (../lib), and those of the dynamic linker's cache. Only files that exist, each once.
std::vector<std::string> FilesOfCommand(const std::string& program, const std::string& path,
                                        const std::string& directory);

}  // namespace sonde::discovery

#endif  // SONDE_AGENT_DISCOVERY_COMMAND_FILES_H_
