#include <set>
#include <string>
#include <string_view>

#include "agent/export/otlp/attributes.h"
#include "agent/export/otlp/span.h"
#include "agent/export/service_name.h"
#include "agent/export/text.h"

namespace sonde::exporter {
namespace {

using enum Attribute;

constexpr std::string_view kProductName = "sonde";
constexpr size_t kCommandBytes = 128;

// The arguments come joined by blanks. The first of them is the command; what follows may hold
// secrets.
std::string_view FirstArgument(std::string_view command_line) {
  return command_line.substr(0, std::min(command_line.find(' '), kCommandBytes));
}

std::string ServiceName(const calls::Process* process, const ResourceOptions& options) {
  if (options.service_name) return *options.service_name;
  const std::string_view name = SpellingOf(options.profile, kServiceName).name;
  for (const auto& [key, value] : options.attributes) {
    if (key == name) return value;
  }
  return DefaultServiceName(process);
}

void PutProcess(AttributeList& out, const calls::Process& process, const ResourceOptions& options) {
  out.Integer(kProcessPid, process.id.pid);
  if (options.wall_minus_boottime_ns && process.id.start_ns != 0) {
    out.Text(kProcessCreationTime,
             Rfc3339(static_cast<int64_t>(process.id.start_ns) + *options.wall_minus_boottime_ns));
  }
  out.Text(kProcessExecutableName, BaseName(process.executable));
  out.Text(kProcessCommand, FirstArgument(process.command_line));
}

}  // namespace

opentelemetry::proto::resource::v1::Resource ToResource(const calls::Process* process,
                                                        const ResourceOptions& options) {
  opentelemetry::proto::resource::v1::Resource resource;
  AttributeList out(options.profile, resource.mutable_attributes());
  out.Text(kServiceName, ServiceName(process, options));
  if (process != nullptr) PutProcess(out, *process, options);
  out.Text(kTelemetrySdkName, kProductName);
  out.Text(kTelemetrySdkLanguage, "cpp");
  out.Text(kTelemetrySdkVersion, SONDE_VERSION);
  out.Text(kTelemetryDistroName, kProductName);
  out.Text(kTelemetryDistroVersion, SONDE_VERSION);

  std::set<std::string> used;
  for (const auto& attribute : resource.attributes()) used.insert(attribute.key());
  for (const auto& [key, value] : options.attributes) {
    if (used.insert(key).second) out.Custom(key, value);
  }
  return resource;
}

}  // namespace sonde::exporter
