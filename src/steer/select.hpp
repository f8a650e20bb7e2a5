// Which endpoints of a pool may be handed out, by health and by the operator's word. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "wire/destination.hpp"

namespace sluice::steer {

// One endpoint of a pool as the director sees it now.
struct Candidate {
  wire::Destination destination;
  double weight = 1;
  bool usable = true;   // healthy, or held for healthy by the operator
  bool allowed = true;  // neither drained nor held down by the operator: may be used when nothing is usable
};

// How good the best is that a pool can hand out of a family. A lower grade is used only where no pool has a
// higher one.
enum class Grade : std::uint8_t {
  taken_out,  // all addresses were drained or held down by the operator
  dead,       // some are left to their checks, and none of them is usable
  alive,      // some are usable
};

struct Selection {
  std::vector<double> all;     // weights by candidate, as if all were healthy
  std::vector<double> chosen;  // weights of those that are handed out, 0 for the others; never all 0
  Grade grade = Grade::taken_out;
};

// Of candidates of one family, at least one. The first of these that is not empty is chosen: the usable ones,
// those that the operator has not taken out, those with a weight, all.
Selection select(std::span<const Candidate> candidates);

// A pool in the eyes of one family; without a grade it has no address of that family.
struct Rated {
  double share = 0;  // by its weight
  std::optional<Grade> grade;
};

// The shares after health. Pools of less than the best grade give theirs to the pools of the best grade, in
// proportion; pools without an address of the family keep it (their answer is NODATA). What choose() does,
// slot by slot.
std::vector<double> shares_after_health(std::span<const Rated> pools);

// The best grade among pools with a share; none when no pool has an address of the family.
std::optional<Grade> best_grade(std::span<const Rated> pools);

// The candidates of one family, in order. A host is of both: what it leads to has addresses of its own.
std::vector<Candidate> of_family(std::span<const Candidate> candidates, Family family);

}  // namespace sluice::steer
