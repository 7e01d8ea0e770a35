// Calls as items of one kind of OTLP request, grouped by the process that made them.
#ifndef SONDE_AGENT_EXPORT_OTLP_CALL_ENCODER_H_
#define SONDE_AGENT_EXPORT_OTLP_CALL_ENCODER_H_

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/export/otlp/batch_exporter.h"
#include "agent/export/otlp/span.h"

namespace sonde::exporter {

/// `Kind` names the request and how its parts are made:
///   using Request = ...;
///   static Item FromCall(const calls::Call&, const SpanOptions&);
///   static Resource* AddResource(Request&); static Scope* AddScope(Resource&);
///   static Item* AddItem(Scope&);
template <typename Kind>
class CallEncoder final : public BatchEncoder {
 public:
  explicit CallEncoder(const BatchExporter::Options& options)
      : span_options_{.profile = options.profile, .user_salt = options.user_salt},
        resource_options_{.profile = options.profile,
                          .service_name = options.settings.service_name,
                          .attributes = options.settings.resource_attributes,
                          .wall_minus_boottime_ns = options.wall_minus_boottime_ns} {}

  std::string Encode(const calls::Call& call) const override {
    return Kind::FromCall(call, span_options_).SerializeAsString();
  }

  // One resource per process, in the order in which they first appear.
  std::unique_ptr<OtlpTransport::Request> ToRequest(std::vector<Item>& items) const override {
    auto request = std::make_unique<typename Kind::Request>();
    std::map<events::ProcessId, typename Kind::Scope*> by_process;
    for (Item& item : items) {
      const events::ProcessId id = item.process == nullptr ? events::ProcessId{} : item.process->id;
      typename Kind::Scope*& scope = by_process[id];
      if (scope == nullptr) {
        auto* resource = Kind::AddResource(*request);
        *resource->mutable_resource() = ToResource(item.process.get(), resource_options_);
        scope = Kind::AddScope(*resource);
        *scope->mutable_scope() = Scope();
        const std::string_view schema = SchemaUrl(span_options_.profile);
        scope->set_schema_url(schema.data(), schema.size());
      }
      Kind::AddItem(*scope)->ParseFromString(item.bytes);
      item.bytes = {};
    }
    return request;
  }

 private:
  const SpanOptions span_options_;
  const ResourceOptions resource_options_;
};

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_OTLP_CALL_ENCODER_H_
