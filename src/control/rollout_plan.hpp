// What a request to start a rollout comes to, with the defaults of what it does not say. Pure.
#pragma once

#include "base/result.hpp"
#include "control/commands.hpp"
#include "control/model.hpp"
#include "rollout/plan.hpp"

namespace sluice::control {

// Refused when it makes no sense for the name, or the pools as they are.
Result<rollout::Plan> plan_rollout(const Model& model, const config::Steer& steer, const Request& request,
                                   rollout::Strategy strategy);

}  // namespace sluice::control
