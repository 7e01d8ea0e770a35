#include <optional>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/pipeline/testing/fixture.h"

namespace sonde::pipeline::testing {
namespace {

template <typename T>
std::string Maybe(const std::optional<T>& value) {
  return value ? absl::StrCat(*value) : "-";
}

std::string Maybe(const std::optional<wire::Stamp>& stamp) {
  return stamp ? absl::StrCat(stamp->begin_ns, "..", stamp->end_ns) : "-";
}

std::string Usage(const dialects::TokenUsage& usage) {
  return absl::StrCat(Maybe(usage.input_uncached), " ", Maybe(usage.cache_read), " ",
                      Maybe(usage.cache_write_5m), " ", Maybe(usage.cache_write_1h), " ",
                      Maybe(usage.cache_write_other), " ", Maybe(usage.output), " ",
                      Maybe(usage.reasoning));
}

template <typename Bytes>
std::string Hex(const Bytes& bytes) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace

std::string DescribeFacts(const calls::Call& call) {
  std::string text = absl::StrCat(
      call.process->display_name, " ", call.connection.handle, " ", call.connection.generation,
      "\nserver ", call.server_address, ":", call.server_port, " ", call.method, " ", call.path,
      " ", call.http_status, "\nprovider ", call.provider, " ", call.biller, " ",
      std::string(call.dialect), " ", std::string(call.operation), "\nmodel ", call.request.model,
      " ", call.response.model, " ", call.response.id, "\nusage ", Usage(call.response.usage),
      "\ntimes ", call.start_ns, " ", call.request_end_ns, " ", call.end_ns, " ",
      call.start_unix_ns, " ", Maybe(call.response.first_output), " ",
      Maybe(call.response.first_text), " ", Maybe(call.response.last_output));
  absl::StrAppend(&text, "\noutput events ", call.response.output_event_count, " of ",
                  call.response.event_count, " terminal ", call.response.terminal_seen, "\nerror ",
                  std::string(calls::ErrorClassName(call.error)), " ", call.error_type, " ",
                  call.error_message, " aborted ", call.client_aborted);
  for (const std::string& reason : call.response.finish_reasons) {
    absl::StrAppend(&text, "\nfinish ", reason);
  }
  for (const calls::Incomplete reason : call.incomplete) {
    absl::StrAppend(&text, "\nincomplete ", std::string(calls::IncompleteName(reason)));
  }
  absl::StrAppend(&text, "\nestimated ", call.estimated ? Usage(*call.estimated) : "-", "\nquote ",
                  static_cast<int>(call.quote.status), " ", call.quote.reason, " ",
                  Maybe(call.quote.total), " mode ",
                  std::string(calls::BillingModeName(call.billing_mode)), "\n");
  return text;
}

std::string Describe(const calls::Call& call) {
  return absl::StrCat("call ", call.number, " ", Hex(call.trace_id), " ", Hex(call.span_id), " ",
                      call.parent_span_id ? Hex(*call.parent_span_id) : "-", " attempt ",
                      call.attempt, " of ", call.retry_of, "\n", DescribeFacts(call));
}

}  // namespace sonde::pipeline::testing
