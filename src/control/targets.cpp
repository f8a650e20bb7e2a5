#include "control/targets.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.hpp"
#include "control/model.hpp"
#include "probe/cadence.hpp"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

// A first probe has its timeout, and the prober this much to say so.
constexpr Duration first_round_grace = 100ms;

// Plain records and other names do not wait longer for a server that hangs: its address then counts as down.
constexpr Duration first_round_max = 5s;

}  // namespace

std::vector<probe::Target> targets_of(const config::Config& config) {
  std::vector<probe::Target> targets;
  std::set<HealthKey> seen;
  for (const auto& pool : config.pools) {
    if (!pool.check) continue;
    const auto& check = *config.find_check(*pool.check);
    if (check.type == config::CheckType::push) continue;  // it reports by itself
    for (const auto& endpoint : pool.endpoints) {
      auto target = probe::target_of(endpoint, check);
      if (seen.insert(health_key(target)).second) targets.push_back(std::move(target));
    }
  }
  return targets;
}

bool is_probe_of(const probe::Target& target, const config::Check& check) {
  auto probed = target.check;
  probed.port = check.port;
  probed.host = check.host;
  return probed == check;
}

Duration first_round_limit(const std::vector<probe::Target>& targets) {
  const auto whole = probe::first_round_time(targets) + first_round_grace;
  const auto limit = std::min(whole, first_round_max);
  if (whole > limit)
    logger().info(
        "the first round of checks, of {} endpoints, may take {}; answers wait for {} of it, then who has no "
        "result counts as down",
        targets.size(), to_text(whole), to_text(limit));
  return limit;
}

}  // namespace sluice::control
