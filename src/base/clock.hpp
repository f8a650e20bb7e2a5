// Time is an argument. The deciding rooms (steer, health, rollout) get a Time; only the threads that act read
// a clock.
#pragma once

#include <chrono>
#include <string>

namespace sluice {

using Duration = std::chrono::milliseconds;
using Time = std::chrono::sys_time<Duration>;  // wall time: it is stored, shown and compared over restarts

inline Time wall_now() { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

// For deciding: the wall time when the process asked first, and what has passed since then, on a suspended
// machine, too. It does not step when somebody sets the wall clock, and so comes to differ from it.
Time deciding_now();

// "2026-01-31T12:00:00.250Z" (RFC 3339).
std::string to_text(Time time);

// "250ms", "30s", "5m", "1h30m", "2d": at most the two largest units, for people.
std::string to_text(Duration duration);

}  // namespace sluice
