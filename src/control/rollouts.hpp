// Rollouts as the director sees them: what a request or the passing of time comes to for one, as changes of
// the store. Pure: what was answered is counted by others (Measurements).
#pragma once

#include <optional>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "control/analyses.hpp"
#include "control/commands.hpp"
#include "control/model.hpp"
#include "control/rollout_view.hpp"
#include "rollout/rollout.hpp"

namespace sluice::control {

Result<Decision> start_rollout(const Model& model, const Request& request, rollout::Strategy strategy,
                               Time now, const LeasesOfName& leases = {});

// What an operator's word about the rollout of a name comes to.
Result<Decision> say_to_rollout(const Model& model, const Request& request, rollout::Word word,
                                Measurements& measurements, Time now);

// What has come due by `now`, of all rollouts.
Decision due_rollouts(const Model& model, Measurements& measurements, Time now);

// What the result of an analysis comes to. Nothing when the rollout is elsewhere by now.
Decision take_finding(const Model& model, const DueAnalysis& due, rollout::Finding finding,
                      Measurements& measurements, Time now);

// When the next one is due, that of those which were looked at last at `looked`.
std::optional<Time> next_rollout(const Model& model, const Measurements& measurements, Time looked);

// Why nobody but a rollout may change the weights of a name now; nothing when anybody may.
std::optional<Error> rollout_in_the_way(const Model& model, const config::Steer& steer);

}  // namespace sluice::control
