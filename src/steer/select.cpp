#include "steer/select.hpp"

#include <algorithm>
#include <iterator>

namespace sluice::steer {
namespace {

// Sums of weights such as 0.1 are not exact: 3 of 10 of these are 30 %.
constexpr double rounding = 1e-9;

template <class Admitted>
double weight_of(std::span<const Candidate> candidates, Admitted admitted) {
  double sum = 0;
  for (const auto& candidate : candidates)
    if (admitted(candidate)) sum += candidate.weight;
  return sum;
}

// A weight above 0 stays above 0.
double scaled_weight(const Candidate& candidate) {
  const double scaled = candidate.weight * candidate.share;
  return scaled > 0 ? scaled : candidate.weight;
}

}  // namespace

Selection select(std::span<const Candidate> candidates, const PoolRules& rules) {
  Selection result;
  const auto is_usable = [](const Candidate& candidate) { return candidate.usable; };
  const auto is_left = [](const Candidate& candidate) { return candidate.usable || candidate.allowed; };
  const auto fill = [&](auto weight) {
    std::vector<double> weights;
    for (const auto& candidate : candidates) weights.push_back(weight(candidate));
    return weights;
  };
  const double whole = weight_of(candidates, [](const Candidate&) { return true; });
  if (whole <= 0) {
    // Weights that are all 0: the family is not asked for, but has to answer if it is.
    result.all = result.chosen = std::vector<double>(candidates.size(), 1);
    return result;
  }
  result.all = fill([](const Candidate& candidate) { return candidate.weight; });

  const double usable = weight_of(candidates, is_usable);
  if (usable > 0 && usable >= rules.min_healthy * whole * (1 - rounding)) {
    result.grade = Grade::alive;
    result.chosen =
        fill([&](const Candidate& candidate) { return is_usable(candidate) ? scaled_weight(candidate) : 0; });
  } else if (weight_of(candidates, is_left) > 0) {
    result.grade = Grade::dead;
    result.keeps_share = rules.fail_open == config::FailOpen::all;
    result.below_min_healthy = usable > 0;
    result.chosen =
        fill([&](const Candidate& candidate) { return is_left(candidate) ? candidate.weight : 0; });
  } else {
    result.chosen = result.all;
  }
  return result;
}

std::vector<Candidate> of_family(std::span<const Candidate> candidates, Family family) {
  std::vector<Candidate> members;
  std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(members),
               [&](const Candidate& candidate) {
                 const Address* address = candidate.destination.address();
                 return address == nullptr || address->family == family;
               });
  return members;
}

bool is_alive(std::span<const Candidate> candidates, const PoolRules& rules, Family family) {
  const auto members = of_family(candidates, family);
  return !members.empty() && select(members, rules).grade == Grade::alive;
}

bool is_alive(std::span<const Candidate> candidates, const PoolRules& rules) {
  return is_alive(candidates, rules, Family::v4) || is_alive(candidates, rules, Family::v6);
}

}  // namespace sluice::steer
