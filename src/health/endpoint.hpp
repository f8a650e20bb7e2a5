// The health of one endpoint under one check: a state machine without I/O and without a clock.
//
//               `rise` successes in a row
//        down ------------------------------> up
//         ^   <------------------------------  |
//         |       `fall` failures in a row
//      unknown: not probed yet; the first result decides at once
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.hpp"

namespace sluice::health {

enum class Verdict : std::uint8_t { unknown, up, down };
const char* to_text(Verdict verdict);

struct Rules {
  unsigned rise = 2;
  unsigned fall = 3;
};

// What one probe brought.
struct ProbeResult {
  bool success = false;
  std::string detail;  // "200 OK", "connection refused": for a person
  Duration took{};
};

struct State {
  Verdict verdict = Verdict::unknown;
  Time since{};            // of the verdict
  unsigned successes = 0;  // in a row, up to `rise`; 0 while the last one failed
  unsigned failures = 0;   // in a row, up to `fall`
  ProbeResult last;
  Time last_at{};
};

struct Step {
  State state;
  bool changed = false;  // the verdict is another one than before
};

// The state after `result`, which came at `now`.
Step step(const State& state, const Rules& rules, const ProbeResult& result, Time now);

}  // namespace sluice::health
