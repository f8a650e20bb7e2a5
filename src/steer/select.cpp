#include "steer/select.hpp"

#include <algorithm>
#include <iterator>

namespace sluice::steer {

Selection select(std::span<const Candidate> candidates) {
  Selection result;
  auto choose = [&](auto admitted) {
    result.chosen.clear();
    for (const auto& candidate : candidates)
      result.chosen.push_back(admitted(candidate) ? candidate.weight : 0);
    return std::any_of(result.chosen.begin(), result.chosen.end(), [](double weight) { return weight > 0; });
  };
  const bool weighted = choose([](const Candidate&) { return true; });
  if (!weighted) {
    // Weights that are all 0: the family is not asked for, but has to answer if it is.
    result.chosen.assign(candidates.size(), 1);
    result.all = result.chosen;
    return result;
  }
  result.all = result.chosen;
  result.alive = choose([](const Candidate& candidate) { return candidate.usable; });
  if (!result.alive && !choose([](const Candidate& candidate) { return candidate.allowed; }))
    result.chosen = result.all;
  return result;
}

std::vector<Candidate> of_family(std::span<const Candidate> candidates, Family family) {
  std::vector<Candidate> members;
  std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(members),
               [&](const Candidate& candidate) { return candidate.address.family == family; });
  return members;
}

}  // namespace sluice::steer
