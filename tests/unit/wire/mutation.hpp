// Messages that are nearly right, which is where parsers go wrong.
#pragma once

#include <random>

#include "messages.hpp"

namespace sluice::wire::test {

// Changes, cuts and adds octets at random.
inline Octets mutated(Octets octets, std::mt19937& random) {
  auto at = [&] { return octets.begin() + static_cast<std::ptrdiff_t>(random() % octets.size()); };
  for (unsigned edits = 1 + random() % 4; edits > 0 && !octets.empty(); --edits) {
    switch (random() % 6) {
      case 0:
        *at() = static_cast<std::uint8_t>(random());
        break;
      case 1:
        *at() ^= static_cast<std::uint8_t>(1U << random() % 8);
        break;
      case 2:
        *at() = random() % 2 == 0 ? 0xFF : 0;
        break;
      case 3:
        octets.erase(at(), octets.end());
        break;
      case 4:
        octets.insert(at(), static_cast<std::uint8_t>(random()));
        break;
      case 5:
        octets.erase(at());
        break;
    }
  }
  return octets;
}

}  // namespace sluice::wire::test
