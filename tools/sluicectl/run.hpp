// Carries out what was typed.
#pragma once

#include "command_line.hpp"
#include "render.hpp"

namespace sluice::ctl {

ExitCode run(const Invocation& invocation, Style style);

// False when it could not be written, which is then said.
bool flush_output();

}  // namespace sluice::ctl
