#include "base/text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>
#include <iterator>
#include <numeric>
#include <utility>
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

// The size of the character in UTF-8 that `text` begins with; 0 when it begins with none (RFC 3629, 4).
std::size_t character_size(std::string_view text) {
  const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty()) return 0;
  const unsigned first = octet(0);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xC2 && first < 0xE0   ? 2
                           : (first & 0xF0) == 0xE0        ? 3
                           : first >= 0xF0 && first < 0xF5 ? 4
                                                           : 0;
  if (size == 0 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((octet(i) & 0xC0) != 0x80) return 0;
  const unsigned second = octet(1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool no_character = (first == 0xED && second >= 0xA0) || (first == 0xF4 && second >= 0x90);
  return overlong || no_character ? 0 : size;
}

// Beyond ASCII: C1; what has no width; ends of lines and paragraphs; what turns the direction of writing.
bool is_control_character(std::string_view character) {
  constexpr std::pair<std::string_view, std::string_view> ranges[] = {{"\u0080", "\u009F"},
                                                                      {"\u200B", "\u200F"},
                                                                      {"\u2028", "\u202E"},
                                                                      {"\u2060", "\u206F"},
                                                                      {"\uFEFF", "\uFEFF"}};
  // UTF-8 has the order of the characters' numbers.
  return is_control(character[0]) ||
         std::any_of(std::begin(ranges), std::end(ranges), [&](const auto& range) {
           return range.first <= character && character <= range.second;
         });
}

// A number of exactly `count` digits at the start of `text`, which is cut off there.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  int value = 0;
  if (text.size() < count || text.front() == '-') return {};
  const auto [rest, error] = std::from_chars(text.data(), text.data() + count, value);
  if (error != std::errc{} || rest != text.data() + count) return {};
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, std::string_view either) {
  if (text.empty() || either.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// "2026-12-01" and what separates it from the time of day.
std::optional<std::chrono::sys_days> take_date(std::string_view& text) {
  const auto year = take_digits(text, 4);
  if (!year || !take(text, "-")) return {};
  const auto month = take_digits(text, 2);
  if (!month || !take(text, "-")) return {};
  const auto day = take_digits(text, 2);
  if (!day || !take(text, "Tt")) return {};
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  return date.ok() ? std::optional(std::chrono::sys_days(date)) : std::nullopt;
}

// ".5", or nothing.
std::optional<Duration> take_fraction(std::string_view& text) {
  if (!take(text, ".")) return 0ms;
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  if (digits == 0) return {};
  std::string thousandths(text.substr(0, std::min<std::size_t>(digits, 3)));
  thousandths.resize(3, '0');
  text.remove_prefix(digits);
  std::string_view left = thousandths;
  return Duration(take_digits(left, 3).value_or(0));
}

// "02:00:00.5"; a leap second is the one after it.
std::optional<Duration> take_time_of_day(std::string_view& text) {
  const auto hour = take_digits(text, 2);
  if (!hour || !take(text, ":")) return {};
  const auto minute = take_digits(text, 2);
  if (!minute || !take(text, ":")) return {};
  const auto second = take_digits(text, 2);
  const auto fraction = second ? take_fraction(text) : std::nullopt;
  if (!fraction || *hour > 23 || *minute > 59 || *second > 60) return {};
  return std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second) +
         *fraction;
}

// "Z", "+01:00".
std::optional<Duration> take_offset(std::string_view& text) {
  if (take(text, "Zz")) return 0ms;
  const bool west = text.starts_with('-');
  if (!take(text, "+-")) return {};
  const auto hours = take_digits(text, 2);
  if (!hours || !take(text, ":")) return {};
  const auto minutes = take_digits(text, 2);
  if (!minutes || *hours > 23 || *minutes > 59) return {};
  const Duration offset = std::chrono::hours(*hours) + std::chrono::minutes(*minutes);
  return west ? -offset : offset;
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
    if (milliseconds > static_cast<double>(longest_duration.count()))
      return Error{ErrorCode::invalid,
                   fmt::format("'{}' is more than ten years ({})", text, to_text(longest_duration))};
    return Duration(std::llround(milliseconds));
  }
  return malformed;
}

std::string printable(std::string_view text, std::size_t size_max) {
  std::string shown;
  while (!text.empty()) {
    const auto size = character_size(text);
    const auto character = text.substr(0, size);
    text.remove_prefix(std::max<std::size_t>(size, 1));
    if (size == 0 || is_control_character(character)) continue;
    if (shown.size() + size > size_max) return shown + "...";
    shown += character;
  }
  return shown;
}

Result<Time> parse_time(std::string_view text) {
  const Error malformed{ErrorCode::invalid,
                        fmt::format("'{}' is not a time such as \"2026-12-01T02:00:00Z\"", text)};
  const auto day = take_date(text);
  if (!day) return malformed;
  const auto time = take_time_of_day(text);
  if (!time) return malformed;
  const auto offset = take_offset(text);
  if (!offset || !text.empty()) return malformed;
  return Time(*day) + *time - *offset;
}

Result<Time> parse_moment(std::string_view text, Time now) {
  if (text.starts_with('+')) {
    const auto delay = parse_duration(text.substr(1));
    if (!delay) return delay.error();
    return now + *delay;
  }
  const auto time = parse_time(text);
  if (time) return *time;
  return Error{ErrorCode::invalid, time.error().message + " or \"+10m\""};
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

std::optional<double> parse_percent(std::string_view text) {
  if (!text.ends_with('%')) return {};
  text.remove_suffix(1);
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || c == '.'; });
  double percent = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), percent);
  if (!plain || error != std::errc{} || end != text.data() + text.size() || percent > 100) return {};
  return percent / 100;
}

bool is_secret(std::string_view given, std::string_view secret) {
  // Volatile, so that no compiler ends the loop at the first difference.
  volatile unsigned difference = given.size() == secret.size() && !secret.empty() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const char expected = secret.empty() ? '\0' : secret[i % secret.size()];
    difference = difference | static_cast<unsigned>(static_cast<unsigned char>(given[i] ^ expected));
  }
  return difference == 0;
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
  // Not by way of system_clock, whose nanoseconds end in 2262.
  const auto unix_seconds = static_cast<std::time_t>(seconds.time_since_epoch().count());
  return fmt::format("{:%FT%T}.{:03}Z", fmt::gmtime(unix_seconds), milliseconds);
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

std::string_view without_space_around(std::string_view text) {
  const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> comma_separated(std::string_view text) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find(',', at), text.size());
    parts.push_back(without_space_around(text.substr(at, end - at)));
    at = end + 1;
  }
  return parts;
}

}  // namespace sluice
