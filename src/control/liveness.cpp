#include "control/liveness.hpp"

#include <algorithm>
#include <optional>

#include "control/present.hpp"
#include "control/routes.hpp"
#include "steer/select.hpp"

namespace sluice::control {
namespace {

// Shares are sums of fractions.
constexpr double rounding = 1e-9;

bool lives(const Model& model, const std::string& pool) {
  return model.config().find_pool(pool) != nullptr && is_open(model, pool);
}

// In the eyes of a family: none when it has no address of it.
std::optional<bool> lives(const Model& model, const std::string& name, Family family) {
  const auto* pool = model.config().find_pool(name);
  const auto candidates = pool == nullptr ? std::vector<steer::Candidate>() : model.candidates(*pool);
  if (steer::of_family(candidates, family).empty()) return {};
  return steer::is_alive(candidates, model.pool_rules(*pool), family);
}

bool had_share(const rollout::Plan& plan, const rollout::PoolWeight& part) {
  return part.weight > 0 && !rollout::is_target(plan, part.pool);
}

// Whether it is dead in a family in which a pool is alive that had a share before.
bool has_lost_family(const Model& model, const rollout::Plan& plan, const std::string& target,
                     Family family) {
  if (lives(model, target, family).value_or(true)) return false;
  return std::any_of(plan.before.begin(), plan.before.end(), [&](const auto& part) {
    return had_share(plan, part) && lives(model, part.pool, family).value_or(false);
  });
}

}  // namespace

std::string dead_target(const Model& model, const rollout::Plan& plan) {
  for (const auto& target : plan.targets) {
    if (!lives(model, target.pool)) return target.pool;
    if (has_lost_family(model, plan, target.pool, Family::v4)) return target.pool + " (IPv4)";
    if (has_lost_family(model, plan, target.pool, Family::v6)) return target.pool + " (IPv6)";
  }
  return "";
}

bool others_live(const Model& model, const rollout::Plan& plan, const config::Steer& steer) {
  const bool any = std::any_of(plan.before.begin(), plan.before.end(), [&](const auto& part) {
    return had_share(plan, part) && lives(model, part.pool);
  });
  const auto before = rollout::weights_of(plan.before), now = model.weights(steer);
  const auto is_no_worse = [&](Family family) {
    const auto is_alive = [&](const auto& part) { return lives(model, part.pool, family).value_or(false); };
    if (std::none_of(plan.before.begin(), plan.before.end(), is_alive)) return true;  // in nobody's hands
    return share_of_dead(model, steer, before, family) <= share_of_dead(model, steer, now, family) + rounding;
  };
  return any && is_no_worse(Family::v4) && is_no_worse(Family::v6);
}

}  // namespace sluice::control
