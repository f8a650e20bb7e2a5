#include "control/backlog.hpp"

#include <utility>

namespace sluice::control {

void Backlog::keep(store::HealthSeen seen) {
  HealthKey key{std::move(seen.destination), seen.port, std::move(seen.host), std::move(seen.check)};
  health_.insert_or_assign(std::move(key), std::move(seen.state));
}

void Backlog::keep(store::HealthForgotten) {
  forgotten_ = true;
  health_.clear();
}

void Backlog::note(store::Event event) {
  noted_.push_back(std::move(event));
  if (noted_.size() > static_cast<std::size_t>(store::health_events_max)) noted_.pop_front();
}

bool Backlog::empty() const { return !forgotten_ && health_.empty() && !seen_until_ && noted_.empty(); }

Backlog::Batch Backlog::all() const {
  Batch batch{{}, {noted_.begin(), noted_.end()}};
  if (forgotten_) batch.changes.emplace_back(store::HealthForgotten{});
  for (const auto& [key, state] : health_)
    batch.changes.emplace_back(store::HealthSeen{key.destination, key.port, key.host, key.check, state});
  if (seen_until_) batch.changes.emplace_back(*seen_until_);
  return batch;
}

}  // namespace sluice::control
