// Changes of what a name answers that are known in advance: a rollout's next step, an operator's words that
// are scheduled, and the end of those that hold for a time. The TTL falls towards them, so that caches let go
// of the old answer in time. Pure.
//
//   TTL   30 30 30 ... 30 | 16 ... 16 | 8 ... 8 | 4 .. 4 | 2 2 | 1        by powers of two: few publications
//         ----------------+-----------+---------+--------+-----+--+-->
//         to the change:  30          15        7        3     1  0 s
#pragma once

#include <optional>
#include <set>
#include <string>

#include "base/clock.hpp"
#include "control/model.hpp"

namespace sluice::control {

struct PlannedChange {
  Time at{};
  std::string what;  // "the next step of rollout 7"
};

// The next one after `now`; nothing when none is known. One that waits for something is none.
std::optional<PlannedChange> planned_change(const Model& model, const config::Steer& steer, Time now);

// The name's TTL: model.ttl(), or what is left until the planned change, but ttl_min at least.
Duration ttl_at(const Model& model, const config::Steer& steer, Time now);

// When ttl_at() becomes another, by the passing of time alone.
std::optional<Time> next_ttl(const Model& model, const config::Steer& steer, Time now);

// Names whose TTL may be another than the config's: for which a change may be planned, or a rollout or
// rolling has lowered it.
std::set<wire::Name> names_with_other_ttl(const Model& model);

}  // namespace sluice::control
