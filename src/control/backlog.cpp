#include "control/backlog.hpp"

#include <utility>

namespace sluice::control {

void Backlog::owe(const Batch& decided) {
  for (const auto& change : decided.changes) {
    if (const auto* laid = std::get_if<store::LayoutChange>(&change)) {
      layouts_.insert_or_assign(laid->steer, *laid);  // each reload may make new ones
    } else {
      owed_.changes.push_back(change);
    }
  }
  owed_.events.insert(owed_.events.end(), decided.events.begin(), decided.events.end());
}

void Backlog::keep(store::HealthSeen seen) {
  HealthKey key{std::move(seen.destination), seen.port, std::move(seen.host), std::move(seen.check)};
  health_.insert_or_assign(std::move(key), std::move(seen.state));
}

void Backlog::keep(store::HealthForgotten) {
  forgotten_ = true;
  health_.clear();
}

void Backlog::keep(store::ReceiverCursor cursor) {
  cursors_.insert_or_assign(std::move(cursor.receiver), cursor.event);
}

void Backlog::note(store::Event event) {
  noted_.push_back(std::move(event));
  if (noted_.size() > static_cast<std::size_t>(store::health_events_max)) noted_.pop_front();
}

bool Backlog::empty() const {
  return owed_.changes.empty() && owed_.events.empty() && layouts_.empty() && !forgotten_ &&
         health_.empty() && !seen_until_ && cursors_.empty() && noted_.empty();
}

Backlog::Batch Backlog::owed() const {
  auto batch = owed_;
  for (const auto& [steer, laid] : layouts_) batch.changes.emplace_back(laid);
  return batch;
}

Backlog::Batch Backlog::all() const {
  auto batch = owed();
  batch.events.insert(batch.events.end(), noted_.begin(), noted_.end());
  if (forgotten_) batch.changes.emplace_back(store::HealthForgotten{});
  for (const auto& [key, state] : health_)
    batch.changes.emplace_back(store::HealthSeen{key.destination, key.port, key.host, key.check, state});
  if (seen_until_) batch.changes.emplace_back(*seen_until_);
  for (const auto& [receiver, event] : cursors_)
    batch.changes.emplace_back(store::ReceiverCursor{receiver, event});
  return batch;
}

void Backlog::clear_owed() {
  owed_ = {};
  layouts_.clear();
}

}  // namespace sluice::control
