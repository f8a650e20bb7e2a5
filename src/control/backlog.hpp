// What is in force and not stored yet: of what was seen the newest alone, so that it does not grow while the
// disk is full, however long that lasts.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "control/model.hpp"
#include "store/store.hpp"

namespace sluice::control {

// Not thread-safe.
class Backlog {
 public:
  struct Batch {
    std::vector<store::Change> changes;
    std::vector<store::Event> events;
  };

  void keep(store::HealthSeen seen);
  void keep(store::HealthForgotten);
  void keep(store::HealthSeenUntil seen) { seen_until_ = seen; }

  // Something that happened; the oldest is dropped when there are more than the store would keep.
  void note(store::Event event);
  const store::Event& last_noted() const { return noted_.back(); }

  bool empty() const;
  Batch all() const;
  void clear() { *this = {}; }

 private:
  bool forgotten_ = false;  // before health_ was seen
  std::map<HealthKey, health::State> health_;
  std::optional<store::HealthSeenUntil> seen_until_;
  std::deque<store::Event> noted_;
};

}  // namespace sluice::control
