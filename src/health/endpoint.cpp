#include "health/endpoint.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace sluice::health {
namespace {

// The whole of the decision; the counts are those after the latest result.
Verdict decide(Verdict verdict, const Rules& rules, unsigned successes, unsigned failures) {
  switch (verdict) {
    case Verdict::unknown:
      return successes > 0 ? Verdict::up : Verdict::down;
    case Verdict::down:
      return successes >= rules.rise ? Verdict::up : Verdict::down;
    case Verdict::up:
      return failures >= rules.fall ? Verdict::down : Verdict::up;
  }
  return verdict;
}

}  // namespace

const char* to_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::unknown:
      return "unknown";
    case Verdict::up:
      return "up";
    case Verdict::down:
      return "down";
  }
  return "";
}

Step step(const State& state, const Rules& rules, const ProbeResult& result, Time now) {
  assert(rules.rise > 0 && rules.fall > 0);
  State next = state;
  next.successes = result.success ? std::min(state.successes + 1, rules.rise) : 0;
  next.failures = result.success ? 0 : std::min(state.failures + 1, rules.fall);
  next.verdict = decide(state.verdict, rules, next.successes, next.failures);
  next.last = result;
  next.last_at = now;
  const bool changed = next.verdict != state.verdict;
  if (changed) next.since = now;
  return {std::move(next), changed};
}

}  // namespace sluice::health
