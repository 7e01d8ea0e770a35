#include "agent/calls/trace_context.h"

#include <cstddef>

namespace sonde::calls {
namespace {

constexpr size_t kVersion0Length = 55;
constexpr size_t kLongestState = 512;
constexpr uint8_t kKnownFlags = 0x03;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

/// Lower-case hex of exactly `count` bytes.
bool ReadHex(std::string_view text, uint8_t* bytes, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const int high = HexDigit(text[2 * i]);
    const int low = HexDigit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return true;
}

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

std::optional<TraceContext> ParseTraceParent(std::string_view value) {
  value = Trim(value);
  if (value.size() < kVersion0Length) return std::nullopt;
  if (value[2] != '-' || value[35] != '-' || value[52] != '-') return std::nullopt;
  TraceContext context;
  uint8_t version = 0;
  uint8_t flags = 0;
  if (!ReadHex(value, &version, 1) || version == 0xff) return std::nullopt;
  if (!ReadHex(value.substr(3), context.trace_id.data(), context.trace_id.size()) ||
      !ReadHex(value.substr(36), context.parent_span_id.data(), context.parent_span_id.size()) ||
      !ReadHex(value.substr(53), &flags, 1)) {
    return std::nullopt;
  }
  const bool longer = value.size() > kVersion0Length;
  if (longer && (version == 0 || value[kVersion0Length] != '-')) return std::nullopt;
  if (context.trace_id == TraceId{} || context.parent_span_id == SpanId{}) return std::nullopt;
  context.flags = flags & kKnownFlags;
  return context;
}

std::optional<TraceContext> FindTraceContext(const std::vector<wire::Header>& headers) {
  const std::string* parent = nullptr;
  std::string state;
  for (const wire::Header& header : headers) {
    if (header.name == "traceparent") {
      if (parent != nullptr) return std::nullopt;
      parent = &header.value;
    } else if (header.name == "tracestate" && !Trim(header.value).empty()) {
      if (!state.empty()) state += ',';
      state += Trim(header.value);
    }
  }
  if (parent == nullptr) return std::nullopt;
  std::optional<TraceContext> context = ParseTraceParent(*parent);
  if (context && state.size() <= kLongestState) context->state = state;
  return context;
}

}  // namespace sonde::calls
