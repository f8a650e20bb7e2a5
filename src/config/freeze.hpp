// Freeze windows: times in which nothing is to be changed, in UTC. Pure.
//
//   "Fri 16:00 - Mon 08:00"                     in each week, here over the weekend
//   "2026-12-20T00:00Z - 2027-01-03T00:00Z"     once; the seconds of RFC 3339 may be left out
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace sluice::config {

struct FreezeWindow {
  std::string text;  // as it was written
  bool weekly = false;
  // Weekly: since Monday 00:00, each less than a week; an end before the begin is in the next week. Once:
  // since 1970, and the end comes after the begin. The end is not part of it.
  Duration begin{}, end{};
  friend bool operator==(const FreezeWindow&, const FreezeWindow&) = default;
};

Result<FreezeWindow> parse_freeze_window(std::string_view text);

// What is frozen at a moment.
struct Freeze {
  std::string window;  // the text of one of them
  Time until{};        // none of the windows, which may follow one another
};
std::optional<Freeze> freeze_at(std::span<const FreezeWindow> windows, Time now);

}  // namespace sluice::config
