// The line by which an agent beside a service says how it is, as HAProxy's agent-check has it: words in any
// order, separated by spaces, tabs or commas, and perhaps a remark.
//
//   up  ready  75%      it gets traffic, the percentage being its share until a line has another
//   drain  maint  0%    no new traffic, by intention; after 0% until a line has another percentage
//   down  failed  fail  stopped
//   down 50% #overheated
#pragma once

#include <string_view>

#include "health/endpoint.hpp"

namespace sluice::probe {

// How much of what an agent says is read: up to the first line end, or so many octets.
inline constexpr std::size_t agent_size_max = 256;

// Ends `line` at its first line end, if it has one; says whether it had.
bool cut_line(std::string_view& line);

// What the line says, which is without its end. Of words that contradict each other the last one counts, as
// with HAProxy; what is down is down whatever else is said.
health::ProbeResult judge_agent(std::string_view line, Duration took);

}  // namespace sluice::probe
