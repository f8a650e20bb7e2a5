#include "control/sides.hpp"

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

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
    if (!candidate.usable || !candidate.allowed) continue;
    ++side.healthy;
    side.healthy_weight += candidate.weight;
  }
  return side;
}

json::object side_json(const std::string& pool, bool is_target, const Readiness& side) {
  return {{"pool", pool},
          {"side", is_target ? "idle" : "active"},
          {"endpoints", side.endpoints},
          {"healthy", side.healthy},
          {"weight", side.weight},
          {"healthy_weight", side.healthy_weight}};
}

}  // namespace

void add_sides(const Model& model, const rollout::Plan& plan, json::object& reply) {
  const auto target = readiness_of(model, plan.to);
  Readiness active;
  std::vector<std::string> names;
  json::array list, warnings;
  for (const auto& [pool, weight] : plan.before) {
    if (pool == plan.to || weight == 0) continue;
    const auto one = readiness_of(model, pool);
    names.push_back(pool);
    active.healthy_weight += one.healthy_weight;
    list.push_back(side_json(pool, false, one));
    if (one.healthy == 0)
      warnings.push_back(json::string(fmt::format("{} has no healthy endpoint: there is no way back", pool)));
  }
  list.push_back(side_json(plan.to, true, target));
  if (target.healthy_weight < active.healthy_weight)
    warnings.push_back(json::string(
        fmt::format("{} is smaller: the healthy endpoints have a weight of {:.6g}, those of {} have {:.6g}",
                    plan.to, target.healthy_weight, fmt::join(names, ", "), active.healthy_weight)));
  reply["sides"] = std::move(list);
  reply["warnings"] = std::move(warnings);
}

}  // namespace sluice::control
