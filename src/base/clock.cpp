#include "base/clock.hpp"

#include <ctime>

namespace sluice {
namespace {

// Since the machine has started.
Duration passed() {
  timespec time{};
  clock_gettime(CLOCK_BOOTTIME, &time);
  return std::chrono::duration_cast<Duration>(std::chrono::seconds(time.tv_sec) +
                                              std::chrono::nanoseconds(time.tv_nsec));
}

}  // namespace

Time deciding_now() {
  static const Time machine_started = wall_now() - passed();
  return machine_started + passed();
}

}  // namespace sluice
