// The rules of [safety], which every change of a name's weights, and of the endpoints that it hands out, is
// held against, by whomever it is made. Pure.
//
//   what is, and what would be --violation()--> the rule that forbids it, with the value and the limit
//   when                       --frozen()-----> the window that does
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "config/config.hpp"
#include "control/commands.hpp"
#include "control/model.hpp"
#include "rollout/rollout.hpp"

namespace sluice::control {

// One pool of a name, as the rules see it.
struct PoolSight {
  std::string pool;
  double share = 0;           // of the name's answers, by its weight
  double capacity = 0;        // the part of its weight that is healthy, and not taken out
  std::size_t endpoints = 0;  // of that part
  friend bool operator==(const PoolSight&, const PoolSight&) = default;
};
using Sight = std::vector<PoolSight>;  // in the order of the steer's pools

// Why the one must not become the other; nothing when it may.
std::optional<std::string> violation(const config::Safety& rules, const Sight& before, const Sight& after);

// Why nothing may be changed now. `unfrozen_until`: until then an operator has allowed it.
std::optional<std::string> frozen(std::span<const config::FreezeWindow> windows, Time unfrozen_until,
                                  Time now);

// When what is due may be done. The windows have to outlive it.
rollout::Allowed times_unfrozen(std::span<const config::FreezeWindow> windows, Time unfrozen_until);

// What a request's `override-freeze` comes to. Refused without a reason.
struct FreezeOverride {
  Time until{};      // of the windows; 1970 when there is nothing to override
  std::string text;  // for its event; empty when there is nothing
};
Result<FreezeOverride> freeze_override(const Request& request, std::span<const config::FreezeWindow> windows,
                                       Time now);

// Why the weights must not become `after`, whatever the time.
std::optional<std::string> weights_objection(const Model& model, const config::Steer& steer,
                                             const std::vector<double>& before,
                                             const std::vector<double>& after);

// Why these endpoints must not be taken out of answers. Those that are not in answers may be.
std::optional<std::string> taking_objection(const Model& model, const std::set<wire::Destination>& taken);

// Endpoints that are taken out one after the other, each held against the rules together with all before it:
// each alone might be bearable. Sums are kept of what is left, as there may be thousands.
class Taking {
 public:
  explicit Taking(const Model& model) : model_(model) {}  // which stays as it is

  // Why these must not be taken out, too. Nothing when they may: then they are.
  std::optional<std::string> take(std::span<const wire::Destination> endpoints);

 private:
  struct PoolLeft {
    PoolSight before, now;  // without the share
    double all = 0, healthy = 0;
    std::map<wire::Destination, double> usable;  // with their weights
  };
  struct Taken {
    PoolLeft* pool;
    double healthy_before;
    std::map<wire::Destination, double>::node_type endpoint;
  };
  using Positions = std::vector<std::uint32_t>;  // of steers of the config

  const Positions& steers_with(const std::string& pool);
  PoolLeft& left_of(const std::string& pool);
  void take_from(PoolLeft& pool, const wire::Destination& endpoint, std::vector<Taken>& taken);
  void give_back(std::vector<Taken> taken);
  std::optional<std::string> objection(const config::Steer& steer);

  const Model& model_;
  std::optional<std::unordered_map<std::string_view, Positions>> steers_;  // that have rules, by pool
  std::unordered_map<std::string_view, PoolLeft> left_;                    // of their pools
};

// Those of all names that the pool may answer for.
std::vector<config::FreezeWindow> freeze_windows(const config::Config& config, const config::Pool& pool);

// Why a class must not be led to the pool, whatever the time. How many clients that are nobody knows, so that
// no rule about shares can be held against it.
std::optional<std::string> route_objection(const Model& model, const config::Steer& steer,
                                           const std::string& pool);

}  // namespace sluice::control
