// Which kind of value a member is.
#ifndef SONDE_AGENT_CONFIG_KINDS_H_
#define SONDE_AGENT_CONFIG_KINDS_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sonde::config {

template <class T>
inline constexpr bool kIsList = false;
template <class T>
inline constexpr bool kIsList<std::vector<T>> = true;

template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;

template <class T>
inline constexpr bool kIsTable = false;
template <class T>
inline constexpr bool kIsTable<std::map<std::string, T>> = true;

}  // namespace sonde::config

#endif  // SONDE_AGENT_CONFIG_KINDS_H_
