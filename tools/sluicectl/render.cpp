#include "render.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include <boost/json.hpp>

#include "endpoint_text.hpp"
#include "reply.hpp"
#include "table.hpp"

namespace sluice::ctl {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

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
  if (number(steer, "version") > 0)
    parts.push_back(fmt::format("version {}", plain_number(number(steer, "version"))));
  if (number(steer, "answers") > 1)
    parts.push_back(fmt::format("{} answers", plain_number(number(steer, "answers"))));
  if (flag(steer, "overridden")) {
    const auto word = fmt::format("weights set by {} {} ago", text(steer, "by"), age(steer, "since", now));
    parts.push_back(paint(word, Colour::warning, style.colours));
  }
  auto result = joined(parts, "  ") + "\n";
  if (const auto preview = preview_text(member(steer, "preview")); !preview.empty())
    result += "  " + preview + "\n";
  if (const auto rule = text(steer, "rule"); !rule.empty() && rule != "weights")
    result += "  " + paint(rule, Colour::bad, style.colours) + "\n";
  return result;
}

// "class testers to v2 (by root 5m ago, config v1), 12 answers"
std::string class_line(const json::value& one, Time now, Style style) {
  const auto pool = text(one, "pool"), configured = text(one, "config_pool"), by = text(one, "by");
  std::vector<std::string> notes;
  if (!by.empty()) notes.push_back(fmt::format("by {} {} ago", by, age(one, "since", now)));
  if (pool != configured) notes.push_back("config " + (configured.empty() ? "the weights" : configured));
  auto line = fmt::format("  class {} to {}{}", text(one, "class"), pool.empty() ? "the weights" : pool,
                          notes.empty() ? "" : fmt::format(" ({})", joined(notes, ", ")));
  if (!pool.empty()) line += fmt::format(", {} answers", plain_number(number(one, "answers")));
  const bool closed = !pool.empty() && !flag(one, "open");
  if (closed) line += ": not alive, answered by the weights";
  return paint(line,
               closed       ? Colour::bad
               : by.empty() ? Colour::none
                            : Colour::warning,
               style.colours) +
         "\n";
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
  auto result = steer_title(steer, now, style) + table.text(2, style.colours, style.width);
  for (const auto& one : list(steer, "classes")) result += class_line(one, now, style);
  return result;
}

// ---- status: the endpoints ----

void add_endpoint(Table& table, const Cell& pool, const json::value& endpoint, bool checked, Time now) {
  const auto& word = member(endpoint, "word");
  const double weight = number(endpoint, "weight");
  const auto address =
      text(endpoint, "address") + (weight == 1 ? "" : fmt::format(" weight {}", plain_number(weight)));
  const auto since = word.is_object() ? age(word, "since", now) : age(endpoint, "since", now);
  table.add({pool, {address}, state_cell(endpoint), {since}, {last_check_text(endpoint, checked, now)}});
  auto add_line = [&](std::string line) { table.add({{""}, {""}, {""}, {""}, {std::move(line)}}); };
  if (word.is_object()) {
    add_line(word_text(word, now));
    for (const auto& next : list(word, "then")) add_line(next_word_text(next, now));
  }
  if (const auto leases = leases_text(member(endpoint, "leases"), now); !leases.empty())
    add_line("caches: " + leases);
  for (const auto& scheduled : list(endpoint, "scheduled")) add_line(scheduled_text(scheduled));
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

// "v2: 2 of 3 endpoints healthy, 2 of 4 by weight", of a pool in a plan.
std::string ready_text(const json::value& pool, std::string_view name) {
  return fmt::format("{}: {} of {} endpoints healthy, {} of {} by weight\n", name,
                     plain_number(number(pool, "healthy")), plain_number(number(pool, "endpoints")),
                     plain_number(number(pool, "healthy_weight")), plain_number(number(pool, "weight")));
}

// A step of a plan, and what each pool has for its share then; or what a batch leaves of its pool.
std::string planned_text(const json::value& step) {
  auto result = fmt::format("  {}  {}\n", date_text(step, "at"), text(step, "what"));
  for (const auto& pool : list(step, "pools")) {
    const auto& share = member(pool, "share");
    if (!share.is_number())
      result += "    left of " + ready_text(pool, text(pool, "pool"));
    else if (share.to_number<double>() > 0)
      result += "    " + ready_text(pool, fmt::format("{} of {}", percent(share.to_number<double>()),
                                                      text(pool, "pool")));
  }
  return result;
}

// Of a switch: what stands ready on each side, and what gives reason to think again.
std::string sides_text(const json::value& reply, Style style) {
  std::string result;
  for (const auto& side : list(reply, "sides"))
    result += "  " + ready_text(side, text(side, "side") + " " + text(side, "pool"));
  for (const auto& warning : list(reply, "warnings"))
    if (warning.is_string())
      result +=
          "  " + paint("warning: " + printable(warning.get_string()), Colour::warning, style.colours) + "\n";
  return result;
}

}  // namespace

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
  for (const auto& endpoint : list(reply, "endpoints")) result += "  " + text(endpoint, "text") + "\n";
  for (const auto& step : list(reply, "plan")) result += planned_text(step);
  result += sides_text(reply, style);
  if (const auto until = cached_until(reply); until && *until > now)
    result += fmt::format("caches may hold it until {} UTC, for {}\n", clock_text(*until),
                          to_text(std::chrono::ceil<std::chrono::seconds>(*until - now)));
  if (const auto leases = leases_text(member(reply, "leases"), now); !leases.empty())
    result += fmt::format("caches that obey the TTL let go: {}\n", leases);
  return result;
}

