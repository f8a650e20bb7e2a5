// The two sides of a switch as its plan shows them: what stands ready on each. Pure.
#pragma once

#include <boost/json/object.hpp>

#include "control/model.hpp"
#include "rollout/rollout.hpp"

namespace sluice::control {

// Adds `sides`, who has the traffic now and who would have it, each with its healthy endpoints and their
// weight, and `warnings` in words: what is no reason to refuse the switch, but one to think again.
void add_sides(const Model& model, const rollout::Plan& plan, boost::json::object& reply);

}  // namespace sluice::control
