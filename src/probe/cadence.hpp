// When a target is probed. Due times stand on a grid that the target's phase fixes, so that they neither
// drift with how long probes take nor come in bursts when many targets start together.
//
//   start  phase      phase + interval   phase + 2 intervals
//     |------|---------------|---------------------|----->        0 <= phase < interval
//   first                  second                third            the first: at the phase at the latest
//
// When many start together, their first probes are spread over `first_window_max`, in the order of their
// phases. Those that are due within a few milliseconds begin together: one wake-up, and what follows from it,
// then serves all of them.
#pragma once

#include <chrono>
#include <vector>

#include "probe/prober.hpp"

namespace sluice::probe {

using Clock = std::chrono::steady_clock;  // an interval is not to change when somebody sets the wall clock

// The same for a target in every process: two daemons that probe one endpoint keep their own rhythm after a
// restart.
Duration phase_of(const Target& target);

// As many new targets may begin at once: that is no burst.
inline constexpr std::size_t begin_at_once_max = 64;

// The first probes of more of them are spread over so much, or over their interval where that is less.
inline constexpr Duration first_window_max{2000};

// From the start to the target's first probe, when it is one of `count` new ones.
Duration first_delay(const Target& target, std::size_t count);

// From the start to the second one: on the grid, and an interval after the first at least, so that `fall`
// failures take their time from the first probe on.
Duration second_delay(const Target& target);

// By when each of these, which begin together, has its first result, even if all of them time out.
Duration first_round_time(const std::vector<Target>& targets);

// How far apart those are that begin together: nobody sees it in an interval of a second, and with thousands
// of targets it is tens of probes for each time that the thread wakes up.
inline constexpr Duration beat{5};

// When the probe that is due then begins: at the next beat.
Clock::time_point begin_of(Clock::time_point due);

// The due time after `due`, whose probe began at `began` and has ended at `now`. A probe that ended long
// after its time leaves times of the grid out. One that waited long for a place leaves the grid: the next one
// is three quarters of an interval after its begin at least, so that `fall` failures take their time then,
// too.
Clock::time_point next_due(Clock::time_point due, Duration interval, Clock::time_point began,
                           Clock::time_point now);

}  // namespace sluice::probe
