#include "agent/capture/file/capture_format.h"

#include <nlohmann/json.hpp>

#include "absl/status/status.h"

namespace sonde::capture {
namespace {

constexpr std::string_view kSchema = "sonde.capture/1";

std::string Text(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

std::string HeaderToJson(const CaptureHeader& header) {
  nlohmann::ordered_json json;
  json["schema"] = kSchema;
  json["sonde_version"] = header.sonde_version;
  json["created_unix_ns"] = header.created_unix_ns;
  json["id_seed"] = header.id_seed;
  json["price_book"] = {{"version", header.price_book_version}, {"hash", header.price_book_hash}};
  json["text_masked"] = header.text_masked;
  json["settings"] = header.settings;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

absl::StatusOr<CaptureHeader> HeaderFromJson(std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object() || Text(json, "schema") != kSchema) {
    return absl::DataLossError("its header is damaged");
  }
  CaptureHeader header;
  header.sonde_version = Text(json, "sonde_version");
  header.id_seed = Text(json, "id_seed");
  if (const auto at = json.find("created_unix_ns"); at != json.end() && at->is_number_integer()) {
    header.created_unix_ns = at->get<int64_t>();
  }
  if (const auto book = json.find("price_book"); book != json.end() && book->is_object()) {
    header.price_book_version = Text(*book, "version");
    header.price_book_hash = Text(*book, "hash");
  }
  if (const auto at = json.find("text_masked"); at != json.end() && at->is_boolean()) {
    header.text_masked = at->get<bool>();
  }
  if (const auto settings = json.find("settings");
      settings != json.end() && settings->is_object()) {
    for (const auto& [name, value] : settings->items()) {
      if (value.is_string()) header.settings[name] = value.get<std::string>();
    }
  }
  return header;
}

}  // namespace sonde::capture
