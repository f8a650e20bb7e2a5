#include "render.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include <fmt/format.h>

#include <boost/json.hpp>

#include "table.hpp"

namespace sluice::ctl {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

// ---- looking into a reply ----

const json::value& member(const json::value& value, std::string_view key) {
  static const json::value null;
  const auto* object = value.if_object();
  const auto* found = object ? object->if_contains(key) : nullptr;
  return found ? *found : null;
}

std::string text(const json::value& value, std::string_view key) {
  const auto* found = member(value, key).if_string();
  return found ? printable(*found) : "";
}

double number(const json::value& value, std::string_view key) {
  const auto& found = member(value, key);
  return found.is_number() ? found.to_number<double>() : 0;
}

bool flag(const json::value& value, std::string_view key) {
  const auto* found = member(value, key).if_bool();
  return found && *found;
}

const json::array& list(const json::value& value, std::string_view key) {
  static const json::array none;
  const auto* found = member(value, key).if_array();
  return found ? *found : none;
}

std::optional<Time> time(const json::value& value, std::string_view key) {
  return parse_time(text(value, key));
}

std::string age(const json::value& value, std::string_view key, Time now) {
  const auto at = time(value, key);
  return at ? age_text(now - *at) : "";
}

// ---- small texts ----

std::string percent(double share) { return fmt::format("{:.1f}%", share * 100); }
std::string plain_number(double value) { return fmt::format("{:.10g}", value); }

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::string clock_text(Time at) { return to_text(at).substr(11, 8); }  // "12:00:00"

// "2026-01-31 12:00:00"
std::string date_text(const json::value& value, std::string_view key) {
  const auto at = time(value, key);
  if (!at) return text(value, key);
  const auto full = to_text(*at);
  return full.substr(0, 10) + " " + full.substr(11, 8);
}

// ---- status: the head ----

std::string zones_text(const json::array& zones) {
  constexpr std::size_t named_max = 3;  // more would not fit a line
  if (zones.size() > named_max) return fmt::format("{} zones", zones.size());
  std::vector<std::string> names;
  for (const auto& zone : zones)
    names.push_back(fmt::format("{} (serial {})", text(zone, "apex"), plain_number(number(zone, "serial"))));
  return joined(names, ", ");
}

std::string head(const json::value& status, Time now, Style style) {
  std::vector<std::string> listeners;
  for (const auto& listener : list(status, "listen"))
    if (listener.is_string()) listeners.push_back(printable(listener.get_string()));
  auto result = fmt::format("sluiced {}  up {}  on {}\n", text(status, "version"),
                            age(status, "started", now), joined(listeners, " "));
  result += fmt::format("{}  {}\n", text(status, "config"), zones_text(list(status, "zones")));
  for (const auto& warning : list(status, "warnings")) {
    if (!warning.is_string()) continue;
    result += paint("warning: " + printable(warning.get_string()), Colour::warning, style.colours) + "\n";
  }
  return result;
}

// ---- status: a steered name ----

std::string steer_title(const json::value& steer, Time now, Style style) {
  std::vector<std::string> parts{paint(text(steer, "name"), Colour::strong, style.colours),
                                 text(steer, "method"),
                                 fmt::format("TTL {}s", plain_number(number(steer, "ttl_s")))};
  if (number(steer, "answers") > 1)
    parts.push_back(fmt::format("{} answers", plain_number(number(steer, "answers"))));
  if (flag(steer, "overridden")) {
    const auto word = fmt::format("weights set by {} {} ago", text(steer, "by"), age(steer, "since", now));
    parts.push_back(paint(word, Colour::warning, style.colours));
  }
  auto result = joined(parts, "  ") + "\n";
  if (const auto rule = text(steer, "rule"); !rule.empty() && rule != "weights")
    result += "  " + paint(rule, Colour::bad, style.colours) + "\n";
  return result;
}

std::vector<Cell> pool_row(const json::value& pool) {
  const double weight = number(pool, "weight"), configured = number(pool, "config_weight");
  const double set = number(pool, "set_share"), now = number(pool, "now_share");
  const double up = number(pool, "up"), total = number(pool, "total");
  const auto& answered = member(pool, "answered_share");
  return {{text(pool, "pool")},
          {plain_number(weight)},
          {weight == configured ? "" : fmt::format("(config {})", plain_number(configured))},
          {percent(set)},
          {percent(now), percent(set) == percent(now) ? Colour::none : Colour::warning},
          {answered.is_number() ? percent(answered.to_number<double>()) : "-"},
          {fmt::format("({})", plain_number(number(pool, "answers")))},
          {fmt::format("{}/{}", plain_number(up), plain_number(total)), up == total ? Colour::good
                                                                        : up == 0   ? Colour::bad
                                                                                    : Colour::warning}};
}

std::string steer_text(const json::value& steer, Time now, Style style) {
  Table table({{"POOL"},
               {"WEIGHT", Side::right},
               {""},
               {"SET", Side::right},
               {"NOW", Side::right},
               {"ANSWERED", Side::right},
               {""},
               {"UP"}});
  for (const auto& pool : list(steer, "pools")) table.add(pool_row(pool));
  return steer_title(steer, now, style) + table.text(2, style.colours, style.width);
}

// ---- status: the endpoints ----

Cell state_cell(const json::value& endpoint) {
  const auto health = text(endpoint, "health");
  const bool serving = flag(endpoint, "serving");
  const auto& word = member(endpoint, "word");
  const auto kind = text(word, "word");
  if (kind == "drain") return {fmt::format("drained ({})", health), Colour::warning};
  if (kind == "up") return {fmt::format("held up ({})", health), Colour::warning};
  if (kind == "down") return {fmt::format("held down ({})", health), Colour::warning};
  if (health == "up") return {serving ? "up" : "up, unused", serving ? Colour::good : Colour::none};
  return {health + (serving ? ", in answers" : ""), health == "down" ? Colour::bad : Colour::warning};
}

// How far the other verdict is: "1 of 3 failures".
std::string progress_text(const json::value& endpoint) {
  const auto health = text(endpoint, "health");
  const double failures = number(endpoint, "failures"), successes = number(endpoint, "successes");
  if (health != "down" && failures > 0)
    return fmt::format("{} of {} failures", plain_number(failures), plain_number(number(endpoint, "fall")));
  if (health != "up" && successes > 0)
    return fmt::format("{} of {} successes", plain_number(successes), plain_number(number(endpoint, "rise")));
  return "";
}

std::string last_check_text(const json::value& endpoint, bool checked, Time now) {
  if (!checked) return "not checked";
  const auto& last = member(endpoint, "last");
  if (!last.is_object()) return "no check has ended yet";
  auto result = fmt::format("{}, {}ms, {} ago", text(last, "detail"), plain_number(number(last, "took_ms")),
                            age(last, "at", now));
  if (const auto progress = progress_text(endpoint); !progress.empty()) result += ", " + progress;
  return result;
}

// "by root, 5m left: kernel upgrade"
std::string word_text(const json::value& word, Time now) {
  auto result = "by " + text(word, "by");
  if (const auto until = time(word, "until"))
    result += fmt::format(", {} left", age_text(std::max(*until - now, Duration{0})));
  if (const auto reason = text(word, "reason"); !reason.empty()) result += ": " + reason;
  return result;
}

void add_endpoint(Table& table, const Cell& pool, const json::value& endpoint, bool checked, Time now) {
  const auto& word = member(endpoint, "word");
  const double weight = number(endpoint, "weight");
  const auto address =
      text(endpoint, "address") + (weight == 1 ? "" : fmt::format(" weight {}", plain_number(weight)));
  const auto since = word.is_object() ? age(word, "since", now) : age(endpoint, "since", now);
  table.add({pool, {address}, state_cell(endpoint), {since}, {last_check_text(endpoint, checked, now)}});
  if (word.is_object()) table.add({{""}, {""}, {""}, {""}, {word_text(word, now)}});
}

std::string pools_text(const json::value& status, Time now, Style style) {
  Table table({{"POOL"}, {"ADDRESS"}, {"STATE"}, {"SINCE", Side::right}, {"LAST CHECK"}});
  for (const auto& pool : list(status, "pools")) {
    const bool alive = flag(pool, "alive"), checked = member(pool, "check").is_string();
    Cell title{text(pool, "pool"), alive ? Colour::none : Colour::bad};
    for (const auto& endpoint : list(pool, "endpoints")) {
      add_endpoint(table, title, endpoint, checked, now);
      title.text.clear();  // the pool's name stands beside its first endpoint only
    }
  }
  return list(status, "pools").empty() ? "" : "\n" + table.text(0, style.colours, style.width);
}

// ---- changes ----

std::string shares_text(const json::array& pools, Style style) {
  Table table({{"POOL"}, {"BEFORE", Side::right}, {""}, {"NOW", Side::right}, {""}});
  for (const auto& pool : pools) {
    if (!pool.is_object()) return "";
    const auto before = percent(number(pool, "share_before")), after = percent(number(pool, "share_after"));
    table.add({{text(pool, "pool")},
               {plain_number(number(pool, "before"))},
               {fmt::format("({})", before)},
               {plain_number(number(pool, "after")), before == after ? Colour::none : Colour::strong},
               {fmt::format("({})", after)}});
  }
  return pools.empty() ? "" : table.text(2, style.colours, style.width);
}

// ---- times ----

std::optional<int> digits(std::string_view text, std::size_t from, std::size_t count) {
  int value = 0;
  if (from + count > text.size()) return std::nullopt;
  const char* const first = text.data() + from;
  const auto [rest, error] = std::from_chars(first, first + count, value);
  if (error != std::errc{} || rest != first + count || value < 0) return std::nullopt;
  return value;
}

// ".250Z", "Z"
std::optional<Duration> fraction(std::string_view text) {
  if (text == "Z") return 0ms;
  const auto milliseconds = digits(text, 1, 3);
  if (text.size() != 5 || text.front() != '.' || text.back() != 'Z' || !milliseconds) return std::nullopt;
  return Duration(*milliseconds);
}

}  // namespace

