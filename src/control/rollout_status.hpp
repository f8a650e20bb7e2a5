// Rollouts as the operator sees them. Pure, but for what is measured from the first look on.
#pragma once

#include <optional>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "control/commands.hpp"
#include "control/model.hpp"
#include "control/rollout_view.hpp"
#include "store/store.hpp"

namespace sluice::control {

// The running one of each name, or the last; `name`: of that alone.
Result<boost::json::object> rollouts_status(const Model& model, const Request& request,
                                            Measurements& measurements, Time now);

// Rollouts that were, newest first, without what is in answers and caches now.
boost::json::object history_status(const std::vector<store::RolloutRecord>& records, Time now);

// As text; null for none.
boost::json::value time_or_null(std::optional<Time> time);

// The rollout of the name that a request names; an error when it has had none.
Result<const rollout::Rollout*> find_rollout(const Model& model, const Request& request);

}  // namespace sluice::control
