#include "rollout/leases.hpp"

#include <chrono>

namespace sluice::rollout {
namespace {

// What the clocks of caches count.
constexpr Duration clock_of_caches = std::chrono::seconds(1);

}  // namespace

Duration time_in_caches(Duration ttl) { return ttl + clock_of_caches; }

LeaseEnd later(const LeaseEnd& a, const LeaseEnd& b) { return a.at < b.at ? b : a; }

LeaseEnd lease_from(Time handed_out, Duration ttl) { return {handed_out + time_in_caches(ttl), ttl}; }

void Lease::set_ttl(Duration ttl, std::optional<Time> last, Time from) {
  before_ = end(last);
  ttl_ = ttl;
  from_ = from;
}

LeaseEnd Lease::end(std::optional<Time> last) const {
  return last && *last >= from_ ? later(before_, lease_from(*last, ttl_)) : before_;
}

// What was fetched at any moment of the last TTL ends evenly over the TTL before the certain end.
Estimate estimate(const LeaseEnd& end) {
  return {end.at - end.ttl / 2, end.at - end.ttl / 10, end.at - end.ttl / 100, end.at};
}

}  // namespace sluice::rollout
