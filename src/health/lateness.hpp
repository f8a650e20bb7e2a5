// How late probes begin, against their due times. There are so many places for open probes: when thousands of
// targets say nothing until their timeout, healthy ones have to wait, and we learn late what became of them.
#pragma once

#include <optional>

#include "base/clock.hpp"
#include "health/suspicion.hpp"

namespace sluice::health {

// Half of the time over which the greatest lateness is told of, at most; and how long probes have to be in
// time until it is said that they are again.
inline constexpr Duration lateness_window = std::chrono::minutes(1);

// Pure: time is an argument, and does not go back.
class Lateness {
 public:
  // A probe of a target that is probed every `interval` began so late.
  Turn note(Duration late, Duration interval, Time now);

  // Nothing is probed any more.
  Turn end();

  // Of the last one to two minutes.
  Duration greatest(Time now) const;

  // Set while probes begin later than a whole interval.
  std::optional<Time> since() const { return since_; }

 private:
  Duration before_{}, current_{};  // of the window before, and of the one that began at begun_
  Time begun_{}, overdue_at_{};
  std::optional<Time> since_;
};

}  // namespace sluice::health
