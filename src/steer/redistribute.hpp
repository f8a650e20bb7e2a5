// Where the shares of pools go that are not alive. Pure. Here for all draws at once, as `status` shows it;
// choose() does the same draw by draw.
//
//   what is lost --> pools with a share and alive, in proportion, each up to its cap
//        left    --> standby pools that are alive, in their order, each up to its cap
//        left    --> stays: dead pools answer as if they were healthy, so that nothing is empty
//
// What the operator took out is not handed out as long as there is anything else: what is left of its share
// goes to the dead pools, and beyond the caps when no pool is dead.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "steer/select.hpp"

namespace sluice::steer {

// A pool of a steer in the eyes of one family.
struct Rated {
  double share = 0;              // by its weight; all of them sum to 1
  std::optional<Grade> grade{};  // none: it has no address of the family; its share stays, and is NODATA
  bool keeps_share = false;      // fails open by its own rule
  double cap = 1;                // the most that it may have when it takes over from others
  unsigned standby = 0;          // its place among the standby pools, from 1; 0: it is none of them
};

struct Redistribution {
  std::vector<double> shares;  // after health; they sum to what the shares before did
  double lost = 0;             // by pools that are not alive; it went
  double to_sharing = 0;       // to pools with a share of their own,
  double to_standby = 0;       // to standby pools,
  double to_dead = 0;          // to dead pools, or was left with them,
  double beyond_caps = 0;      // to pools that have all they may: the rest is taken out,
  double to_taken_out = 0;     // or stayed with what the operator took out
};

Redistribution redistribute(std::span<const Rated> pools);

inline std::vector<double> shares_after_health(std::span<const Rated> pools) {
  return redistribute(pools).shares;
}

// The pools that may ever take over, as indices: those with a share, the first to reach its cap first, then
// the standby pools in their order. In this order one pass fills all of them: who comes later never has less
// room in proportion to its share.
std::vector<std::size_t> filling_order(std::span<const Rated> pools);

// Rated::cap, a whole number of slots: `overflow` times its own share for a pool that is not standby (0: no
// limit), nothing without a share, and never more than max_share.
double cap_of(double share, bool standby, double overflow, double max_share);

}  // namespace sluice::steer
