// What kind of failure a call ended with, from its status and the provider's own words.
#ifndef SONDE_AGENT_CALLS_ERRORS_H_
#define SONDE_AGENT_CALLS_ERRORS_H_

#include <string>

#include "agent/calls/call.h"
#include "decoders/dialects/facts.h"

namespace sonde::calls {

/// kNone when the status is below 400 and the reply carries no error. The provider's code decides
/// before its type, both before the status: one status stands for several failures (429 is a rate
/// limit or an empty account, 400 a fault or a filter). An error inside a stream that began with
/// 200 counts as any other.
ErrorClass Classify(int status, const dialects::ErrorFacts& error);

/// error.type of the semantic conventions: the provider's code or type when it is a low-cardinality
/// word, else the HTTP status, else the class's name.
std::string ErrorType(int status, const dialects::ErrorFacts& error, ErrorClass error_class);

}  // namespace sonde::calls

#endif  // SONDE_AGENT_CALLS_ERRORS_H_
