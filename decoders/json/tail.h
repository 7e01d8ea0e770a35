// The end of a document whose middle was not seen.
#ifndef SONDE_DECODERS_JSON_TAIL_H_
#define SONDE_DECODERS_JSON_TAIL_H_

#include <cstddef>
#include <optional>
#include <string_view>

namespace sonde::json {

/// `tail`: the last bytes of a document that is an object, cut anywhere in front. Walks backwards
/// from the closing brace and returns where the earliest member of the object itself begins that is
/// known to be one; "{" and the bytes from there on are then a document of the last members.
/// Strings and brackets are told apart as surely as forwards: a quote is inside a string exactly if
/// an odd number of backslashes stands before it. Empty when there is no such member, also when the
/// tail has its own beginning: then it is not the end of a document that began before it.
std::optional<size_t> FindLastMembers(std::string_view tail);

}  // namespace sonde::json

#endif  // SONDE_DECODERS_JSON_TAIL_H_
