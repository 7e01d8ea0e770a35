// Records of the kernel's ring as events.
#ifndef SONDE_AGENT_CAPTURE_RECORD_DECODER_H_
#define SONDE_AGENT_CAPTURE_RECORD_DECODER_H_

#include <optional>
#include <string_view>

#include "agent/events/event.h"
#include "bpf/include/sonde_abi.h"

namespace sonde::capture {

/// A process record, which is not an event yet: procfs has to be asked first.
struct ProcessRecord {
  uint8_t type = 0;  ///< sonde_record_type, from FORKED on.
  events::ProcessId process;
  events::ProcessId parent;  ///< FORKED only.
  events::MonoNs ns = 0;
  std::string comm;  ///< Name of the task when the record was made.
};

events::ProcessId ToProcessId(const sonde_process_id& id);

/// The process record in these bytes, if that is what they hold.
std::optional<ProcessRecord> DecodeProcessRecord(std::string_view bytes);

/// The event in these bytes; nothing when they are a process record, too short for what they say
/// they are, or of an unknown type. A Data event's bytes point into `bytes`.
std::optional<events::Event> DecodeRecord(std::string_view bytes);

/// The event that ends a connection of the kernel's table.
events::ConnectionClosed ToClosed(const sonde_connection_key& key,
                                  const sonde_connection& connection, events::CloseReason reason,
                                  events::MonoNs ns);

/// "203.0.113.7" or "2001:db8::1"; empty when the family is neither.
std::string AddressText(uint8_t family, const uint8_t* address);

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_RECORD_DECODER_H_
