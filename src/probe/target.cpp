#include "probe/target.hpp"

#include <fmt/format.h>

namespace sluice::probe {
namespace {

bool is_http(config::CheckType type) {
  return type == config::CheckType::http || type == config::CheckType::https;
}

std::uint16_t default_port(config::CheckType type) { return type == config::CheckType::https ? 443 : 80; }

}  // namespace

Target target_of(const config::Endpoint& endpoint, const config::Check& check) {
  const auto& address = endpoint.check_address ? endpoint.check_address : check.address;
  Target target{address.value_or(endpoint.destination), check};
  if (endpoint.check_port != 0) target.check.port = endpoint.check_port;
  if (!is_http(check.type) || target.destination == endpoint.destination) return target;
  target.check.host = host_field({endpoint.destination, target.check});
  return target;
}

void take_rules(Target& target, const Target& from) {
  auto& to = target.check;
  const auto& check = from.check;
  to.rise = check.rise;
  to.fall = check.fall;
  to.clear = check.clear;
  to.hold_down = check.hold_down;
  to.hold_down_max = check.hold_down_max;
  to.slow_start = check.slow_start;
  to.slow = check.slow;
  to.degraded_share = check.degraded_share;
}

Target at_address(const Target& host, const Address& address, Duration limit) {
  Target target{address, host.check};
  target.check.host = host_field(host);
  target.check.timeout = limit;
  return target;
}

std::string host_field(const Target& target) {
  const auto& [destination, check] = target;
  if (!check.host.empty()) return check.host;
  auto host = to_text(destination);
  if (destination.is_host())
    host.pop_back();  // RFC 3986, 3.2.2 allows the final dot; servers do not expect it
  const auto* address = destination.address();
  if (address && address->family == Family::v6) host = fmt::format("[{}]", host);
  return check.port == default_port(check.type) ? host : fmt::format("{}:{}", host, check.port);
}

std::string certificate_name(const Target& target) {
  auto name = target.check.sni.empty() ? host_field(target) : target.check.sni;
  if (name.starts_with('[')) return name.substr(1, name.find(']') - 1);
  name = name.substr(0, name.find(':'));
  if (name.ends_with('.')) name.pop_back();  // RFC 6066, 3: without it
  return name;
}

}  // namespace sluice::probe
