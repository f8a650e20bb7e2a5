// Leases of endpoints, and leases as the operator sees them.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "rollout/leases.hpp"
#include "wire/destination.hpp"

namespace sluice::control {

// From when on no obedient cache holds an endpoint that is not in answers; nothing while it is.
using LeasedOut = std::function<std::optional<rollout::LeaseEnd>(const wire::Destination& endpoint)>;

// The same of several; nothing while one of them is in answers, or without `of_one`.
std::optional<rollout::LeaseEnd> all_leased_out(const LeasedOut& of_one,
                                                const std::vector<wire::Destination>& endpoints);

inline constexpr std::array<std::string_view, 4> lease_members{"p50", "p90", "p99", "certain"};

// An object with these members, times as text: by p50 half of the caches that obey the TTL have let go, when
// they asked evenly over the last TTL before it was handed out last; from `certain` on none of them holds it.
// null for none.
boost::json::value leases_status(const std::optional<rollout::LeaseEnd>& end);

}  // namespace sluice::control
