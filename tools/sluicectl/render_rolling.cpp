// Rolling upgrades as text: a tree of endpoints, and what is waited for.
#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <boost/json/array.hpp>

#include "render.hpp"
#include "render_progress.hpp"
#include "reply.hpp"
#include "table.hpp"

namespace sluice::ctl {
namespace {

namespace json = boost::json;

// Of the longest place, so that what follows stands below each other.
constexpr std::size_t place_width = std::string_view("returned").size();

// "what it waits for", of a running one.
std::string rolling_waits_for(const json::value& rolling, Time now) {
  const auto phase = text(rolling, "phase"), pool = text(rolling, "pool");
  if (member(rolling, "ending").is_string()) return "ends with this batch";
  if (member(rolling, "paused").is_string()) return "paused " + age(rolling, "paused", now) + " ago";
  if (phase == "holding") return text(rolling, "shortage");
  if (phase == "emptying" || phase == "arming") {
    const auto until = time(rolling, "caches_until").value_or(now);
    if (until <= now) return "";
    const auto left = to_text(Duration(std::chrono::ceil<std::chrono::seconds>(until - now)));
    return phase == "emptying" ? "no cache holds them in " + left
                               : "the TTL is lowered; caches hold answers with the old one: in " + left;
  }
  if (phase == "working" && text(rolling, "hook").empty())
    return fmt::format("work on it, then say `sluicectl rolling resume {}`", pool);
  if (phase == "failed") return fmt::format("waits for `sluicectl rolling resume {}` or `abort`", pool);
  return "";
}

Colour colour_of(const std::string& place) {
  if (place == "returned") return Colour::good;
  if (place == "failed") return Colour::bad;
  if (place == "left" || place == "resting") return Colour::warning;
  return place == "waiting" ? Colour::none : Colour::strong;
}

std::string endpoint_line(const json::value& endpoint, bool last, Time now, Style style) {
  const auto place = text(endpoint, "place");
  auto line = fmt::format("  {} {:<15}  {}", last ? "`-" : "|-", text(endpoint, "address"), place);
  if (place != "waiting")
    line += fmt::format("{}  {}", std::string(place_width - std::min(place_width, place.size()), ' '),
                        age(endpoint, "since", now));
  if (const auto attempt = number(endpoint, "attempt"); attempt > 1)
    line += fmt::format("  attempt {}", plain_number(attempt));
  if (const auto detail = text(endpoint, "detail"); !detail.empty()) line += "  " + detail;
  if (const auto output = text(endpoint, "output"); !output.empty()) line += ": " + output;
  return paint(line, colour_of(place), style.colours) + "\n";
}

std::string rolling_text(const json::value& rolling, Time now, Style style) {
  auto title = fmt::format("{}  {}  batch {} of {}  rolling {} by {}, begun {} ago", text(rolling, "pool"),
                           text(rolling, "phase"), plain_number(number(rolling, "batch")),
                           plain_number(number(rolling, "batches")), plain_number(number(rolling, "id")),
                           text(rolling, "by"), age(rolling, "started", now));
  if (const auto why = text(rolling, "why"); !why.empty()) title += ": " + why;
  const bool running = flag(rolling, "running");
  if (!running) title += fmt::format(", ended {} ago", age(rolling, "since", now));
  auto result = paint(title, Colour::strong, style.colours) + "\n";
  const auto& endpoints = list(rolling, "endpoints");
  for (const auto& endpoint : endpoints)
    result += endpoint_line(endpoint, &endpoint == &endpoints.back(), now, style);
  return result + waiting_lines(running ? rolling_waits_for(rolling, now) : "", rolling, now, style);
}

}  // namespace

std::string render_rollings(const json::value& reply, Style style) {
  return render_each(reply, "rollings", style, rolling_text);
}

}  // namespace sluice::ctl
