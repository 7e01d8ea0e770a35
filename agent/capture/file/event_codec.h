// Events as bytes and back. Each event's fields are listed once, for both ways.
#ifndef SONDE_AGENT_CAPTURE_FILE_EVENT_CODEC_H_
#define SONDE_AGENT_CAPTURE_FILE_EVENT_CODEC_H_

#include <string>
#include <string_view>

#include "agent/events/event.h"

namespace sonde::capture {

/// Appends one record: varint length, type, fields.
void EncodeEvent(const events::Event& event, std::string* out);

enum class Decoded { kEvent, kUnknownType, kDamaged };

/// Takes one record off the front of `in`. Views in the event point into `in`. On kDamaged nothing
/// more can be read from `in`.
Decoded DecodeEvent(std::string_view* in, events::Event* event);

}  // namespace sonde::capture

#endif  // SONDE_AGENT_CAPTURE_FILE_EVENT_CODEC_H_
