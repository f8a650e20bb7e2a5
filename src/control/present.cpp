#include "control/present.hpp"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include <fmt/format.h>

namespace sluice::control {
namespace {

using steer::Grade;

// A pool with what made its grade.
struct Judged {
  std::string name;
  steer::Rated rated;
  bool below_min_healthy = false;

  bool in_use() const { return rated.share > 0 || rated.standby > 0; }
  bool is(Grade grade) const { return rated.grade == grade; }
  bool loses(Grade grade) const { return rated.share > 0 && is(grade) && !rated.keeps_share; }
};

// By the shares that the pools have of their own.
std::vector<steer::Rated> unrated_by(const config::Config& config, const config::Steer& steer,
                                     const std::vector<double>& own);

std::vector<Judged> judged_by(const Model& model, const config::Steer& steer, Family family,
                              const std::vector<double>& own) {
  const auto& config = model.config();
  const auto pools = unrated_by(config, steer, own);
  std::vector<Judged> result;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    const config::Pool& pool = *config.find_pool(steer.pools[i].pool);
    result.push_back({pool.name, pools[i]});
    const auto members = steer::of_family(model.candidates(pool), family);
    if (members.empty()) continue;
    const auto selection = steer::select(members, model.pool_rules(pool));
    result.back().rated.grade = selection.grade;
    result.back().rated.keeps_share = selection.keeps_share;
    result.back().below_min_healthy = selection.below_min_healthy;
  }
  return result;
}

std::vector<Judged> judged(const Model& model, const config::Steer& steer, Family family) {
  return judged_by(model, steer, family, steer::shares(model.layout(steer), steer.pools.size()));
}

std::vector<steer::Rated> ratings(std::span<const Judged> pools) {
  std::vector<steer::Rated> result;
  for (const auto& pool : pools) result.push_back(pool.rated);
  return result;
}

template <class Holds>
bool any(std::span<const Judged> pools, Holds holds) {
  return std::any_of(pools.begin(), pools.end(), holds);
}

bool has_family(std::span<const Judged> pools) {
  return any(pools, [](const Judged& pool) { return pool.rated.share > 0 && pool.rated.grade; });
}

// Why shares are not where the weights put them.
void tell_moves(std::span<const Judged> pools, std::vector<std::string>& rules) {
  if (any(pools, [](const Judged& pool) { return pool.loses(Grade::dead) && !pool.below_min_healthy; }))
    rules.emplace_back("dead pools' shares moved");
  if (any(pools, [](const Judged& pool) { return pool.loses(Grade::dead) && pool.below_min_healthy; }))
    rules.emplace_back("pools below min_healthy: shares moved");
  if (any(pools, [](const Judged& pool) { return pool.loses(Grade::taken_out); }))
    rules.emplace_back("taken-out pools' shares moved");
}

// Why pools answer that are not alive.
void tell_dead(std::span<const Judged> pools, std::vector<std::string>& rules) {
  if (any(pools, [](const Judged& pool) { return pool.in_use() && pool.is(Grade::alive); }))
    rules.emplace_back("the others may take no more: dead pools answer as if healthy");
  else if (any(pools, [](const Judged& pool) { return pool.loses(Grade::dead) && pool.below_min_healthy; }))
    rules.emplace_back("all pools dead or below min_healthy: answering as if healthy");
  else
    rules.emplace_back("all pools dead: answering as if healthy");
}

std::string rule_of(std::span<const Judged> pools, const steer::Redistribution& now) {
  if (!any(pools, [](const Judged& pool) { return pool.rated.share > 0; })) return "no pool is idle";
  if (!has_family(pools)) return "no address";
  std::vector<std::string> rules;
  if (now.to_sharing > 0 || now.to_standby > 0) tell_moves(pools, rules);
  if (now.to_standby > 0) rules.emplace_back("standby pools help out");
  if (now.to_dead > 0) tell_dead(pools, rules);
  if (now.beyond_caps > 0) rules.emplace_back("all else is taken out: the others take more than they may");
  for (const auto& pool : pools)
    if (pool.rated.share > 0 && pool.rated.keeps_share)
      rules.push_back(fmt::format("pool {} fails open: all of its endpoints", pool.name));
  if (now.to_taken_out > 0) rules.emplace_back("all endpoints taken out: answering as if they were not");
  return rules.empty() ? "weights" : fmt::format("{}", fmt::join(rules, "; "));
}

Present present_of(std::span<const Judged> pools) {
  const auto now = steer::redistribute(ratings(pools));
  return {now.shares, rule_of(pools, now)};
}

// From 1; 0: the pool is no standby pool.
unsigned standby_place(const config::Steer& steer, const std::string& pool) {
  const auto found = std::find(steer.standby.begin(), steer.standby.end(), pool);
  return found == steer.standby.end() ? 0 : static_cast<unsigned>(found - steer.standby.begin()) + 1;
}

bool is_held(const Model& model, const config::Steer& steer) {
  return std::any_of(steer.pools.begin(), steer.pools.end(), [&](const config::PoolWeight& part) {
    const auto& pool = *model.config().find_pool(part.pool);
    return std::any_of(pool.endpoints.begin(), pool.endpoints.end(), [&](const config::Endpoint& endpoint) {
      const auto* watched = model.watched(endpoint, pool);
      return watched != nullptr && model.is_held(*watched);
    });
  });
}

Present with_suspicion(Present now, const Model& model, const config::Steer& steer) {
  if (is_held(model, steer)) now.rule += "; verdicts are held: the checker is the suspect";
  return now;
}

std::vector<steer::Rated> unrated_by(const config::Config& config, const config::Steer& steer,
                                     const std::vector<double>& own) {
  std::vector<steer::Rated> pools;
  for (std::size_t i = 0; i < own.size(); ++i) {
    const config::Pool& pool = *config.find_pool(steer.pools[i].pool);
    const unsigned standby = standby_place(steer, pool.name);
    pools.push_back({.share = own[i],
                     .cap = steer::cap_of(own[i], standby > 0, steer.overflow, pool.max_share),
                     .standby = own[i] > 0 ? 0 : standby});
  }
  return pools;
}

}  // namespace

