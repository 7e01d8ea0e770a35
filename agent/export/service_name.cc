#include "agent/export/service_name.h"

namespace sonde::exporter {

std::string_view BaseName(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string DefaultServiceName(const calls::Process* process) {
  const std::string_view executable =
      process == nullptr ? std::string_view() : BaseName(process->executable);
  if (executable.empty()) return "unknown_service";
  return "unknown_service:" + std::string(executable);
}

}  // namespace sonde::exporter
