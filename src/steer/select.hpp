// Which endpoints of a pool may be handed out, by health and by the operator's word. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "config/config.hpp"
#include "wire/destination.hpp"

namespace sluice::steer {

// One endpoint of a pool as the director sees it now.
struct Candidate {
  wire::Destination destination;
  double weight = 1;
  bool usable = true;   // healthy, or held for healthy by the operator
  bool allowed = true;  // neither drained nor held down by the operator: may be used when nothing is usable
  double share = 1;     // of its weight, while usable: less in a slow start or when degraded; above 0

  // Not merely held for healthy though it was taken out.
  bool is_healthy() const { return usable && allowed; }
};

// When a pool counts as alive, and what it hands out when it does not.
struct PoolRules {
  double min_healthy = 0;  // usable part of the weight of all; 0: one usable endpoint is enough
  config::FailOpen fail_open = config::FailOpen::others;
  std::uint32_t ttl_max = ~std::uint32_t{0};  // seconds; while an endpoint's state is about to change
  friend bool operator==(const PoolRules&, const PoolRules&) = default;
};

// How good the best is that a pool can hand out of a family. What it means for the pool's share:
// redistribute.hpp.
enum class Grade : std::uint8_t {
  taken_out,  // all addresses were drained or held down by the operator
  dead,       // some are left to their checks, and too little of the weight is usable
  alive,      // enough is usable
};

struct Selection {
  std::vector<double> all;     // weights by candidate, as if all were healthy
  std::vector<double> chosen;  // weights of those that are handed out, 0 for the others; never all 0
  Grade grade = Grade::taken_out;
  bool keeps_share = false;        // dead, and fails open by its own rule
  bool below_min_healthy = false;  // dead, though some are usable
};

// Of candidates of one family, at least one. The first of these that is not empty is chosen: the usable ones
// when they are enough, those that the operator has not taken out, those with a weight, all.
Selection select(std::span<const Candidate> candidates, const PoolRules& rules = {});

// Whether what is chosen of a family is alive; of any family.
bool is_alive(std::span<const Candidate> candidates, const PoolRules& rules, Family family);
bool is_alive(std::span<const Candidate> candidates, const PoolRules& rules);

// The candidates of one family, in order. A host is of both: what it leads to has addresses of its own.
std::vector<Candidate> of_family(std::span<const Candidate> candidates, Family family);

}  // namespace sluice::steer
