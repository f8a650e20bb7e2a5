#include "config/config.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <numeric>

#include <fmt/format.h>

#include "config/errors.hpp"
#include "config/preview_rules.hpp"
#include "config/weights.hpp"

namespace sluice::config {
namespace {

// Stable: of equals the first of the file comes first.
template <class T, class Member>
std::vector<std::uint32_t> ordered_by(const std::vector<T>& all, Member member) {
  std::vector<std::uint32_t> order(all.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(
      order, std::less<>(), [&](std::uint32_t at) -> const auto& { return all[at].*member; });
  return order;
}

template <class T, class Key, class Member>
const T* find_by(const std::vector<T>& all, const std::vector<std::uint32_t>& order, const Key& key,
                 Member member) {
  const auto found =
      std::lower_bound(order.begin(), order.end(), key,
                       [&](std::uint32_t at, const Key& wanted) { return all[at].*member < wanted; });
  return found != order.end() && all[*found].*member == key ? &all[*found] : nullptr;
}

}  // namespace

std::optional<std::size_t> Steer::place_of(std::string_view pool) const {
  const auto found = std::ranges::find(pools, pool, &PoolWeight::pool);
  if (found == pools.end()) return {};
  return static_cast<std::size_t>(found - pools.begin());
}

Duration Steer::fitting_ttl(Duration wanted) const { return std::clamp(wanted, ttl_min, ttl); }

std::vector<std::string> Steer::pool_names() const {
  std::vector<std::string> names;
  for (const auto& part : pools) names.push_back(part.pool);
  return names;
}

void Config::index() {
  checks_by_name_ = ordered_by(checks, &Check::name);
  analyses_by_name_ = ordered_by(analyses, &Analysis::name);
  hooks_by_name_ = ordered_by(hooks, &Hook::name);
  presets_by_name_ = ordered_by(presets, &Preset::name);
  pools_by_name_ = ordered_by(pools, &Pool::name);
  classes_by_name_ = ordered_by(classes, &ClientClass::name);
  steers_by_hash_.assign(std::bit_ceil(2 * steers.size() + 1), no_steer);
  for (std::uint32_t i = 0; i < steers.size(); ++i)
    if (auto& slot = steers_by_hash_[slot_of(steers[i].name)]; slot == no_steer) slot = i;
  zones_by_apex_ = ordered_by(zones, &Zone::apex);
  endpoints_by_destination_.clear();
  for (std::uint32_t pool = 0; pool < pools.size(); ++pool)
    for (std::uint32_t endpoint = 0; endpoint < pools[pool].endpoints.size(); ++endpoint)
      endpoints_by_destination_.push_back({pool, endpoint});
  std::ranges::stable_sort(
      endpoints_by_destination_,
      std::less<>(), [&](PoolPlace place) -> const auto& { return destination_at(place); });
}

const Check* Config::find_check(std::string_view name) const {
  return find_by(checks, checks_by_name_, name, &Check::name);
}
const Analysis* Config::find_analysis(std::string_view name) const {
  return find_by(analyses, analyses_by_name_, name, &Analysis::name);
}
const Hook* Config::find_hook(std::string_view name) const {
  return find_by(hooks, hooks_by_name_, name, &Hook::name);
}
const Preset* Config::find_preset(std::string_view name) const {
  return find_by(presets, presets_by_name_, name, &Preset::name);
}
const Pool* Config::find_pool(std::string_view name) const {
  return find_by(pools, pools_by_name_, name, &Pool::name);
}
const ClientClass* Config::find_class(std::string_view name) const {
  return find_by(classes, classes_by_name_, name, &ClientClass::name);
}
const Steer* Config::find_steer(const wire::Name& name) const {
  if (steers_by_hash_.empty()) return nullptr;
  const auto at = steers_by_hash_[slot_of(name)];
  return at == no_steer ? nullptr : &steers[at];
}

std::size_t Config::slot_of(const wire::Name& name) const {
  const auto mask = steers_by_hash_.size() - 1;
  auto slot = wire::hash_name(name.wire()) & mask;
  while (steers_by_hash_[slot] != no_steer && steers[steers_by_hash_[slot]].name != name)
    slot = (slot + 1) & mask;
  return slot;
}
const Steer* Config::find_preview(const Steer& steer) const {
  if (!steer.preview) return nullptr;
  const auto name = preview_name(steer.name);
  return name ? find_steer(*name) : nullptr;
}

const Zone* Config::zone_of(const wire::Name& name) const {
  for (auto ancestor = name;; ancestor = ancestor.parent()) {
    const auto* zone = find_by(zones, zones_by_apex_, ancestor, &Zone::apex);
    if (zone != nullptr || ancestor.is_root()) return zone;
  }
}

std::vector<const Pool*> Config::pools_with(const wire::Destination& destination) const {
  const auto destination_of = [&](PoolPlace place) -> const auto& { return destination_at(place); };
  // Not std::ranges::equal_range: clang 14 does not compile its result.
  auto place =
      std::ranges::lower_bound(endpoints_by_destination_, destination, std::less<>(), destination_of);
  std::vector<const Pool*> found;
  for (; place != endpoints_by_destination_.end() && destination_at(*place) == destination; ++place)
    if (found.empty() || found.back() != &pools[place->pool]) found.push_back(&pools[place->pool]);
  return found;
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
