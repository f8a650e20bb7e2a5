#include "control/safety.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <string_view>

#include <fmt/format.h>

#include "control/arguments.hpp"

namespace sluice::control {
namespace {

// Of shares, which are quotients.
constexpr double share_rounding = 1e-9;

std::string in_percent(double part) { return fmt::format("{:.4g} %", part * 100); }

std::string number_of(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

bool is_handed_out(const PoolSight& pool) { return pool.share > 0 && pool.endpoints > 0; }

std::size_t pools_handed_out(const Sight& sight) {
  return static_cast<std::size_t>(std::count_if(sight.begin(), sight.end(), is_handed_out));
}

std::size_t endpoints_handed_out(const Sight& sight) {
  return std::accumulate(sight.begin(), sight.end(), std::size_t{0}, [](std::size_t sum, const auto& pool) {
    return sum + (pool.share > 0 ? pool.endpoints : 0);
  });
}

// What is too little already may become more.
bool is_too_few(std::size_t before, std::size_t after, std::size_t least) {
  return after < least && after <= before;
}

std::optional<std::string> pool_violation(const config::Safety& rules, const PoolSight& before,
                                          const PoolSight& after) {
  const double growth = after.share - before.share;
  if (growth > rules.step_max + share_rounding)
    return fmt::format("pool {} would grow by {} at once, from {} to {}; step_max is {}", after.pool,
                       in_percent(growth), in_percent(before.share), in_percent(after.share),
                       in_percent(rules.step_max));
  const bool matters = growth > share_rounding || after.capacity < before.capacity;
  if (after.share > 0 && matters && after.capacity + share_rounding < rules.capacity_min)
    return fmt::format("{} of the weight of pool {} would be healthy; capacity_min is {}",
                       in_percent(after.capacity), after.pool, in_percent(rules.capacity_min));
  return {};
}

// But for freeze windows.
bool is_any(const config::Safety& rules) {
  auto free = config::Safety{};
  free.freeze = rules.freeze;
  return rules != free;
}

// What of a pool could be handed out.
PoolSight pool_sight(const std::string& pool, const std::vector<steer::Candidate>& candidates) {
  PoolSight sight{pool, 0, 0, 0};
  double all = 0, healthy = 0;
  for (const auto& candidate : candidates) {
    all += candidate.weight;
    if (!candidate.is_healthy()) continue;
    healthy += candidate.weight;
    if (candidate.weight > 0) ++sight.endpoints;
  }
  sight.capacity = all > 0 ? healthy / all : 0;
  return sight;
}

// `pool_of`: the sight of a pool, by its name.
Sight sight_of(const config::Steer& steer, const std::vector<double>& weights, const auto& pool_of) {
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  Sight sight;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    sight.push_back(pool_of(steer.pools[i].pool));
    sight.back().share = weights[i] / all;
  }
  return sight;
}

bool has_any_of(const config::Steer& steer, const std::set<std::string_view>& pools) {
  return std::any_of(steer.pools.begin(), steer.pools.end(),
                     [&](const auto& part) { return pools.contains(part.pool); });
}

}  // namespace

std::optional<std::string> violation(const config::Safety& rules, const Sight& before, const Sight& after) {
  if (before == after) return {};
  for (std::size_t i = 0; i < after.size(); ++i)
    if (auto why = pool_violation(rules, before[i], after[i])) return why;
  const auto pools = pools_handed_out(after), endpoints = endpoints_handed_out(after);
  if (is_too_few(pools_handed_out(before), pools, rules.pools_min))
    return fmt::format("{} with a share and a healthy endpoint would be left; pools_min is {}",
                       number_of(pools, "pool"), rules.pools_min);
  if (is_too_few(endpoints_handed_out(before), endpoints, rules.endpoints_min))
    return fmt::format("{} would be left; endpoints_min is {}", number_of(endpoints, "healthy endpoint"),
                       rules.endpoints_min);
  return {};
}

std::optional<std::string> frozen(std::span<const config::FreezeWindow> windows, Time unfrozen_until,
                                  Time now) {
  if (now < unfrozen_until) return {};
  const auto freeze = config::freeze_at(windows, now);
  if (!freeze) return {};
  return fmt::format(
      "changes are frozen until {} (\"{}\"), unless an operator says --override-freeze, with a --reason",
      to_text(freeze->until), freeze->window);
}

rollout::Allowed times_unfrozen(std::span<const config::FreezeWindow> windows, Time unfrozen_until) {
  return [windows, unfrozen_until](Time due) {
    const auto freeze = due < unfrozen_until ? std::nullopt : config::freeze_at(windows, due);
    return freeze ? freeze->until : due;
  };
}

Result<FreezeOverride> freeze_override(const Request& request, std::span<const config::FreezeWindow> windows,
                                       Time now) {
  const auto* flag = request.arguments.if_contains("override-freeze");
  if (flag == nullptr || !flag->as_bool()) return FreezeOverride{};
  if (text_argument(request, "reason").empty())
    return Error{ErrorCode::invalid, "--override-freeze needs a --reason"};
  const auto freeze = config::freeze_at(windows, now);
  if (!freeze) return FreezeOverride{};
  return FreezeOverride{freeze->until,
                        fmt::format("; overrides the freeze until {}", to_text(freeze->until))};
}

std::optional<std::string> weights_objection(const Model& model, const config::Steer& steer,
                                             const std::vector<double>& before,
                                             const std::vector<double>& after) {
  if (!is_any(steer.safety)) return {};
  const auto pool_of = [&](const std::string& pool) {
    return pool_sight(pool, model.candidates(*model.config().find_pool(pool)));
  };
  return violation(steer.safety, sight_of(steer, before, pool_of), sight_of(steer, after, pool_of));
}

std::optional<std::string> taking_objection(const Model& model, const std::set<wire::Destination>& taken) {
  return Taking(model).take(std::vector(taken.begin(), taken.end()));
}

std::optional<std::string> Taking::take(std::span<const wire::Destination> endpoints) {
  std::vector<Taken> taken;
  std::set<std::uint32_t> concerned;  // in the config's order
  for (const auto& endpoint : endpoints)
    for (const auto* pool : model_.config().pools_with(endpoint)) {
      const auto& steers = steers_with(pool->name);
      if (steers.empty()) continue;
      concerned.insert(steers.begin(), steers.end());
      take_from(left_of(pool->name), endpoint, taken);
    }
  for (const auto at : concerned) {
    auto why = objection(model_.config().steers[at]);
    if (!why) continue;
    give_back(std::move(taken));
    return why;
  }
  return {};
}

const Taking::Positions& Taking::steers_with(const std::string& pool) {
  static const Positions none;
  if (!steers_) {
    steers_.emplace();
    const auto& steers = model_.config().steers;
    for (std::uint32_t at = 0; at < steers.size(); ++at) {
      if (!is_any(steers[at].safety)) continue;
      for (const auto& part : steers[at].pools) (*steers_)[part.pool].push_back(at);
    }
  }
  const auto found = steers_->find(pool);
  return found == steers_->end() ? none : found->second;
}

Taking::PoolLeft& Taking::left_of(const std::string& name) {
  if (const auto known = left_.find(name); known != left_.end()) return known->second;
  const auto candidates = model_.candidates(*model_.config().find_pool(name));
  PoolLeft left;
  left.before = left.now = pool_sight(name, candidates);
  for (const auto& candidate : candidates) {
    left.all += candidate.weight;
    if (!candidate.is_healthy()) continue;
    left.healthy += candidate.weight;
    left.usable[candidate.destination] = candidate.weight;
  }
  return left_.emplace(name, std::move(left)).first->second;
}

// Who is not usable changes nothing.
void Taking::take_from(PoolLeft& pool, const wire::Destination& endpoint, std::vector<Taken>& taken) {
  auto usable = pool.usable.extract(endpoint);
  if (usable.empty() || usable.mapped() == 0) return;
  const double weight = usable.mapped();
  taken.push_back({&pool, pool.healthy, std::move(usable)});
  --pool.now.endpoints;
  pool.healthy = pool.now.endpoints == 0 ? 0 : pool.healthy - weight;  // without what rounding leaves
  pool.now.capacity = pool.healthy / pool.all;
}

void Taking::give_back(std::vector<Taken> taken) {
  for (; !taken.empty(); taken.pop_back()) {
    auto& [pool, healthy_before, endpoint] = taken.back();
    pool->usable.insert(std::move(endpoint));
    ++pool->now.endpoints;
    pool->healthy = healthy_before;
    pool->now.capacity = pool->healthy / pool->all;
  }
}

std::optional<std::string> Taking::objection(const config::Steer& steer) {
  const auto weights = model_.weights(steer);
  const auto before = sight_of(steer, weights, [&](const auto& pool) { return left_of(pool).before; });
  const auto now = sight_of(steer, weights, [&](const auto& pool) { return left_of(pool).now; });
  const auto why = violation(steer.safety, before, now);
  return why ? std::optional(fmt::format("{}: {}", steer.name.text(), *why)) : std::nullopt;
}

std::vector<config::FreezeWindow> freeze_windows(const config::Config& config, const config::Pool& pool) {
  std::vector<config::FreezeWindow> windows;
  for (const auto& steer : config.steers) {
    if (steer.safety.freeze.empty() || !has_any_of(steer, {pool.name})) continue;
    for (const auto& window : steer.safety.freeze)
      if (std::find(windows.begin(), windows.end(), window) == windows.end()) windows.push_back(window);
  }
  return windows;
}

// As if the pool got all that there is.
std::optional<std::string> route_objection(const Model& model, const config::Steer& steer,
                                           const std::string& pool) {
  config::Safety rules;
  rules.capacity_min = steer.safety.capacity_min;
  const auto before = pool_sight(pool, model.candidates(*model.config().find_pool(pool)));
  auto after = before;
  after.share = 1;
  return violation(rules, {before}, {after});
}

}  // namespace sluice::control
