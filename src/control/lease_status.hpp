// Leases as the operator sees them.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include <boost/json/value.hpp>

#include "rollout/leases.hpp"

namespace sluice::control {

inline constexpr std::array<std::string_view, 4> lease_members{"p50", "p90", "p99", "certain"};

// An object with these members, times as text: by p50 half of the caches that obey the TTL have let go, when
// they asked evenly over the last TTL before it was handed out last; from `certain` on none of them holds it.
// null for none.
boost::json::value leases_status(const std::optional<rollout::LeaseEnd>& end);

}  // namespace sluice::control
