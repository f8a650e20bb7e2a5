// Octets that nobody can foretell, for keys and secrets.
#pragma once

#include <cstdint>
#include <span>

namespace sluice {

// At most 256 octets. False, with errno set, when the kernel's generator fails (getrandom(2)).
[[nodiscard]] bool fill_with_chance(std::span<std::uint8_t> octets);

}  // namespace sluice
