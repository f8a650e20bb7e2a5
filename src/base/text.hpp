// Small functions for texts that people write and read.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace sluice {

// "250ms", "2s", "1.5m", "1h", "2d": one number and one unit. The result is not negative and at most ten
// years.
Result<Duration> parse_duration(std::string_view text);

// Of ASCII: what would move the cursor of whoever reads a text.
constexpr bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

// RFC 4648, 4: the whole text in base64, padded. The message of an error does not show it: it may be a
// secret.
Result<std::vector<std::uint8_t>> parse_base64(std::string_view text);

// The candidate with the least edit distance to `word`, when that is at most a third of the word's length
// (and at least one): what the user most likely meant. Nothing when no candidate is that near.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace sluice
