// Calls that nobody is billed for one by one.
#ifndef SONDE_AGENT_EXPORT_NOTIONAL_H_
#define SONDE_AGENT_EXPORT_NOTIONAL_H_

#include "agent/calls/call.h"

namespace sonde::exporter {

/// A call on a plan or on reserved capacity has no cost. What it would have cost is notional: it
/// has its own field, attribute and mark everywhere, whatever the status of the quote.
inline bool IsNotional(const calls::Call& call) {
  return call.billing_mode == calls::BillingMode::kPlan ||
         call.billing_mode == calls::BillingMode::kCapacity;
}

}  // namespace sonde::exporter

#endif  // SONDE_AGENT_EXPORT_NOTIONAL_H_