std::string render_check_run(const json::value& reply, Style style) {
  if (flag(reply, "dry_run")) return "dry run, nothing is probed: " + text(reply, "text") + "\n";
  Table table({{"CHECK"}, {"TYPE"}, {"ASKED"}, {"RESULT"}, {"TOOK", Side::right}, {"TEXT"}});
  for (const auto& probe : list(reply, "probes")) {
    const auto& success = member(probe, "success");
    const auto error = text(probe, "error");
    const bool ended = success.is_bool();
    const auto port = plain_number(number(probe, "port"));
    auto detail = ended ? text(probe, "detail") : error;
    if (const auto word = text(probe, "word"); !word.empty()) detail += fmt::format(" (it says {})", word);
    if (const auto& share = member(probe, "share"); share.is_number() && share.to_number<double>() < 1)
      detail += fmt::format(" (it wants {} of its weight)", percent(share.to_number<double>()));
    table.add({{text(probe, "check")},
               {text(probe, "type")},
               {text(probe, "asked") + (member(probe, "port").is_null() ? "" : " port " + port)},
               !ended && error.empty() ? Cell{"no result in time", Colour::warning}
               : !ended                ? Cell{"could not be run", Colour::warning}
               : success.get_bool()    ? Cell{"success", Colour::good}
                                       : Cell{"failure", Colour::bad},
               {ended ? plain_number(number(probe, "took_ms")) + "ms" : ""},
               {detail}});
  }
  return table.text(0, style.colours, 0);  // the reason of a failure is what was asked for: it is not cut off
}

std::string render_version(const json::value& reply) {
  return fmt::format("sluiced   {}, pid {}, {}\n", text(reply, "version"), plain_number(number(reply, "pid")),
                     text(reply, "config"));
}

std::optional<Time> cached_until(const json::value& reply) { return time(reply, "cached_until"); }

std::vector<std::string> addresses_of(const json::value& reply) {
  std::vector<std::string> addresses;
  if (const auto address = text(reply, "address"); !address.empty()) addresses.push_back(address);
  for (const auto& endpoint : list(reply, "endpoints")) addresses.push_back(text(endpoint, "address"));
  return addresses;
}

namespace {

// When it is not known when to look.
constexpr Duration look_again = 1s;

bool takes_out(const json::value& word) {
  const auto kind = text(word, "word");
  return kind == "drain" || kind == "down";
}

}  // namespace

std::string why_not_out(const json::value& status, std::string_view address) {
  for (const auto& pool : list(status, "pools"))
    for (const auto& endpoint : list(pool, "endpoints")) {
      if (text(endpoint, "address") != address) continue;
      const auto& word = member(endpoint, "word");
      if (takes_out(word)) return "";
      const auto& then = list(word, "then");
      if (std::any_of(then.begin(), then.end(), takes_out))
        return fmt::format("{} is not out: it is held up by {}, and drained again after that", address,
                           text(word, "by"));
      break;
    }
  return fmt::format("{} is not drained any more: the drain ended or was taken back", address);
}

std::optional<Time> held_until(const json::value& status, const std::vector<std::string>& addresses,
                               Time now) {
  std::optional<Time> latest;
  for (const auto& pool : list(status, "pools"))
    for (const auto& endpoint : list(pool, "endpoints")) {
      if (std::find(addresses.begin(), addresses.end(), text(endpoint, "address")) == addresses.end())
        continue;
      const auto end = time(member(endpoint, "leases"), "certain").value_or(now + look_again);
      if (end > now) latest = std::max(latest.value_or(end), end);
    }
  return latest;
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
