#include "control/rollout_plan.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.hpp"
#include "control/arguments.hpp"
#include "control/liveness.hpp"
#include "control/routes.hpp"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;
using rollout::Strategy;

constexpr std::string_view steps_default = "1,5,25,50,100";
constexpr Duration hold_default = 5min;
constexpr Duration ttl_default = 10s;
constexpr double linear_min = 0.01;
constexpr std::size_t analyses_max = 16;  // of a rollout

Result<Duration> ttl_argument(const Request& request, const config::Steer& steer) {
  const auto ttl = duration_argument(request, "ttl");
  if (!ttl) return std::max(std::min(ttl_default, steer.ttl), std::min(steer.ttl_min, steer.ttl));
  if (*ttl > steer.ttl || *ttl < steer.ttl_min)
    return Error{ErrorCode::refused,
                 fmt::format("the TTL of a rollout is at least ttl_min, {}, and at most the usual one, {}",
                             to_text(steer.ttl_min), to_text(steer.ttl))};
  return std::chrono::floor<std::chrono::seconds>(*ttl);
}

Result<Duration> hold_of(const Request& request, Strategy strategy) {
  if (strategy == Strategy::bluegreen) return Duration::zero();
  const auto hold = duration_argument(request, "hold"), every = duration_argument(request, "every");
  if (hold && every) return Error{ErrorCode::invalid, "hold and every are the same: give one of them"};
  return hold.value_or(every.value_or(hold_default));
}

Result<std::vector<double>> steps_of(const Request& request, Strategy strategy, double before) {
  const auto text = text_argument(request, "steps"), by = text_argument(request, "linear");
  const auto factor = number_argument(request, "exponential");
  if (!text.empty() + !by.empty() + factor.has_value() > 1)
    return Error{ErrorCode::invalid, "steps, linear and exponential exclude each other"};
  if (strategy == Strategy::bluegreen) return std::vector{1.0};
  if (!by.empty()) {
    const double part = *parse_percent(by);
    if (part < linear_min)
      return Error{ErrorCode::invalid,
                   fmt::format("linear steps of {} are too many; expected 1% at least", by)};
    return rollout::linear_steps(before, part);
  }
  if (factor) {
    if (*factor < 2) return Error{ErrorCode::invalid, "an exponential has a factor of 2 at least"};
    return rollout::exponential_steps(before, static_cast<double>(*factor));
  }
  return rollout::parse_steps(text.empty() ? steps_default : text);
}

// Probes are compared, so that there have to be some of both sides.
std::optional<Error> probes_objection(const Model& model, const config::Analysis& analysis,
                                      const rollout::Plan& plan) {
  if (analysis.type != config::AnalysisType::probes) return {};
  for (const auto& [pool, weight] : plan.before)
    if ((rollout::is_target(plan, pool) || weight > 0) && !model.config().find_pool(pool)->check)
      return Error{ErrorCode::refused,
                   fmt::format("analysis {} compares probes, and pool {} has no check", analysis.name, pool)};
  return {};
}

Result<std::vector<rollout::AnalysisRules>> analyses_of(const Model& model, const Request& request,
                                                        const rollout::Plan& plan) {
  std::vector<std::string> known;
  for (const auto& analysis : model.config().analyses) known.push_back(analysis.name);
  std::vector<rollout::AnalysisRules> all;
  const auto text = text_argument(request, "analysis");
  if (text.empty()) return all;
  for (const auto part : comma_separated(text)) {
    const std::string name(part);
    if (name.empty())
      return Error{ErrorCode::invalid, fmt::format("'{}' names no analyses; expected errors,load", text)};
    const auto* found = model.config().find_analysis(name);
    if (found == nullptr) return unknown(fmt::format("there is no analysis '{}'", name), name, known);
    if (auto why = probes_objection(model, *found, plan)) return *std::move(why);
    if (std::any_of(all.begin(), all.end(), [&](const auto& rules) { return rules.name == name; }))
      return Error{ErrorCode::invalid, fmt::format("analysis '{}' is given twice", name)};
    all.push_back({name, found->interval, found->failures_max, found->errors_max, found->successes_min,
                   found->relative_to_old});
  }
  if (all.size() > analyses_max)
    return Error{ErrorCode::invalid, fmt::format("at most {} analyses are possible", analyses_max)};
  return all;
}

// The step of the class comes before all others.
std::optional<Error> add_class(const Model& model, const config::Steer& steer, const Request& request,
                               rollout::Plan& plan) {
  const auto name = text_argument(request, "class");
  if (name.empty()) return {};
  if (const auto found = find_class(model, name); !found) return found.error();
  plan.client_class = name;
  plan.steps.insert(plan.steps.begin(), rollout::share_before(plan));
  for (const auto& routing : model.routings(steer))
    if (routing.client_class == name && routing.set != nullptr) plan.route_before = routing.set->pool;
  return {};
}

Result<std::vector<rollout::PoolWeight>> targets_of(const Request& request, const config::Steer& steer) {
  const auto text = text_argument(request, "to");
  if (text.empty())
    return Error{ErrorCode::invalid, fmt::format("which pool? expected --to with one of: {}",
                                                 fmt::join(steer.pool_names(), ", "))};
  auto targets = rollout::parse_targets(text);
  if (!targets) return targets;
  for (const auto& target : *targets)
    if (!steer.place_of(target.pool)) return unknown_pool(steer, target.pool);
  return targets;
}

}  // namespace

Result<rollout::Plan> plan_rollout(const Model& model, const config::Steer& steer, const Request& request,
                                   Strategy strategy) {
  rollout::Plan plan;
  plan.strategy = strategy;
  plan.name = steer.name.text();
  auto targets = targets_of(request, steer);
  if (!targets) return targets.error();
  plan.targets = *std::move(targets);
  const auto hold = hold_of(request, strategy);
  if (!hold) return hold.error();
  plan.hold = *hold;
  plan.gates = request.arguments.contains("gates") && request.arguments.at("gates").as_bool();
  plan.grace = duration_argument(request, "grace").value_or(0ms);
  const auto ttl = ttl_argument(request, steer);
  if (!ttl) return ttl.error();
  plan.ttl = *ttl;
  plan.ttl_before = steer.ttl;
  const auto weights = model.weights(steer);
  for (std::size_t i = 0; i < weights.size(); ++i) plan.before.push_back({steer.pools[i].pool, weights[i]});
  const auto steering = model.steerings().find(steer.name);
  plan.overridden = steering != model.steerings().end() && steering->second.weights;
  auto steps = steps_of(request, strategy, rollout::share_before(plan));
  if (!steps) return steps.error();
  plan.steps = *std::move(steps);
  if (auto why = add_class(model, steer, request, plan)) return *std::move(why);
  auto analyses = analyses_of(model, request, plan);
  if (!analyses) return analyses.error();
  plan.analyses = *std::move(analyses);
  if (auto why = rollout::objection(plan)) return *std::move(why);
  if (const auto dead = Liveness(model, steer, plan).dead_target(); !dead.empty())
    return Error{ErrorCode::refused, fmt::format("{} is not alive", dead)};
  return plan;
}

}  // namespace sluice::control
