// Whether the pools of a rollout are alive: those that grow, and those that its share would go back to. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control/model.hpp"
#include "rollout/rollout.hpp"

namespace sluice::control {

class Liveness {
 public:
  // They outlive it. Of the plan's pools those count that the name has.
  Liveness(const Model& model, const config::Steer& steer, const rollout::Plan& plan);

  // What is not alive of the first target that is not; empty: all are. That a family is dead everywhere, for
  // the checker has no way to it, say, is no target's fault.
  std::string dead_target() const;

  // Whether pools that are alive take what goes back; where some are not, whether no more goes to them than
  // does now.
  bool others_live() const;

 private:
  struct Pool {
    std::string name;
    bool is_target = false, had_share = false;  // had_share: and is no target
    std::optional<bool> v4{}, v6{};             // none: it has no address of the family

    bool lives() const { return v4.value_or(false) || v6.value_or(false); }
  };
  using OfFamily = std::optional<bool> Pool::*;

  bool is_lost(const Pool& target, OfFamily family) const;
  bool is_no_worse(Family family, OfFamily of_family) const;

  const Model& model_;
  const config::Steer& steer_;
  std::vector<Pool> pools_;     // the steer's, in its order
  std::vector<double> before_;  // their weights
};

}  // namespace sluice::control
