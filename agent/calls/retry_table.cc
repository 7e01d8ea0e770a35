#include "agent/calls/retry_table.h"

#include <algorithm>

namespace sonde::calls {
namespace {

constexpr size_t kFailuresPerBody = 64;

}  // namespace

RetryTable::Link RetryTable::Add(const Key& key, bool body_known, const Attempt& attempt) {
  Expire(attempt.end_ns);
  const uint32_t stated = attempt.stated_count.value_or(0);
  if (!body_known) return Link{.attempt = stated};
  Group& group = FindOrCreate(key, attempt.end_ns);
  if (attempt.start_ns < group.latest_end_ns) group.overlapping = true;
  Link link{.attempt = stated};
  if (const std::optional<Failure> earlier = Take(group, attempt)) {
    link.attempt = std::max(earlier->attempt + 1, stated);
    link.retry_of = earlier->first_number;
  }
  group.latest_end_ns = std::max(group.latest_end_ns, attempt.end_ns);
  if (attempt.failed) {
    group.failures.push_back(
        Failure{.first_number = link.retry_of != 0 ? link.retry_of : attempt.number,
                .attempt = link.attempt,
                .start_ns = attempt.start_ns,
                .end_ns = attempt.end_ns});
    if (group.failures.size() > kFailuresPerBody) group.failures.pop_front();
  }
  return link;
}

/// The failure that `attempt` follows, taken out: one failure has one retry.
std::optional<RetryTable::Failure> RetryTable::Take(Group& group, const Attempt& attempt) {
  const uint32_t stated = attempt.stated_count.value_or(0);
  if (stated == 0 && group.overlapping) return std::nullopt;
  auto chosen = group.failures.end();
  for (auto failure = group.failures.begin(); failure != group.failures.end(); ++failure) {
    // A client that gave up may let go of its connection only after it tried again.
    const bool before =
        stated > 0 ? failure->start_ns < attempt.start_ns : failure->end_ns <= attempt.start_ns;
    if (!before || attempt.start_ns > failure->end_ns + kWindowNs) continue;
    if (stated > 0 && failure->attempt + 1 != stated) {
      if (chosen == group.failures.end()) chosen = failure;
      continue;
    }
    chosen = failure;
    if (stated > 0) break;
  }
  if (chosen == group.failures.end()) return std::nullopt;
  const Failure taken = *chosen;
  group.failures.erase(chosen);
  return taken;
}

RetryTable::Group& RetryTable::FindOrCreate(const Key& key, events::MonoNs now) {
  const auto found = groups_.find(key);
  if (found != groups_.end()) return found->second;
  while (groups_.size() >= std::max<size_t>(limit_, 1)) {
    groups_.erase(order_.front().second);
    order_.pop_front();
    ++evicted_;
  }
  order_.emplace_back(now, key);
  return groups_[key];
}

void RetryTable::Expire(events::MonoNs now) {
  while (!order_.empty() && order_.front().first + kKeepNs < now) {
    auto [touched, key] = std::move(order_.front());
    order_.pop_front();
    const auto group = groups_.find(key);
    if (group == groups_.end()) continue;
    if (group->second.latest_end_ns + kKeepNs < now) {
      groups_.erase(group);
    } else {
      order_.emplace_back(group->second.latest_end_ns, std::move(key));
    }
  }
}

}  // namespace sonde::calls
