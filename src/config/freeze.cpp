#include "config/freeze.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/errors.hpp"

namespace sluice::config {
namespace {

using namespace std::chrono_literals;

constexpr Duration day = 24h, week = 7 * day;
constexpr std::array<std::string_view, 7> weekdays{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::string_view dash = " - ";

// Windows that follow one another are walked along for no longer; weekly ones may cover all of a week.
constexpr int following_max = 64;

Error no_window(std::string_view text, std::string_view why) {
  return {ErrorCode::invalid, fmt::format("'{}' is no freeze window: {}", shown(text), why)};
}

std::optional<int> parse_two_digits(std::string_view text, int most) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = text.size() == 2 && error == std::errc{} && end == text.data() + text.size();
  return whole && number >= 0 && number <= most ? std::optional(number) : std::nullopt;
}

// "Fri 16:00"
std::optional<Duration> parse_weekly(std::string_view text) {
  if (text.size() != std::string_view("Fri 16:00").size() || text[3] != ' ' || text[6] != ':') return {};
  const auto weekday = std::find(weekdays.begin(), weekdays.end(), text.substr(0, 3));
  const auto hour = parse_two_digits(text.substr(4, 2), 23), minute = parse_two_digits(text.substr(7), 59);
  if (weekday == weekdays.end() || !hour || !minute) return {};
  return (weekday - weekdays.begin()) * day + std::chrono::hours(*hour) + std::chrono::minutes(*minute);
}

// "2026-12-20T00:00Z", or with seconds
std::optional<Duration> parse_once(std::string_view text) {
  constexpr std::size_t minutes_size = std::string_view("2026-12-20T00:00").size();
  std::string whole(text);
  if (text.size() > minutes_size && text[minutes_size] != ':') whole.insert(minutes_size, ":00");
  const auto time = parse_time(whole);
  return time ? std::optional(time->time_since_epoch()) : std::nullopt;
}

// The epoch was a Thursday.
Duration since_monday(Time time) {
  const auto passed = (time.time_since_epoch() + 3 * day) % week;
  return passed < Duration::zero() ? passed + week : passed;
}

// Nothing when it is not in the window.
std::optional<Time> end_of(const FreezeWindow& window, Time now) {
  if (!window.weekly) {
    const auto passed = now.time_since_epoch();
    return passed >= window.begin && passed < window.end ? std::optional(Time(window.end)) : std::nullopt;
  }
  const auto length = (window.end - window.begin + week) % week;
  const auto passed = (since_monday(now) - window.begin + week) % week;
  return passed < length ? std::optional(now - passed + length) : std::nullopt;
}

}  // namespace

Result<FreezeWindow> parse_freeze_window(std::string_view text) {
  const auto at = text.find(dash);
  if (at == text.npos) return no_window(text, "expected a begin and an end with ' - ' between them");
  const auto from = text.substr(0, at), to = text.substr(at + dash.size());
  FreezeWindow window{std::string(text), true, {}, {}};
  auto begin = parse_weekly(from), end = parse_weekly(to);
  if (!begin && !end) {
    window.weekly = false;
    begin = parse_once(from);
    end = parse_once(to);
  }
  if (!begin || !end)
    return no_window(text, fmt::format("expected '{}' to be such as 'Fri 16:00' or '2026-12-20T00:00Z', and "
                                       "the other end alike",
                                       shown(begin ? to : from)));
  if (*begin == *end) return no_window(text, "it ends when it begins");
  if (!window.weekly && *end < *begin) return no_window(text, "it ends before it begins");
  window.begin = *begin;
  window.end = *end;
  return window;
}

std::optional<Freeze> freeze_at(std::span<const FreezeWindow> windows, Time now) {
  std::optional<Freeze> freeze;
  for (int i = 0; i < following_max; ++i) {
    const Time reached = freeze ? freeze->until : now;
    for (const auto& window : windows)
      if (const auto end = end_of(window, reached); end && (!freeze || *end > freeze->until))
        freeze = Freeze{freeze ? freeze->window : window.text, *end};
    if (!freeze || freeze->until == reached) break;
  }
  return freeze;
}

}  // namespace sluice::config
