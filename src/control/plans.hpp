// What a rollout or a rolling upgrade would do, when, and what would stand ready for it, as the reply to its
// start tells; also when that is a dry run. Pure.
#pragma once

#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/clock.hpp"
#include "control/model.hpp"
#include "rollout/rolling.hpp"
#include "rollout/rollout.hpp"

namespace sluice::control {

// [{at, what}] from now to the end, by `times` (rollout::earliest_times()). A step has `pools` as well: each
// with its share then, and with the endpoints that are healthy now, of all, and their weight.
boost::json::array schedule_of(const Model& model, const rollout::Plan& plan, const std::vector<Time>& times,
                               Time now);

// The same of batches; `pools` is what is left of the pool without the batch.
boost::json::array schedule_of(rolling::Rolling rolling, const rolling::View& view,
                               const rollout::Allowed& allowed, Time now);

// Adds `sides`, who has the traffic now and who would have it, each with its healthy endpoints and their
// weight, and `warnings` in words: what is no reason to refuse the switch, but one to think again.
void add_sides(const Model& model, const rollout::Plan& plan, boost::json::object& reply);

}  // namespace sluice::control