std::optional<Time> parse_time(std::string_view text) {
  constexpr std::string_view shape = "0000-00-00T00:00:00";
  if (text.size() <= shape.size()) return std::nullopt;
  for (const std::size_t i : {4U, 7U, 10U, 13U, 16U})
    if (text[i] != shape[i]) return std::nullopt;
  const auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const auto hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  const auto rest = fraction(text.substr(shape.size()));
  if (!year || !month || !day || !hour || !minute || !second || !rest) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  return Time(std::chrono::sys_days(date)) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second) + *rest;
}

std::string age_text(Duration age) {
  if (age < 1s) return "0s";
  if (age < 1min) return fmt::format("{}s", age / 1s);
  if (age < 1h) return fmt::format("{}m", age / 1min);
  if (age < 48h) return fmt::format("{}h", age / 1h);
  return fmt::format("{}d", age / 24h);
}

std::string render_status(const json::value& reply, Style style) {
  const auto now = time(reply, "now").value_or(Time{});
  auto result = head(reply, now, style);
  for (const auto& steer : list(reply, "steers")) result += "\n" + steer_text(steer, now, style);
  return result + pools_text(reply, now, style);
}

std::string render_events(const json::value& reply, Style style) {
  Table table({{""}, {""}, {""}, {""}, {""}});
  for (const auto& event : list(reply, "events"))
    table.add({{date_text(event, "at")},
               {fmt::format("{:<8}", text(event, "who"))},    // wide enough that lines which come one
               {fmt::format("{:<14}", text(event, "kind"))},  // by one stand below each other, too
               {text(event, "subject"), Colour::strong},
               {text(event, "text")}});
  return table.text(0, style.colours, 0);  // a record: nothing of it is cut off
}

