// Carries out what was typed.
#pragma once

#include "command_line.hpp"
#include "render.hpp"

namespace sluice::ctl {

ExitCode run(const Invocation& invocation, Style style);

}  // namespace sluice::ctl
