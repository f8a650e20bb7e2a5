// Leases: until when a cache that obeys the TTL may hold what was handed out. Pure: time is an argument.
//
//   handed out            last handed out
//   |   |    |  |   |  |  |
//   +---+----+--+---+--+--+--------------------------+--+------> time
//                         |<---------- TTL --------->|1s|
//                         p50 is half a TTL before the certain end
//
// A TTL that is raised or lowered counts for what is handed out from then on; of what was handed out before,
// the latest end is kept. What a process before this one has handed out is not known: it counts as handed
// out until this one began.
#pragma once

#include <optional>

#include "base/clock.hpp"

namespace sluice::rollout {

// How long a cache that obeys the TTL of an answer may hold it: up to a second longer, as that of unbound,
// whose clock counts whole seconds.
Duration time_in_caches(Duration ttl);

// From `at` on no obedient cache holds it. `ttl` is of the answer that is held longest.
struct LeaseEnd {
  Time at{};
  Duration ttl{};
  friend bool operator==(const LeaseEnd&, const LeaseEnd&) = default;
};

LeaseEnd later(const LeaseEnd& a, const LeaseEnd& b);

// Of what was handed out last at that time.
LeaseEnd lease_from(Time handed_out, Duration ttl);

// Of what is handed out again and again, under TTLs that change.
class Lease {
 public:
  Lease() = default;
  // `before`: the end of what others have handed out.
  explicit Lease(const LeaseEnd& before) : before_(before) {}

  Duration ttl() const { return ttl_; }

  // The TTL is another one for what is handed out from `from` on. `last`: when it was handed out last, under
  // the TTL of before; none: never.
  void set_ttl(Duration ttl, std::optional<Time> last, Time from);

  LeaseEnd end(std::optional<Time> last) const;

 private:
  LeaseEnd before_{};  // of all that was handed out before `from_`
  Duration ttl_{};
  Time from_{};
};

// By when so many of the caches that obey have let go, when they fetched it evenly over the last TTL before
// it was handed out last. `certain`: none of them holds it any more.
struct Estimate {
  Time p50{}, p90{}, p99{}, certain{};
  friend bool operator==(const Estimate&, const Estimate&) = default;
};

Estimate estimate(const LeaseEnd& end);

}  // namespace sluice::rollout