std::vector<steer::Rated> unrated(const config::Config& config, const config::Steer& steer,
                                  const steer::Layout& layout) {
  return unrated_by(config, steer, steer::shares(layout, steer.pools.size()));
}

double share_of_dead(const Model& model, const config::Steer& steer, const std::vector<double>& weights,
                     Family family) {
  const double all = std::accumulate(weights.begin(), weights.end(), 0.0);
  auto own = weights;
  for (auto& share : own) share /= all;
  const auto pools = judged_by(model, steer, family, own);
  const auto shares = steer::shares_after_health(ratings(pools));
  double dead = 0;
  for (std::size_t i = 0; i < pools.size(); ++i)
    if (pools[i].rated.grade && !pools[i].is(Grade::alive)) dead += shares[i];
  return dead;
}

std::vector<steer::Rated> rated(const Model& model, const config::Steer& steer, Family family) {
  return ratings(judged(model, steer, family));
}

Present present(const Model& model, const config::Steer& steer, Family family) {
  return with_suspicion(present_of(judged(model, steer, family)), model, steer);
}

Present present(const Model& model, const config::Steer& steer) {
  const auto v4 = judged(model, steer, Family::v4), v6 = judged(model, steer, Family::v6);
  if (!has_family(v4)) return with_suspicion(present_of(v6), model, steer);
  auto now = present_of(v4);
  const auto other = present_of(v6);
  if (has_family(v6) && now.rule != other.rule)
    now.rule = fmt::format("IPv4: {}; IPv6: {}", now.rule, other.rule);
  return with_suspicion(std::move(now), model, steer);
}

}  // namespace sluice::control
