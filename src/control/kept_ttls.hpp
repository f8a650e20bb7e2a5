// The TTLs with which steered names are handed out, as the store keeps them: a process that begins inherits
// the leases of the one before, and its config may say a shorter TTL than that had. Pure.
//
//   about to be published    new_ttls()         the config's TTL is stored before an answer has it
//   published                past_ttls()        until when caches hold answers with a TTL that is no more
//   the next start           inherited_lease()  the latest end of all of them, of a name or of any
//
// Weights, health and rollouts only lower the TTL of single answers: for those nothing is stored.
#pragma once

#include <vector>

#include "base/clock.hpp"
#include "control/model.hpp"
#include "rollout/leases.hpp"

namespace sluice::control {

// What has to be stored before the config is published.
std::vector<store::Change> new_ttls(const Model& model);

// What can be stored once it was, and nothing else is handed out any more; `now` is not before that.
std::vector<store::Change> past_ttls(const Model& model, Time now);

// Until when caches may hold what processes before the one that began at `started` have handed out. Never too
// early, when it is called before past_ttls().
rollout::LeaseEnd inherited_lease(const Model& model, const wire::Name& name, Time started);

// Of whatever name, also of one that the config has no more: which endpoints each had is not stored.
rollout::LeaseEnd inherited_lease(const Model& model, Time started);

}  // namespace sluice::control
