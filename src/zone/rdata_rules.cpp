#include "zone/rdata_rules.hpp"

#include <algorithm>
#include <bitset>
#include <cstdint>

namespace sluice::zone {
namespace {

using wire::Bytes;

unsigned read16(Bytes bytes, std::size_t at) { return unsigned{bytes[at]} << 8 | bytes[at + 1]; }

std::uint32_t read32(Bytes bytes, std::size_t at) {
  return std::uint32_t{read16(bytes, at)} << 16 | read16(bytes, at + 2);
}

// The keys of service parameters (RFC 9460, 14.3.2).
constexpr unsigned mandatory = 0, alpn = 1, no_default_alpn = 2, port = 3, ipv4hint = 4, ech = 5,
                   ipv6hint = 6;

// RFC 9460, 8: the keys ascend, so that none repeats, and "mandatory" is not among them.
bool is_key_list(Bytes value) {
  if (value.empty() || value.size() % 2 != 0 || read16(value, 0) == mandatory) return false;
  for (std::size_t i = 2; i < value.size(); i += 2)
    if (read16(value, i) <= read16(value, i - 2)) return false;
  return true;
}

// RFC 9460, 7.1.1: one or more texts, none of them empty.
bool is_alpn_list(Bytes value) {
  if (value.empty()) return false;
  for (std::size_t at = 0; at < value.size(); at += 1U + value[at])
    if (value[at] == 0 || value[at] >= value.size() - at) return false;
  return true;
}

bool is_list_of(Bytes value, std::size_t size) { return !value.empty() && value.size() % size == 0; }

// What is wrong with one parameter's value.
std::string_view broken_service_parameter(unsigned key, Bytes value) {
  if (key == mandatory && !is_key_list(value))
    return "mandatory= has to list other parameters, each once (RFC 9460, 8)";
  if (key == alpn && !is_alpn_list(value))
    return "alpn= needs protocols, none of them empty (RFC 9460, 7.1.1)";
  if (key == no_default_alpn && !value.empty()) return "no-default-alpn has no value (RFC 9460, 7.1.1)";
  if (key == port && value.size() != 2) return "port= needs a number from 0 to 65535 (RFC 9460, 7.2)";
  if (key == ipv4hint && !is_list_of(value, 4)) return "ipv4hint= needs IPv4 addresses (RFC 9460, 7.3)";
  if (key == ipv6hint && !is_list_of(value, 16)) return "ipv6hint= needs IPv6 addresses (RFC 9460, 7.3)";
  if (key == ech && value.empty()) return "ech= needs a value (RFC 9460, 14.3.2)";
  return {};
}

// RFC 9460, 2.2: keys ascend in the rdata; and 2.4.3: what is mandatory is there, and nothing needs what is
// not.
std::string_view broken_service_rule(Bytes rdata) {
  std::size_t at = 2;
  while (rdata[at] != 0) at += 1U + rdata[at];
  std::bitset<0x10000> keys;
  Bytes needed;
  unsigned last = 0;
  for (++at; at < rdata.size();) {
    if (rdata.size() - at < 4 || rdata.size() - at - 4 < read16(rdata, at + 2))
      return "a service parameter is cut short (RFC 9460, 2.2)";
    const unsigned key = read16(rdata, at);
    const auto value = rdata.subspan(at + 4, read16(rdata, at + 2));
    if (keys[key]) return "a service parameter is repeated (RFC 9460, 2.1)";
    if (key < last) return "the service parameters are not in the order of their keys (RFC 9460, 2.2)";
    if (const auto broken = broken_service_parameter(key, value); !broken.empty()) return broken;
    if (key == mandatory) needed = value;
    keys.set(key);
    last = key;
    at += 4 + value.size();
  }
  for (std::size_t i = 0; i < needed.size(); i += 2)
    if (!keys[read16(needed, i)]) return "a mandatory service parameter is missing (RFC 9460, 8)";
  if (keys[no_default_alpn] && !keys[alpn]) return "no-default-alpn needs alpn= beside it (RFC 9460, 7.1.1)";
  return {};
}

// RFC 3123, 4: family, prefix, and the length of what follows, whose first bit negates.
std::string_view broken_prefix_list(Bytes rdata) {
  for (std::size_t at = 0; at + 4 <= rdata.size(); at += 4U + (rdata[at + 3] & 0x7FU)) {
    const unsigned family = read16(rdata, at), prefix = rdata[at + 2];
    if ((family == 1 && prefix > 32) || (family == 2 && prefix > 128))
      return "an address prefix is longer than the address (RFC 3123, 4.1)";
  }
  return {};
}

// RFC 1876, 2: thousandths of a second of arc, counted from the equator and the prime meridian at 2^31.
std::string_view broken_location(Bytes rdata) {
  constexpr std::int64_t degree = 3'600'000, middle = std::int64_t{1} << 31;
  const auto beyond = [&](std::size_t at, std::int64_t degrees) {
    const auto distance = std::int64_t{read32(rdata, at)} - middle;
    return std::max(distance, -distance) > degrees * degree;
  };
  if (rdata.size() != 16 || rdata[0] != 0) return {};  // of another version
  if (beyond(4, 90)) return "a latitude beyond 90 degrees (RFC 1876, 3)";
  if (beyond(8, 180)) return "a longitude beyond 180 degrees (RFC 1876, 3)";
  return {};
}

}  // namespace

std::string_view broken_rule(wire::RrType type, Bytes rdata) {
  constexpr wire::RrType loc{29}, apl{42}, svcb{64};
  if (type == svcb || type == wire::RrType::https) return broken_service_rule(rdata);
  if (type == apl) return broken_prefix_list(rdata);
  if (type == loc) return broken_location(rdata);
  return {};
}

}  // namespace sluice::zone
