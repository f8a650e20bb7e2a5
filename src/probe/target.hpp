// What is probed: a destination by a check.
//
//   endpoint + check --target_of--> target     endpoints that come to the same target are probed once
#pragma once

#include <string>

#include "base/address.hpp"
#include "base/clock.hpp"
#include "config/config.hpp"
#include "wire/destination.hpp"

namespace sluice::probe {

struct Target {
  wire::Destination destination;  // what is asked: the endpoint, or another address in its stead
  config::Check check;  // with the port in force, and the Host field if it does not follow from above
  friend bool operator==(const Target&, const Target&) = default;
};

// The endpoint's own check_address and check_port win over the check's address and port. The request is made
// for the endpoint all the same: its name or address is the Host field, unless the check has one.
Target target_of(const config::Endpoint& endpoint, const config::Check& check);

// Takes over what results mean (health::Rules), which no probe depends on; all else stays.
void take_rules(Target& target, const Target& from);

// The probe of one of a host's addresses, which may take `limit`: what is asked for is the host all the same.
Target at_address(const Target& host, const Address& address, Duration limit);

// The Host field of the check's requests (RFC 9112 section 3.2).
std::string host_field(const Target& target);

// The name, or the address as text, that a server has to show a certificate for.
std::string certificate_name(const Target& target);

}  // namespace sluice::probe
