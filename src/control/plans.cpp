#include "control/plans.hpp"

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sluice::control {
namespace {

namespace json = boost::json;

struct Readiness {
  std::size_t endpoints = 0, healthy = 0;
  double weight = 0, healthy_weight = 0;
};

Readiness readiness_of(const Model& model, const std::string& pool) {
  Readiness side;
  for (const auto& candidate : model.candidates(*model.config().find_pool(pool))) {
    ++side.endpoints;
    side.weight += candidate.weight;
    if (!candidate.is_healthy()) continue;
    ++side.healthy;
    side.healthy_weight += candidate.weight;
  }
  return side;
}

// `names`: what it is, before that.
json::object ready_json(json::object names, const Readiness& ready) {
  names["endpoints"] = ready.endpoints;
  names["healthy"] = ready.healthy;
  names["weight"] = ready.weight;
  names["healthy_weight"] = ready.healthy_weight;
  return names;
}

json::object side_json(const std::string& pool, bool is_target, const Readiness& side) {
  return ready_json({{"pool", pool}, {"side", is_target ? "idle" : "active"}}, side);
}

// "the TTL is 5s; before the switch: errors, load"
std::string beginning_text(const rollout::Plan& plan) {
  auto text = fmt::format("the TTL is {}", to_text(plan.ttl));
  if (plan.strategy == rollout::Strategy::bluegreen)
    for (const auto& rules : plan.analyses)
      text += fmt::format("{} {}", rules == plan.analyses.front() ? "; before the switch:" : ",", rules.name);
  return text;
}

std::string step_line(const rollout::Plan& plan, std::size_t step) {
  const auto targets = rollout::targets_text(plan);
  const auto text = rollout::is_class_step(plan, step)
                        ? fmt::format("class {} is led to {}", plan.client_class, targets)
                        : fmt::format("{} has {:.4g} %", targets, plan.steps[step] * 100);
  return plan.gates && step + 1 < plan.steps.size() ? text + "; then a gate" : text;
}

// `ready`: of the plan's pools.
json::array pools_at(const rollout::Plan& plan, double share, const std::vector<Readiness>& ready) {
  const auto weights = rollout::weights(plan, share);
  double all = 0;
  for (const auto& part : weights) all += part.weight;
  json::array pools;
  for (std::size_t i = 0; i < weights.size(); ++i)
    pools.push_back(ready_json({{"pool", weights[i].pool}, {"share", weights[i].weight / all}}, ready[i]));
  return pools;
}

Readiness readiness_without_batch(const rolling::Rolling& rolling, const rolling::View& view) {
  const auto capacity = rolling::capacity_without_batch(rolling, view);
  return {capacity.endpoints, capacity.available, capacity.total, capacity.left};
}

}  // namespace

json::array schedule_of(const Model& model, const rollout::Plan& plan, const std::vector<Time>& times,
                        Time now) {
  std::vector<Readiness> ready;
  for (const auto& part : plan.before) ready.push_back(readiness_of(model, part.pool));
  json::array schedule{{{"at", to_text(now)}, {"what", beginning_text(plan)}}};
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    schedule.push_back({{"at", to_text(times[i])},
                        {"what", step_line(plan, i)},
                        {"pools", pools_at(plan, plan.steps[i], ready)}});
  schedule.push_back({{"at", to_text(times.back())},
                      {"what", fmt::format("done; the TTL is {} again", to_text(plan.ttl_before))}});
  return schedule;
}

json::array schedule_of(rolling::Rolling rolling, const rolling::View& view, const rollout::Allowed& allowed,
                        Time now) {
  const auto times = rolling::earliest_times(rolling, view, allowed, now);
  json::array schedule;
  auto& first = rolling.state.first;
  for (std::size_t i = 0; first < rolling.state.endpoints.size(); ++i, first += rolling.plan.batch)
    schedule.push_back(
        {{"at", to_text(times[i])},
         {"what", fmt::format("batch {}: {}", i + 1, fmt::join(rolling::batch(rolling), ", "))},
         {"pools",
          json::array{ready_json({{"pool", rolling.plan.pool}}, readiness_without_batch(rolling, view))}}});
  schedule.push_back({{"at", to_text(times.back())}, {"what", "done, if the work takes no time"}});
  return schedule;
}

void add_sides(const Model& model, const rollout::Plan& plan, json::object& reply) {
  const auto& idle = plan.targets.front().pool;
  const auto target = readiness_of(model, idle);
  Readiness active;
  std::vector<std::string> names;
  json::array list, warnings;
  for (const auto& [pool, weight] : plan.before) {
    if (pool == idle || weight == 0) continue;
    const auto one = readiness_of(model, pool);
    names.push_back(pool);
    active.healthy_weight += one.healthy_weight;
    list.push_back(side_json(pool, false, one));
    if (one.healthy == 0)
      warnings.push_back(json::string(fmt::format("{} has no healthy endpoint: there is no way back", pool)));
  }
  list.push_back(side_json(idle, true, target));
  if (target.healthy_weight < active.healthy_weight)
    warnings.push_back(json::string(
        fmt::format("{} is smaller: the healthy endpoints have a weight of {:.6g}, those of {} have {:.6g}",
                    idle, target.healthy_weight, fmt::join(names, ", "), active.healthy_weight)));
  reply["sides"] = std::move(list);
  reply["warnings"] = std::move(warnings);
}

}  // namespace sluice::control
