// Presets of rollouts ([rollout.NAME]): what a start does not say itself. Pure.
#pragma once

#include "base/result.hpp"
#include "config/config.hpp"
#include "control/commands.hpp"

namespace sluice::control {

// The request with what its preset adds to it: the one that it names, or that of the steer. What the request
// says itself wins; what its command does not take is left out. The argument `preset` is then the name of the
// one that was used.
Result<Request> with_preset(const config::Config& config, const config::Steer& steer, Request request);

}  // namespace sluice::control
