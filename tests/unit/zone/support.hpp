// What the tests of the zone room share: zones from text, names and rdata as text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "zone/zone.hpp"

namespace sluice::zone {

inline wire::Name name(std::string_view text) { return wire::Name::parse(text).value(); }

inline wire::LookupName lookup(std::string_view text) {
  wire::LookupName result;
  result.assign(name(text).wire());
  return result;
}

// Two lines; what a test adds begins on line 3.
inline const std::string apex_records = "@ 3600 IN SOA ns hostmaster 7 3600 600 86400 300\n@ 3600 IN NS ns\n";

inline LoadResult load_example(std::string_view text, std::vector<Steered> steered = {}) {
  return load_text(text, "example.zone", name("example"), steered);
}

// The zone "example" with the apex records and `text`; throws with the errors when it is refused.
inline std::shared_ptr<const Zone> make_zone(std::string_view text, std::vector<Steered> steered = {}) {
  auto result = load_example(apex_records + std::string(text), std::move(steered));
  if (!result.zone) throw std::runtime_error(to_text(result.errors));
  return result.zone;
}

inline std::string hex(wire::Bytes bytes) {
  std::string text;
  for (const auto octet : bytes) text += fmt::format("{:02x}", octet);
  return text;
}

// The rdata of an RRset in hexadecimal, with blanks between the records; "-" when there is none.
inline std::string rrset_hex(const Rrset& rrset) {
  std::string text;
  for (const auto rdata : rrset) text += (text.empty() ? "" : " ") + hex(rdata);
  return rrset ? text : "-";
}

}  // namespace sluice::zone
