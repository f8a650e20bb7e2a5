#include "control/liveness.hpp"

#include <algorithm>

#include "control/present.hpp"
#include "steer/select.hpp"

namespace sluice::control {
namespace {

// Shares are sums of fractions.
constexpr double rounding = 1e-9;

}  // namespace

Liveness::Liveness(const Model& model, const config::Steer& steer, const rollout::Plan& plan)
    : model_(model), steer_(steer), before_(steer.pools.size()) {
  const auto names = steer.pool_names();
  for (const auto& part : rollout::weights(plan, rollout::share_before(plan), names))
    before_[steer.place_of(part.pool).value()] = part.weight;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto& pool = *model.config().find_pool(names[i]);
    const auto candidates = model.candidates(pool);
    const auto rules = model.pool_rules(pool);
    const auto lives = [&](Family family) -> std::optional<bool> {
      const auto members = steer::of_family(candidates, family);
      if (members.empty()) return {};
      return steer::select(members, rules).grade == steer::Grade::alive;
    };
    const bool is_target = rollout::is_target(plan, names[i]);
    pools_.push_back(
        {names[i], is_target, before_[i] > 0 && !is_target, lives(Family::v4), lives(Family::v6)});
  }
}

// It is dead in a family in which a pool is alive that had a share before.
bool Liveness::is_lost(const Pool& target, OfFamily family) const {
  if ((target.*family).value_or(true)) return false;
  return std::any_of(pools_.begin(), pools_.end(),
                     [&](const Pool& pool) { return pool.had_share && (pool.*family).value_or(false); });
}

std::string Liveness::dead_target() const {
  for (const auto& pool : pools_) {
    if (!pool.is_target) continue;
    if (!pool.lives()) return pool.name;
    if (is_lost(pool, &Pool::v4)) return pool.name + " (IPv4)";
    if (is_lost(pool, &Pool::v6)) return pool.name + " (IPv6)";
  }
  return "";
}

// What is dead in all pools is in nobody's hands.
bool Liveness::is_no_worse(Family family, OfFamily of_family) const {
  const auto lives = [&](const Pool& pool) { return (pool.*of_family).value_or(false); };
  if (std::none_of(pools_.begin(), pools_.end(), lives)) return true;
  return share_of_dead(model_, steer_, before_, family) <=
         share_of_dead(model_, steer_, model_.weights(steer_), family) + rounding;
}

bool Liveness::others_live() const {
  const auto is_whole = [](const Pool& pool) { return pool.v4.value_or(true) && pool.v6.value_or(true); };
  bool any = false, all = true;
  for (const auto& pool : pools_) {
    if (!pool.had_share) continue;
    any = any || pool.lives();
    all = all && pool.lives() && is_whole(pool);
  }
  if (!any || all) return any;
  return is_no_worse(Family::v4, &Pool::v4) && is_no_worse(Family::v6, &Pool::v6);
}

}  // namespace sluice::control
