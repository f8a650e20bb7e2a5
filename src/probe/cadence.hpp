// When a target is probed. Due times stand on a grid that the target's phase fixes, so that they neither
// drift with how long probes take nor come in bursts when many targets start together.
//
//   start  phase      phase + interval   phase + 2 intervals
//     |------|---------------|---------------------|----->        0 <= phase < interval
//   first  second          third
#pragma once

#include <chrono>

#include "probe/prober.hpp"

namespace sluice::probe {

using Clock = std::chrono::steady_clock;  // an interval is not to change when somebody sets the wall clock

// The same for a target in every process: two daemons that probe one endpoint keep their own rhythm after a
// restart.
Duration phase_of(const Target& target);

// The due time after `due`, whose probe has ended at `now`. A probe that waited for a place may be late by
// more than an interval; times that have passed wholly are left out then, instead of probing several times at
// once.
Clock::time_point next_due(Clock::time_point due, Duration interval, Clock::time_point now);

}  // namespace sluice::probe
