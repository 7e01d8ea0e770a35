// service.name of the program that made a call.
#ifndef SONDE_AGENT_EXPORT_SERVICE_NAME_H_
#define SONDE_AGENT_EXPORT_SERVICE_NAME_H_

#include <string>
#include <string_view>

#include "agent/calls/call.h"

namespace sonde::exporter {

/// What follows the last "/".
std::string_view BaseName(std::string_view path);

/// "unknown_service:EXECUTABLE", as the resource conventions have it where nobody named the
/// service; "unknown_service" without a process. The same on spans, log records and metrics.
std::string DefaultServiceName(const calls::Process* process);

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_SERVICE_NAME_H_
