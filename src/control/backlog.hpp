// What is in force and not stored yet. It does not grow without bounds while the disk is full, however long
// that lasts: of what was seen the newest alone is kept, and of what was decided there is no more than what
// the store and the config hold, as nothing new is acknowledged before it is written.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
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

  // What was decided: to be stored before whatever is decided later, or together with it.
  void owe(const Batch& decided);

  void keep(store::HealthSeen seen);
  void keep(store::HealthForgotten);
  void keep(store::HealthSeenUntil seen) { seen_until_ = seen; }
  void keep(store::ReceiverCursor cursor);

  // Something that happened; the oldest is dropped when there are more than the store would keep.
  void note(store::Event event);
  const store::Event& last_noted() const { return noted_.back(); }

  bool empty() const;
  Batch owed() const;
  Batch all() const;  // what is owed comes first
  void clear_owed();
  void clear() { *this = {}; }

 private:
  Batch owed_;                                          // without layouts
  std::map<std::string, store::LayoutChange> layouts_;  // by steer: owed, too
  bool forgotten_ = false;                              // before health_ was seen
  std::map<HealthKey, health::State> health_;
  std::optional<store::HealthSeenUntil> seen_until_;
  std::map<std::string, std::optional<std::int64_t>> cursors_;  // by receiver
  std::deque<store::Event> noted_;
};

}  // namespace sluice::control
