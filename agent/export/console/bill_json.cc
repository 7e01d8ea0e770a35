// The bill as one JSON object.
#include <nlohmann/json.hpp>

#include "agent/export/console/bill.h"
#include "agent/export/console/display.h"

namespace sonde::exporter::console {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kBillSchema = "sonde.bill/1";

Json Times(const Samples& samples) {
  Json json{{"count", samples.count()}};
  if (samples.count() == 0) return json;
  json["p50_ns"] = *samples.Percentile(50);
  json["p95_ns"] = *samples.Percentile(95);
  if (!samples.exact()) json["sampled"] = true;
  return json;
}

Json Numbers(const BillRow& row) {
  Json json{{"calls", row.calls},          {"errors", row.errors},
            {"input_tokens", row.input},   {"cached_tokens", row.cached},
            {"output_tokens", row.output}, {"calls_without_usage", row.without_usage}};
  if (row.priced > 0) json["cost"] = pricing::FormatUsd(row.cost);
  json["calls_priced"] = row.priced;
  json["calls_partial"] = row.partial;
  json["calls_inconsistent"] = row.inconsistent;
  json["calls_unpriced"] = row.unpriced;
  if (row.estimated > 0) {
    json["estimated"] = Json{{"calls", row.estimated},
                             {"input_tokens", row.estimated_input},
                             {"output_tokens", row.estimated_output},
                             {"cost", pricing::FormatUsd(row.estimated_cost)}};
  }
  if (row.notional > 0) {
    json["notional"] =
        Json{{"calls", row.notional}, {"cost", pricing::FormatUsd(row.notional_cost)}};
  }
  json["time_to_first_chunk"] = Times(row.first);
  json["duration"] = Times(row.duration);
  return json;
}

}  // namespace

std::string Bill::Json(const BillFacts& facts) const {
  using Object = nlohmann::ordered_json;
  Object json{{"schema", kBillSchema}, {"currency", "USD"}};
  json["models"] = Object::array();
  for (const BillRow* row : rows()) {
    Object model{{"provider", row->provider}, {"model", row->model}};
    model.update(Numbers(*row));
    json["models"].push_back(std::move(model));
  }
  json["total"] = Numbers(total_);
  json["unpriced"] = Object::array();
  for (const auto& [why, count] : unpriced_) {
    json["unpriced"].push_back({{"reason", why.first}, {"model", why.second}, {"calls", count}});
  }
  json["incomplete"] = {{"calls", incomplete_calls_}, {"reasons", incomplete_}};
  json["unseen"] = Object::array();
  for (const calls::Unseen& unseen : facts.unseen) {
    Object entry{{"kind", unseen.kind},
                 {"host", Sanitize(unseen.host)},
                 {"provider_host", unseen.provider_host},
                 {"connections", unseen.connections},
                 {"reason", Sanitize(unseen.reason)}};
    if (unseen.process) {
      entry["pid"] = unseen.process->id.pid;
      entry["process"] = Sanitize(unseen.process->display_name);
    }
    json["unseen"].push_back(std::move(entry));
  }
  json["lost"] = facts.losses;
  json["late"] = Object::array();
  for (const BillFacts::LateFile& file : facts.late) {
    json["late"].push_back({{"process", Sanitize(file.process)},
                            {"path", Sanitize(file.path)},
                            {"late_ns", file.late_ns}});
  }
  json["still_running"] = facts.still_running;
  json["silence"] = Object::array();
  for (const std::string& line : facts.silence) json["silence"].push_back(Sanitize(line));
  json["hints"] = Object::array();
  for (const calls::Notice& notice : notices_) json["hints"].push_back(Sanitize(notice.text));
  json["warnings"] = Object::array();
  for (const std::string& warning : facts.warnings) json["warnings"].push_back(Sanitize(warning));
  json["price_book"] = facts.price_book;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace sonde::exporter::console
