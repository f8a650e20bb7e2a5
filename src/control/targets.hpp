// What a config has probed, and how long that takes at first.
#pragma once

#include <vector>

#include "base/clock.hpp"
#include "config/config.hpp"
#include "probe/prober.hpp"

namespace sluice::control {

// Each once, however many pools it is in.
std::vector<probe::Target> targets_of(const config::Config& config);

// Whether the target is one of this check's, as the check is now; port and Host field may be an endpoint's
// own.
bool is_probe_of(const probe::Target& target, const config::Check& check);

// No answer depends on a target before its probe has had its time, as long as that is bearable. Logs when it
// is not.
Duration first_round_limit(const std::vector<probe::Target>& targets);

}  // namespace sluice::control
