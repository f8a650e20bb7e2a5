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
  if (choose([](const Candidate& candidate) { return candidate.usable; })) {
    result.grade = Grade::alive;
  } else if (choose([](const Candidate& candidate) { return candidate.allowed; })) {
    result.grade = Grade::dead;
  } else {
    result.chosen = result.all;
  }
  return result;
}

std::optional<Grade> best_grade(std::span<const Rated> pools) {
  std::optional<Grade> best;
  for (const Rated& pool : pools)
    if (pool.share > 0 && pool.grade) best = best ? std::max(*best, *pool.grade) : *pool.grade;
  return best;
}

std::vector<double> shares_after_health(std::span<const Rated> pools) {
  const auto best = best_grade(pools);
  double given = 0, taking = 0;
  for (const Rated& pool : pools)
    (pool.grade && pool.grade == best ? taking : given) += pool.grade ? pool.share : 0;
  std::vector<double> shares;
  for (const Rated& pool : pools) {
    const bool takes = pool.grade && pool.grade == best && taking > 0;
    shares.push_back(!pool.grade ? pool.share : takes ? pool.share + given * pool.share / taking : 0);
  }
  return shares;
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

}  // namespace sluice::steer
