#include "base/text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/clock.hpp"

namespace sluice {
namespace {

using namespace std::chrono_literals;

struct Unit {
  const char* suffix;
  Duration length;
};
constexpr Unit units[] = {{"d", 24h}, {"h", 1h}, {"m", 1min}, {"s", 1s}, {"ms", 1ms}};
constexpr Duration longest_duration = 24h * 3653;

// How many letters have to be changed, added, left out, or swapped with their neighbour ("optimal string
// alignment").
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      row[j + 1] = std::min({last[j] + (a[i] != b[j]), last[j + 1] + 1, row[j] + 1});
      const bool swapped = i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j];
      if (swapped) row[j + 1] = std::min(row[j + 1], before[j - 1] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last.back();
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  const Error malformed{
      ErrorCode::invalid,
      fmt::format("'{}' is not a duration such as \"250ms\", \"30s\", \"5m\" or \"1h\"", text)};
  double number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || !std::isfinite(number) || number < 0) return malformed;
  const std::string_view suffix(rest, text.data() + text.size() - rest);
  for (const auto& unit : units) {
    if (suffix != unit.suffix) continue;
    const double milliseconds = number * static_cast<double>(unit.length.count());
    if (milliseconds > static_cast<double>(longest_duration.count())) return malformed;
    return Duration(std::llround(milliseconds));
  }
  return malformed;
}

Result<std::vector<std::uint8_t>> parse_base64(std::string_view text) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto fault = [](const char* what) { return Error{ErrorCode::invalid, what}; };
  if (text.size() % 4 != 0) return fault("its length is no multiple of 4");
  const std::size_t digits = text.size() - (text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0);
  std::vector<std::uint8_t> octets;
  std::uint32_t bits = 0;
  unsigned count = 0;  // of `bits` that have not become octets
  for (const char digit : text.substr(0, digits)) {
    const auto value = alphabet.find(digit);
    if (value == std::string_view::npos) return fault("it has a character that base64 does not have");
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    octets.push_back(static_cast<std::uint8_t>(bits >> count));
    bits &= (1U << count) - 1;
  }
  if (bits != 0) return fault("it has bits behind its end");  // RFC 4648, 3.5
  return octets;
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates) {
  std::optional<std::string> best;
  std::size_t limit = std::max<std::size_t>(1, word.size() / 3);
  for (const auto& candidate : candidates) {
    const auto distance = edit_distance(word, candidate);
    if (distance > limit || (best && distance == limit)) continue;
    best = candidate;
    limit = distance;
  }
  return best;
}

std::string to_text(Time time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto milliseconds = (time - seconds).count();
  return fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(seconds)),
                     milliseconds);
}

std::string to_text(Duration duration) {
  if (duration < 0ms) return fmt::format("-{}", to_text(-duration));
  if (duration < 1s) return fmt::format("{}ms", duration.count());
  std::string text;
  int parts = 0;
  for (const auto& unit : units) {
    const auto count = duration / unit.length;
    if (count == 0 && parts == 0) continue;
    if (unit.length < 1s || parts == 2) break;
    if (count != 0) text += fmt::format("{}{}", count, unit.suffix);
    duration -= count * unit.length;
    ++parts;
  }
  return text;
}

}  // namespace sluice
