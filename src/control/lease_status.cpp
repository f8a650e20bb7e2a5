#include "control/lease_status.hpp"

#include <boost/json/object.hpp>

namespace sluice::control {

boost::json::value leases_status(const std::optional<rollout::LeaseEnd>& end) {
  if (!end) return nullptr;
  const auto [p50, p90, p99, certain] = rollout::estimate(*end);
  return boost::json::object{
      {"p50", to_text(p50)}, {"p90", to_text(p90)}, {"p99", to_text(p99)}, {"certain", to_text(certain)}};
}

}  // namespace sluice::control
