// What a rollout is to do: the plan that was asked for, and the shares and weights of its steps. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "rollout/analysis.hpp"

namespace sluice::rollout {

enum class Strategy : std::uint8_t {
  canary,    // in steps
  bluegreen  // all at once
};
const char* to_text(Strategy strategy);

struct PoolWeight {
  std::string pool;
  double weight = 0;
  friend bool operator==(const PoolWeight&, const PoolWeight&) = default;
};

// What was asked for; does not change.
struct Plan {
  Strategy strategy = Strategy::canary;
  std::string name;                 // that is steered
  std::vector<PoolWeight> targets;  // the pools that grow: one at least, above 0 each, to one another
  std::vector<double> steps;        // their share of 1 at each; ascending, the last one at most 1
  Duration hold{};                  // of each step
  bool gates = false;               // after each hold, wait for a promote
  Duration ttl{};                   // of answers while it runs; at most `ttl_before`
  Duration ttl_before{};            // what it was, and will be
  Duration grace{};                 // after each change of shares, for caches that keep answers longer
  bool overridden = false;          // the weights of before were not the config's
  std::vector<PoolWeight> before;   // all pools of the name, the targets among them
  std::vector<AnalysisRules> analyses{};
  // A class of clients that is led to the one target in a step of its own, the first one, at which its share
  // is that of before; empty: none.
  std::string client_class{};
  std::optional<std::string> route_before{};  // what was set at run time for the class; "": to lead nowhere
  friend bool operator==(const Plan&, const Plan&) = default;
};

// Whether it is the step of the class alone.
bool is_class_step(const Plan& plan, std::size_t step);

// "5 %", or "class testers".
std::string step_text(const Plan& plan, std::size_t step);
std::string percent(double share);

// Whether the analysis is of use there: one relative to the old pools is not where they have nothing left.
bool is_asked_at(const AnalysisRules& rules, const Plan& plan, std::size_t step);

// The weights that give the targets so much together, and leave the others in proportion to one another. The
// present ones when it is the share of before.
std::vector<PoolWeight> weights(const Plan& plan, double share);
double share_before(const Plan& plan);

// The same for the pools that the name has now, of which the plan may not know all: of those it says nothing.
// What pools had that are gone goes to the others, in proportion, and the targets have what they would have.
std::vector<PoolWeight> weights(const Plan& plan, double share, const std::vector<std::string>& pools);

// Whether the name has all that it takes: the targets, and one that had a share beside them.
bool is_possible(const Plan& plan, const std::vector<std::string>& pools);

// The weights alone, in their order.
std::vector<double> weights_of(const std::vector<PoolWeight>& parts);

// What each target has of it: each grows evenly from what it had before to its part of all.
std::vector<double> shares_of_targets(const Plan& plan, double share);

bool is_target(const Plan& plan, std::string_view pool);

// "v2", "v2,v3", "v2=2,v3=1", and back.
std::string targets_text(const Plan& plan);
Result<std::vector<PoolWeight>> parse_targets(std::string_view text);

// Why a plan cannot be carried out; nothing when it can.
std::optional<Error> objection(const Plan& plan);

// "1, 5, 25, 50, 100" in percent, ascending; "10%" and the like are as good.
Result<std::vector<double>> parse_steps(std::string_view text);

// From `before` on, each step `by` more (of 1), or `factor` times as much, the first one 1 %; the last is 1.
// Of linear steps it is what is left, with the one before it when less than a tenth of a step is: 33 % is 33,
// 66 and 100, and 30 % is 30, 60, 90 and 100, as nobody expects 40 % at once who has said 30.
std::vector<double> linear_steps(double before, double by);
std::vector<double> exponential_steps(double before, double factor);

}  // namespace sluice::rollout
