#include "control/lease_status.hpp"

#include <boost/json/object.hpp>

namespace sluice::control {

std::optional<rollout::LeaseEnd> all_leased_out(const LeasedOut& of_one,
                                                const std::vector<wire::Destination>& endpoints) {
  if (!of_one) return {};
  rollout::LeaseEnd end;
  for (const auto& endpoint : endpoints) {
    const auto its = of_one(endpoint);
    if (!its) return {};
    end = rollout::later(end, *its);
  }
  return end;
}

boost::json::value leases_status(const std::optional<rollout::LeaseEnd>& end) {
  if (!end) return nullptr;
  const auto [p50, p90, p99, certain] = rollout::estimate(*end);
  const std::array times{p50, p90, p99, certain};
  boost::json::object leases;
  for (std::size_t i = 0; i < lease_members.size(); ++i) leases[lease_members[i]] = to_text(times[i]);
  return leases;
}

}  // namespace sluice::control
