// Small functions for texts that people write and read.
#pragma once

#include <cstddef>
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

// "2026-12-01T02:00:00Z", "2026-12-01T03:00:00.5+01:00" (RFC 3339). What is less than a millisecond is left
// out.
Result<Time> parse_time(std::string_view text);

// Such a time, or "+10m": so long after `now`.
Result<Time> parse_moment(std::string_view text, Time now);

// "20%", "12.5%": the part of 1 that it is; 0 to 1.
std::optional<double> parse_percent(std::string_view text);

// A file that holds one value and nothing else may have the space that editors leave around it.
std::string_view without_space_around(std::string_view text);

// "a, b": its parts, without the space around them. Of an empty text, one empty part.
std::vector<std::string_view> comma_separated(std::string_view text);

// Of ASCII.
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Of ASCII: what would move the cursor of whoever reads a text.
constexpr bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

// A text of somebody else's, fit for one line that a person reads: without control characters, those beyond
// ASCII too (C1, the direction of writing), and without octets that are no UTF-8; of a longer one the first
// `size_max` octets, cut between characters and with "..." behind them.
std::string printable(std::string_view text, std::size_t size_max);

// RFC 4648, 4: the whole text in base64, padded. The message of an error does not show it: it may be a
// secret.
Result<std::vector<std::uint8_t>> parse_base64(std::string_view text);

// Takes as long for any `given` text of a length, however much of it is right.
bool is_secret(std::string_view given, std::string_view secret);

// The candidate with the least edit distance to `word`, when that is at most a third of the word's length
// (and at least one): what the user most likely meant. Nothing when no candidate is that near.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace sluice