std::string render_change(const json::value& reply, Time now, Style style) {
  auto result = (flag(reply, "dry_run") ? "dry run, nothing is changed: " : "") + text(reply, "text") + "\n";
  result += shares_text(list(reply, "pools"), style);
  if (const auto until = cached_until(reply); until && *until > now)
    result += fmt::format("caches may hold it until {} UTC, for {}\n", clock_text(*until),
                          to_text(std::chrono::ceil<std::chrono::seconds>(*until - now)));
  return result;
}

std::string render_version(const json::value& reply) {
  return fmt::format("sluiced   {}, pid {}, {}\n", text(reply, "version"), plain_number(number(reply, "pid")),
                     text(reply, "config"));
}

std::optional<Time> cached_until(const json::value& reply) { return time(reply, "cached_until"); }

bool is_drained(const json::value& status, std::string_view address) {
  for (const auto& pool : list(status, "pools"))
    for (const auto& endpoint : list(pool, "endpoints"))
      if (text(endpoint, "address") == address && text(member(endpoint, "word"), "word") == "drain")
        return true;
  return false;
}

std::string error_message(unsigned status, std::string_view body) {
  json::error_code error;
  const auto reply = json::parse(json::string_view(body.data(), body.size()), error);
  const auto* message = error ? nullptr : member(member(reply, "error"), "message").if_string();
  if (!message) return fmt::format("HTTP status {} without a reason: that is not sluiced", status);
  std::string result;  // a reload's reasons are lines
  for (std::size_t from = 0; from <= message->size();) {
    const auto end = std::min(message->find('\n', from), message->size());
    result += (result.empty() ? "" : "\n") + printable(std::string_view(*message).substr(from, end - from));
    from = end + 1;
  }
  return result;
}

}  // namespace sluice::ctl
