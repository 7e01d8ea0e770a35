#include "agent/daemon/sampler.h"

#include <cmath>

namespace sonde::daemon {
namespace {

constexpr int kRandomBits = 56;
constexpr double kPicoUsdPerUsd = 1e12;

uint64_t LowBits(const calls::TraceId& id) {
  uint64_t bits = 0;
  for (size_t i = id.size() - kRandomBits / 8; i < id.size(); ++i) bits = bits << 8 | id[i];
  return bits;
}

}  // namespace

Sampler::Sampler(const config::Sampling& settings) : settings_(settings) {
  threshold_ = static_cast<uint64_t>(std::ldexp(1.0 - settings.ratio, kRandomBits));
  dear_ = std::llround(settings.keep_above_usd * kPicoUsdPerUsd);
}

bool Sampler::Keeps(const calls::Call& call) const {
  if (settings_.keep_errors && call.error != calls::ErrorClass::kNone) return true;
  if (dear_ > 0 && call.quote.total && *call.quote.total >= dear_) return true;
  return settings_.ratio > 0 && LowBits(call.trace_id) >= threshold_;
}

}  // namespace sonde::daemon
