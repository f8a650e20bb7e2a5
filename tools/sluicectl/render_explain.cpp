// `explain`: from the name that is asked for down to the endpoints, as text.
#include <utility>

#include <fmt/format.h>

#include "endpoint_text.hpp"
#include "render.hpp"
#include "reply.hpp"
#include "table.hpp"

namespace sluice::ctl {
namespace {

namespace json = boost::json;

std::string texts(const json::array& values, std::string_view separator) {
  std::vector<std::string> parts;
  for (const auto& value : values)
    if (value.is_string()) parts.push_back(printable(value.get_string()));
  return joined(parts, separator);
}

// "www.shop.example. A for 192.0.2.7"
std::string question_text(const json::value& reply) {
  auto result = fmt::format("{} {}", text(reply, "name"), text(reply, "type"));
  if (const auto client = text(reply, "client"); !client.empty()) result += " for " + client;
  return result;
}

std::string way_text(const json::value& reply) {
  std::string result;
  if (const auto& via = list(reply, "via"); !via.empty())
    result += fmt::format("  a CNAME leads to {}\n", texts(via, ", then to "));
  const auto zone = text(reply, "zone");
  const auto in_zone = zone.empty() ? "" : " in zone " + zone;
  if (text(reply, "kind") != "steered")
    return result + fmt::format("  not steered{}{}: {}\n", in_zone,
                                flag(reply, "wildcard") ? ", by a wildcard" : "", text(reply, "text"));
  return result + fmt::format("  steered{}{}, {}\n", in_zone,
                              flag(reply, "wildcard") ? " by the wildcard " + text(reply, "steer") : "",
                              text(reply, "method"));
}

std::string ttl_text(const json::value& of) {
  return fmt::format("TTL {}s: {}", plain_number(number(of, "ttl_s")), text(of, "ttl_rule"));
}

// Where the class of the client leads, or all classes when no client is given.
std::string class_text(const json::value& reply) {
  const auto& found = member(reply, "class");
  if (found.is_object()) {
    const bool open = flag(found, "open");
    auto result = fmt::format("  class {} by {}: pool {}, {}\n", text(found, "class"), text(found, "prefix"),
                              text(found, "pool"), open ? "whatever its share" : "which is not alive");
    if (open && !member(reply, "slot").is_object()) result += fmt::format("  {}\n", ttl_text(found));
    return result;
  }
  if (!text(reply, "client").empty()) return list(reply, "classes").empty() ? "" : "  of no class\n";
  std::string result;
  for (const auto& one : list(reply, "classes"))
    if (const auto pool = text(one, "pool"); !pool.empty())
      result += fmt::format("  class {} is led to pool {}\n", text(one, "class"), pool);
  return result;
}

// One client of a sticky name.
std::string slot_text(const json::value& slot) {
  const auto pool = text(slot, "pool"), answered_by = text(slot, "answered_by");
  auto result = fmt::format("  slot {} by {}: pool {}, {}", plain_number(number(slot, "number")),
                            text(slot, "of"), pool, text(slot, "pool_state"));
  if (pool != answered_by) result += fmt::format("; answered by pool {}", answered_by);
  if (flag(slot, "last_resort")) result += "; nothing is alive: answered as if it were";
  const auto answer = texts(list(slot, "answer"), ", ");
  return result + fmt::format("\n  answer: {}; {}\n", answer.empty() ? "empty" : answer, ttl_text(slot));
}

std::string pools_text(const json::value& reply, Style style) {
  Table table({{"POOL"},
               {"WEIGHT", Side::right},
               {"SET", Side::right},
               {"NOW", Side::right},
               {"TTL", Side::right},
               {"STATE"}});
  for (const auto& pool : list(reply, "pools")) {
    const auto set = percent(number(pool, "set_share")), now = percent(number(pool, "now_share"));
    const auto state = text(pool, "state");
    table.add({{text(pool, "pool")},
               {plain_number(number(pool, "weight"))},
               {set},
               {now, set == now ? Colour::none : Colour::warning},
               {member(pool, "ttl_s").is_null() ? "-" : plain_number(number(pool, "ttl_s")) + "s"},
               {state, state == "alive" ? Colour::none : Colour::bad}});
  }
  return table.text(2, style.colours, style.width);
}

std::string endpoints_text(const json::value& reply, Time now, Style style) {
  Table table(
      {{"POOL"}, {"ADDRESS"}, {"OF POOL", Side::right}, {"STATE"}, {"NOT GIVEN OUT, AS"}, {"LAST CHECK"}});
  for (const auto& pool : list(reply, "pools")) {
    auto title = text(pool, "pool");
    for (const auto& endpoint : list(pool, "endpoints")) {
      table.add({{std::exchange(title, "")},
                 {text(endpoint, "address")},
                 {percent(number(endpoint, "pool_share"))},
                 state_cell(endpoint),
                 {text(endpoint, "why_not")},
                 {last_check_text(endpoint, member(pool, "check").is_string(), now)}});
    }
  }
  return table.text(2, style.colours, 0);  // reasons are what was asked for: they are not cut off
}

}  // namespace

std::string render_explain(const json::value& reply, Style style) {
  auto result = paint(question_text(reply), Colour::strong, style.colours) + "\n" + way_text(reply);
  if (text(reply, "kind") != "steered") return result;
  if (const auto preview = preview_text(member(reply, "preview")); !preview.empty())
    result += "  " + preview + "\n";
  result += class_text(reply);
  if (const auto& scope = member(reply, "scope"); scope.is_number())
    result += fmt::format("  the same for all who share its first {} bits (the scope of the reply)\n",
                          plain_number(number(reply, "scope")));
  const auto& slot = member(reply, "slot");
  if (slot.is_object()) {
    result += slot_text(slot);
  } else if (!flag(member(reply, "class"), "open")) {
    if (text(reply, "method") == "sticky" && text(reply, "client").empty())
      result += "  with --client it tells the slot of that client\n";
    result += fmt::format("  {}\n", ttl_text(reply));
  }
  result += fmt::format("  shares by: {}\n\n", text(reply, "rule"));
  const auto now = time(reply, "now").value_or(Time{});
  return result + pools_text(reply, style) + "\n" + endpoints_text(reply, now, style);
}

}  // namespace sluice::ctl
