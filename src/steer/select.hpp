// Which endpoints of a pool may be handed out, by health and by the operator's word. Pure.
#pragma once

#include <span>
#include <vector>

#include "base/address.hpp"

namespace sluice::steer {

// One endpoint of a pool as the director sees it now.
struct Candidate {
  Address address;
  double weight = 1;
  bool usable = true;   // healthy, or held for healthy by the operator
  bool allowed = true;  // neither drained nor held down by the operator: may be used when nothing is usable
};

struct Selection {
  std::vector<double> all;     // weights by candidate, as if all were healthy
  std::vector<double> chosen;  // weights of those that are handed out, 0 for the others; never all 0
  bool alive = false;          // some are usable; otherwise `chosen` is the last resort
};

// Of candidates of one family, at least one. The first of these that is not empty is chosen: the usable ones,
// those that the operator has not taken out, those with a weight, all.
Selection select(std::span<const Candidate> candidates);

// The candidates of one family, in order.
std::vector<Candidate> of_family(std::span<const Candidate> candidates, Family family);

}  // namespace sluice::steer
