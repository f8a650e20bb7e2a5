#include "control/planned_ttls.hpp"

#include <optional>
#include <utility>

#include "control/planned.hpp"

namespace sluice::control {

void PlannedTtls::look() {
  if (stopped_ || !publisher_.has_published()) return;
  const Time now = wall_now();
  auto names = names_with_other_ttl(model_);
  auto former = std::exchange(followed_, names);
  names.merge(former);  // those without a plan go back to their TTL
  std::optional<Time> next;
  for (const auto& name : names) {
    const auto* steer = model_.config().find_steer(name);
    if (steer == nullptr) continue;
    publisher_.publish_ttl(*steer);
    if (const auto due = next_ttl(model_, *steer, now); due && (!next || *due < *next)) next = due;
  }
  if (next)
    alarm_.set_at(*next);
  else
    alarm_.clear();
}

void PlannedTtls::stop() {
  stopped_ = true;
  alarm_.clear();
}

}  // namespace sluice::control
