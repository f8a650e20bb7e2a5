// The rules of the RFCs about what rdata says, beyond its form, that ldns does not check: it reads APL
// prefixes of 33 bits, places north of the pole, and service parameters that contradict each other.
#pragma once

#include <string_view>

#include "wire/name.hpp"
#include "wire/types.hpp"

namespace sluice::zone {

// What is wrong with the rdata, RFC and section included; empty: nothing. `rdata` has its type's form.
std::string_view broken_rule(wire::RrType type, wire::Bytes rdata);

}  // namespace sluice::zone
