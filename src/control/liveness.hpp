// Whether the pools of a rollout are alive: those that grow, and those that its share would go back to. Pure.
#pragma once

#include <string>

#include "control/model.hpp"
#include "rollout/rollout.hpp"

namespace sluice::control {

// What is not alive of the first target that is not; empty: all are. That a family is dead everywhere, for
// the checker has no way to it, say, is no target's fault.
std::string dead_target(const Model& model, const rollout::Plan& plan);

// Whether pools that are alive take what goes back; where some are not, whether no more goes to them than
// does now.
bool others_live(const Model& model, const rollout::Plan& plan, const config::Steer& steer);

}  // namespace sluice::control
