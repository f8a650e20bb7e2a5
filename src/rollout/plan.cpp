#include "rollout/plan.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.hpp"

namespace sluice::rollout {
namespace {

constexpr std::size_t steps_max = 100;

// Of a linear step: less is not left for a last step of its own.
constexpr double sliver = 0.1;

constexpr double target_weight_max = 1e6;

// Shares are sums of fractions.
constexpr double rounding = 1e-9;

double sum(const std::vector<PoolWeight>& parts) {
  double all = 0;
  for (const auto& part : parts) all += part.weight;
  return all;
}

// It has to be among them. `parts`: PoolWeight each, which may be changed or not.
auto& part_of(auto& parts, std::string_view pool) {
  return *std::find_if(parts.begin(), parts.end(), [&](const auto& part) { return part.pool == pool; });
}

// What one pool had of 1.
double own_share_before(const Plan& plan, std::string_view pool) {
  return part_of(plan.before, pool).weight / sum(plan.before);
}

}  // namespace

std::string percent(double share) { return fmt::format("{:.4g} %", share * 100); }

const char* to_text(Strategy strategy) {
  switch (strategy) {
    case Strategy::canary:
      return "canary";
    case Strategy::bluegreen:
      return "bluegreen";
  }
  return "";
}

std::string step_text(const Plan& plan, std::size_t step) {
  return is_class_step(plan, step) ? "class " + plan.client_class : percent(plan.steps[step]);
}

bool is_asked_at(const AnalysisRules& rules, const Plan& plan, std::size_t step) {
  return !rules.relative || plan.steps[step] < 1;
}

bool is_class_step(const Plan& plan, std::size_t step) { return step == 0 && !plan.client_class.empty(); }

bool is_target(const Plan& plan, std::string_view pool) {
  return std::any_of(plan.targets.begin(), plan.targets.end(),
                     [&](const auto& target) { return target.pool == pool; });
}

double share_before(const Plan& plan) {
  double of_targets = 0;
  for (const auto& part : plan.before)
    if (is_target(plan, part.pool)) of_targets += part.weight;
  return of_targets / sum(plan.before);
}

// The last one has what is left, so that the sum is exact.
std::vector<double> shares_of_targets(const Plan& plan, double share) {
  const double before = share_before(plan), all = sum(plan.targets);
  std::vector<double> shares;
  double left = share;
  for (const auto& [pool, weight] : plan.targets) {
    const double own = own_share_before(plan, pool);
    const double at_end = weight / all;
    shares.push_back(((1 - share) * own + (share - before) * at_end) / (1 - before));
    left -= shares.back();
  }
  shares.back() = std::max(0.0, shares.back() + left);
  return shares;
}

std::vector<PoolWeight> weights(const Plan& plan, double share) {
  if (share == share_before(plan)) return plan.before;
  double others = 0;
  for (const auto& [pool, weight] : plan.before)
    if (!is_target(plan, pool)) others += weight;
  auto result = plan.before;
  for (auto& part : result) part.weight *= 100 * (1 - share) / others;
  const auto shares = shares_of_targets(plan, share);
  for (std::size_t i = 0; i < shares.size(); ++i)
    part_of(result, plan.targets[i].pool).weight = 100 * shares[i];
  return result;
}

std::vector<PoolWeight> weights(const Plan& plan, double share, const std::vector<std::string>& pools) {
  auto parts = weights(plan, share);
  const auto is_there = [&](const auto& part) {
    return std::find(pools.begin(), pools.end(), part.pool) != pools.end();
  };
  double others = 0, left = 0;
  for (const auto& part : parts) {
    if (is_target(plan, part.pool)) continue;
    others += part.weight;
    if (is_there(part)) left += part.weight;
  }
  std::erase_if(parts, [&](const auto& part) { return !is_there(part); });
  if (left < others)
    for (auto& part : parts)
      if (!is_target(plan, part.pool) && left > 0) part.weight *= others / left;
  return parts;
}

bool is_possible(const Plan& plan, const std::vector<std::string>& pools) {
  const auto is_there = [&](const auto& part) {
    return std::find(pools.begin(), pools.end(), part.pool) != pools.end();
  };
  return std::all_of(plan.targets.begin(), plan.targets.end(), is_there) &&
         std::any_of(plan.before.begin(), plan.before.end(), [&](const auto& part) {
           return part.weight > 0 && !is_target(plan, part.pool) && is_there(part);
         });
}

std::vector<double> weights_of(const std::vector<PoolWeight>& parts) {
  std::vector<double> weights;
  for (const auto& part : parts) weights.push_back(part.weight);
  return weights;
}

std::string targets_text(const Plan& plan) {
  const bool equal = std::all_of(plan.targets.begin(), plan.targets.end(), [&](const auto& target) {
    return target.weight == plan.targets.front().weight;
  });
  std::vector<std::string> parts;
  for (const auto& [pool, weight] : plan.targets)
    parts.push_back(equal ? pool : fmt::format("{}={:.6g}", pool, weight));
  return fmt::format("{}", fmt::join(parts, ","));
}

Result<std::vector<PoolWeight>> parse_targets(std::string_view text) {
  const auto refuse = [](std::string why) { return Error{ErrorCode::invalid, std::move(why)}; };
  std::vector<PoolWeight> targets;
  for (const auto part : comma_separated(text)) {
    const auto equals = part.find('=');
    PoolWeight target{std::string(part.substr(0, equals)), 1};
    if (target.pool.empty())
      return refuse(fmt::format("'{}' names no pools; expected v2, or v2,v3, or v2=2,v3=1", text));
    if (equals != std::string_view::npos) {
      const auto weight = part.substr(equals + 1);
      const auto* const last = weight.data() + weight.size();
      const auto [end, error] = std::from_chars(weight.data(), last, target.weight);
      if (error != std::errc{} || end != last || !(target.weight > 0 && target.weight <= target_weight_max))
        return refuse(fmt::format("'{}' is no weight of a target; expected a number above 0, at most {:.6g}",
                                  weight, target_weight_max));
    }
    for (const auto& other : targets)
      if (other.pool == target.pool) return refuse(fmt::format("pool '{}' is given twice", target.pool));
    targets.push_back(std::move(target));
  }
  return targets;
}

std::optional<Error> objection(const Plan& plan) {
  const auto refuse = [](std::string why) { return Error{ErrorCode::refused, std::move(why)}; };
  const double before = share_before(plan);
  const auto text = targets_text(plan);
  if (before >= 1) return refuse(fmt::format("{} has all of {} already", text, plan.name));
  const double first = plan.steps[is_class_step(plan, 0) ? 1 : 0];
  if (first <= before)
    return refuse(fmt::format("{} has {} of {} already, and the first step is {}", text, percent(before),
                              plan.name, percent(first)));
  const auto at_end = shares_of_targets(plan, 1);
  for (std::size_t i = 0; i < at_end.size(); ++i)
    if (const double own = own_share_before(plan, plan.targets[i].pool); own > at_end[i] + rounding)
      return refuse(fmt::format("{} has {} of {} already, and would have {} of all", plan.targets[i].pool,
                                percent(own), plan.name, percent(at_end[i])));
  for (const auto& rules : plan.analyses) {
    bool asked = false;
    for (std::size_t i = 0; i < plan.steps.size(); ++i) asked = asked || is_asked_at(rules, plan, i);
    if (!asked)
      return refuse(fmt::format("analysis {} is relative_to_old, and no step leaves the old pools a share",
                                rules.name));
  }
  if (plan.targets.size() > 1 && !plan.client_class.empty())
    return refuse("a class is led to one pool, and there are several targets");
  if (plan.targets.size() > 1 && plan.strategy == Strategy::bluegreen)
    return refuse("a switch goes to one pool");
  return {};
}

Result<std::vector<double>> parse_steps(std::string_view text) {
  const Error malformed{
      ErrorCode::invalid,
      fmt::format("'{}' are no steps; expected percentages that grow, such as 1,5,25,50,100", text)};
  std::vector<double> steps;
  for (const auto part : comma_separated(text)) {
    const auto step = parse_percent(part.ends_with('%') ? std::string(part) : fmt::format("{}%", part));
    if (!step || *step <= (steps.empty() ? 0 : steps.back()) || steps.size() == steps_max) return malformed;
    steps.push_back(*step);
  }
  return steps;
}

std::vector<double> linear_steps(double before, double by) {
  std::vector<double> steps;
  for (std::size_t i = 1; before + (static_cast<double>(i) + sliver) * by < 1 && i < steps_max; ++i)
    steps.push_back(before + static_cast<double>(i) * by);
  steps.push_back(1);
  return steps;
}

std::vector<double> exponential_steps(double before, double factor) {
  std::vector<double> steps;
  for (double step = std::max(0.01, before * factor); step < 1 && steps.size() + 1 < steps_max;
       step *= factor)
    steps.push_back(step);
  steps.push_back(1);
  return steps;
}

}  // namespace sluice::rollout
