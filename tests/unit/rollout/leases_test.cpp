// Lease arithmetic: tables, and a simulation that keeps each answer by itself.
#include "rollout/leases.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::rollout;
using namespace std::chrono_literals;

namespace {

constexpr Time at(Duration time) { return Time{1'800'000'000'000ms} + time; }

}  // namespace

TEST_CASE("a lease ends a TTL and the caches' second after it was handed out last") {
  Lease lease;
  lease.set_ttl(30s, {}, at(0s));
  CHECK(lease.end({}).at == Time{});
  CHECK(lease.end(at(10s)) == LeaseEnd{at(41s), 30s});
  CHECK(lease.end(at(50s)) == LeaseEnd{at(81s), 30s});
}

TEST_CASE("a lease under a TTL that was lowered or raised") {
  struct Case {
    const char* name;
    Duration ttl;
    std::optional<Time> last_before, last;
    Time end;
  };
  const Case cases[] = {
      {"lowered: the longer, older one still holds", 5s, at(90s), at(110s), at(121s)},
      {"lowered: until the newer one ends later", 5s, at(90s), at(116s), at(122s)},
      {"raised: what was handed out before has the TTL of before", 300s, at(90s), at(90s), at(121s)},
      {"raised, and handed out since", 300s, at(90s), at(101s), at(402s)},
      {"never handed out before", 5s, {}, at(101s), at(107s)},
      {"never handed out", 5s, {}, {}, Time{}},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    Lease lease;
    lease.set_ttl(30s, {}, at(0s));
    lease.set_ttl(c.ttl, c.last_before, at(100s));
    CHECK(lease.end(c.last).at == c.end);
  }
}

TEST_CASE("what a process before has handed out counts to the last") {
  Lease lease(lease_from(at(0s), 300s));
  lease.set_ttl(5s, {}, at(1s));
  CHECK(lease.end({}) == LeaseEnd{at(301s), 300s});
  CHECK(lease.end(at(290s)).at == at(301s));
  CHECK(lease.end(at(300s)).at == at(306s));
}

TEST_CASE("caches that obey let go evenly over the last TTL") {
  const LeaseEnd end{at(101s), 100s};
  CHECK(estimate(end) == Estimate{at(51s), at(91s), at(100s), at(101s)});
}

TEST_CASE("leases are exact without restarts, and never too short with them") {
  std::mt19937_64 source(7);
  const auto draw = [&](int count) { return static_cast<int>(source() % static_cast<unsigned>(count)); };
  const Duration ttls[] = {1s, 5s, 30s, 300s};
  for (int round = 0; round < 300; ++round) {
    const bool restarts = round % 2 == 1;
    auto now = at(0s);
    auto ttl = ttls[draw(4)], greatest = ttl;
    Time truth{};
    std::optional<Time> last;
    Lease lease;
    lease.set_ttl(ttl, last, now);
    for (int step = 0; step < 200; ++step) {
      now += Duration(1 + draw(20'000));
      const int event = draw(restarts ? 12 : 11);
      if (event < 9) {
        last = now;
        truth = std::max(truth, now + ttl + 1s);
      } else if (event < 11) {
        ttl = ttls[draw(4)];
        greatest = std::max(greatest, ttl);
        lease.set_ttl(ttl, last, now);
      } else {
        last.reset();
        lease = Lease(lease_from(now, greatest));
        lease.set_ttl(ttl, last, now);
      }
      const auto end = lease.end(last).at;
      REQUIRE(end >= truth);
      if (!restarts) REQUIRE(end == truth);
    }
  }
}
