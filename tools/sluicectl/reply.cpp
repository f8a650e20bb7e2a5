#include "reply.hpp"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "base/text.hpp"
#include "table.hpp"

namespace sluice::ctl {

namespace json = boost::json;
using namespace std::chrono_literals;

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
  const auto at = parse_time(text(value, key));
  return at ? std::optional(*at) : std::nullopt;
}

std::string age(const json::value& value, std::string_view key, Time now) {
  const auto at = time(value, key);
  return at ? age_text(now - *at) : "";
}

std::string leases_text(const json::value& leases, Time now) {
  const auto certain = time(leases, "certain");
  if (!certain) return "";
  if (*certain <= now) return "no cache holds it";
  const auto left = [&](std::string_view key) {
    const auto at = time(leases, key).value_or(now);
    return at <= now ? "by now"
                     : "in " + to_text(Duration(std::chrono::ceil<std::chrono::seconds>(at - now)));
  };
  return fmt::format("half {}, 90 % {}, 99 % {}, all {}", left("p50"), left("p90"), left("p99"),
                     left("certain"));
}

std::string percent(double share) { return fmt::format("{:.1f}%", share * 100); }
std::string plain_number(double value) { return fmt::format("{:.10g}", value); }

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::string clock_text(Time at) { return to_text(at).substr(11, 8); }

std::string date_text(const json::value& value, std::string_view key) {
  const auto at = time(value, key);
  if (!at) return text(value, key);
  const auto full = to_text(*at);
  return full.substr(0, 10) + " " + full.substr(11, 8);
}

std::string age_text(Duration age) {
  if (age < 1s) return "0s";
  if (age < 1min) return fmt::format("{}s", age / 1s);
  if (age < 1h) return fmt::format("{}m", age / 1min);
  if (age < 48h) return fmt::format("{}h", age / 1h);
  return fmt::format("{}d", age / 24h);
}

std::string preview_text(const json::value& preview) {
  if (!preview.is_object()) return "";
  const auto pool = text(preview, "pool");
  return fmt::format("preview of {}: {}{}", text(preview, "of"),
                     pool.empty() ? "" : fmt::format("answered from {}, ", pool), text(preview, "why"));
}

}  // namespace sluice::ctl
