// What an answer sends a client to: an address, or a host by its name (the answer is then a CNAME).
//
//   "192.0.2.10", "2001:db8::10"        an address: A or AAAA
//   "edge.cdn.example."                 a host: CNAME
//
// This is what tells the endpoints of a pool apart, in the config and the store, for checks, and in an
// operator's words.
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/address.hpp"
#include "base/result.hpp"
#include "wire/name.hpp"

namespace sluice::wire {

class Destination {
 public:
  Destination() = default;  // 0.0.0.0
  // Implicit: an address is a destination, and so is a host's name.
  Destination(const Address& address) : value_(address) {}
  Destination(Name host) : value_(std::move(host)) {}

  // Null when it is the other one.
  const Address* address() const { return std::get_if<Address>(&value_); }
  const Name* host() const { return std::get_if<Name>(&value_); }

  bool is_host() const { return host() != nullptr; }

  friend auto operator<=>(const Destination&, const Destination&) = default;
  friend bool operator==(const Destination&, const Destination&) = default;

 private:
  std::variant<Address, Name> value_;
};

// A host's name as people write it: labels of letters, digits, '-' and '_', with at least one dot, which may
// be the final one ("localhost."). The last label is not a number, so that no mistyped IPv4 address passes
// for a name (RFC 1123, 2.1).
Result<Name> parse_host(std::string_view text);

// An address if it is one, else a host.
Result<Destination> parse_destination(std::string_view text);

// "192.0.2.10", "edge.cdn.example."
std::string to_text(const Destination& destination);

}  // namespace sluice::wire
