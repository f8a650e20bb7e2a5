#include "base/chance.hpp"

#include <sys/random.h>

namespace sluice {

bool fill_with_chance(std::span<std::uint8_t> octets) {
  // Up to 256 octets come whole or not at all.
  return getrandom(octets.data(), octets.size(), 0) == static_cast<ssize_t>(octets.size());
}

}  // namespace sluice
