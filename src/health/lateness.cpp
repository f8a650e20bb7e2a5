#include "health/lateness.hpp"

#include <algorithm>
#include <utility>

namespace sluice::health {

Turn Lateness::note(Duration late, Duration interval, Time now) {
  if (now - begun_ >= lateness_window) {
    before_ = now - begun_ < 2 * lateness_window ? current_ : Duration{};
    current_ = {};
    begun_ = now;
  }
  current_ = std::max(current_, late);
  if (late > interval) {
    overdue_at_ = now;
    return std::exchange(since_, since_.value_or(now)) ? Turn::none : Turn::began;
  }
  if (!since_ || now - overdue_at_ < lateness_window) return Turn::none;
  since_.reset();
  return Turn::ended;
}

Turn Lateness::end() {
  const auto ended = std::exchange(*this, Lateness());
  return ended.since_ ? Turn::ended : Turn::none;
}

Duration Lateness::greatest(Time now) const {
  if (now - begun_ >= 2 * lateness_window) return {};
  return now - begun_ >= lateness_window ? current_ : std::max(current_, before_);
}

}  // namespace sluice::health
