#include "config/config.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "config/errors.hpp"
#include "config/weights.hpp"

namespace sluice::config {
namespace {

template <class T, class Key, class Member>
const T* find_by(const std::vector<T>& all, const Key& key, Member member) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const T& one) { return one.*member == key; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

const Check* Config::find_check(std::string_view name) const { return find_by(checks, name, &Check::name); }
const Pool* Config::find_pool(std::string_view name) const { return find_by(pools, name, &Pool::name); }
const Steer* Config::find_steer(const wire::Name& name) const { return find_by(steers, name, &Steer::name); }

const Zone* Config::zone_of(const wire::Name& name) const {
  const Zone* longest = nullptr;
  for (const auto& zone : zones) {
    const bool longer = !longest || zone.apex.wire().size() > longest->apex.wire().size();
    if (longer && name.is_subdomain_of(zone.apex)) longest = &zone;
  }
  return longest;
}

std::string weight_complaint(std::string_view of, double weight) {
  if (!std::isfinite(weight))
    return fmt::format("the weight of {} has to be a finite number, got {}", shown(of), weight);
  if (weight < 0) return fmt::format("the weight of {} has to be 0 or more, got {}", shown(of), weight);
  return {};
}

std::string sum_complaint(double sum) {
  if (sum == 0) return "all weights are 0; at least one has to be above 0";
  // Shares are weights divided by their sum.
  if (!std::isfinite(sum)) return "the weights are too large to be added up";
  return {};
}

Result<void> check_weights(std::span<const PoolWeight> weights) {
  double sum = 0;
  for (const auto& [pool, weight] : weights) {
    if (const auto complaint = weight_complaint(fmt::format("'{}'", pool), weight); !complaint.empty())
      return Error{ErrorCode::invalid, complaint};
    sum += weight;
  }
  if (const auto complaint = sum_complaint(sum); !complaint.empty())
    return Error{ErrorCode::invalid, complaint};
  return {};
}

}  // namespace sluice::config
