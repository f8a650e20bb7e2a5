#include "health/endpoint.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include <fmt/format.h>

namespace sluice::health {
namespace {

using enum Verdict;

constexpr std::array verdicts{unknown, up, degraded, drained, down};

// Drained is what the endpoint asked for, so its first success without that word is enough to come back.
constexpr auto table = std::to_array<Transition>({
    {unknown, Cause::success, up},
    {unknown, Cause::failure, down},
    {unknown, Cause::told_drain, drained},
    {unknown, Cause::told_down, down},
    {up, Cause::fallen, down},
    {up, Cause::slowed, degraded},
    {up, Cause::told_drain, drained},
    {up, Cause::told_down, down},
    {degraded, Cause::fallen, down},
    {degraded, Cause::quickened, up},
    {degraded, Cause::told_drain, drained},
    {degraded, Cause::told_down, down},
    {drained, Cause::success, up},
    {drained, Cause::fallen, down},
    {drained, Cause::told_down, down},
    {down, Cause::risen, up},
    {down, Cause::told_drain, drained},
});

const Transition* find_transition(Verdict from, Cause cause) {
  const auto found = std::find_if(table.begin(), table.end(), [=](const Transition& transition) {
    return transition.from == from && transition.cause == cause;
  });
  return found == table.end() ? nullptr : &*found;
}

bool is_slow(const Rules& rules, const ProbeResult& result) {
  return rules.slow && result.took > *rules.slow;
}

// The counts with the latest result in them.
void count(State& state, const Rules& rules, const ProbeResult& result) {
  if (!result.success) {
    state.successes = state.slow = state.quick = 0;
    state.failures = std::min(state.failures + 1, rules.fall);
    return;
  }
  state.successes = std::min(state.successes + 1, std::max(rules.rise, rules.clear));
  if (state.successes >= rules.clear) state.failures = 0;
  const bool slow = is_slow(rules, result);
  state.slow = slow ? std::min(state.slow + 1, rules.fall) : 0;
  state.quick = slow ? 0 : std::min(state.quick + 1, rules.rise);
}

// A hold-down is never longer than it may be: what seems so was written by a clock that has been set back
// since.
bool is_held(const State& state, const Rules& rules, Time now) {
  return now < state.held_until && state.held_until - now <= rules.hold_down_max;
}

// All that speaks for a change, the strongest first.
std::array<std::optional<Cause>, 4> causes(const State& state, const Rules& rules, const ProbeResult& result,
                                           Time now) {
  const auto when = [](bool condition, Cause cause) {
    return condition ? std::optional(cause) : std::nullopt;
  };
  if (result.word == Word::down) return {Cause::told_down};
  if (result.word == Word::drain || (result.success && state.share == 0)) return {Cause::told_drain};
  if (!result.success) return {when(state.failures >= rules.fall, Cause::fallen), Cause::failure};
  const bool risen = state.successes >= rules.rise && !is_held(state, rules, now);
  // A drained endpoint that was down before has to prove itself like any other.
  const bool was_well = state.failures < rules.fall && !is_held(state, rules, now);
  return {when(risen, Cause::risen), when(state.slow >= rules.fall, Cause::slowed),
          when(state.quick >= rules.rise, Cause::quickened), when(risen || was_well, Cause::success)};
}

std::string in_a_row(unsigned count, std::string_view one, std::string_view many) {
  return count == 1 ? fmt::format("one {}", one) : fmt::format("{} {} in a row", count, many);
}

std::string reason(Cause cause, const State& state, const Rules& rules) {
  switch (cause) {
    case Cause::success:
    case Cause::failure:
      return "the first result";
    case Cause::risen:
      return in_a_row(rules.rise, "success", "successes");
    case Cause::fallen:
      return state.failures == 1 ? "one failure" : fmt::format("{} failures", state.failures);
    case Cause::slowed:
      return in_a_row(rules.fall, "slow answer", "slow answers");
    case Cause::quickened:
      return in_a_row(rules.rise, "quick answer", "quick answers");
    case Cause::told_drain:
    case Cause::told_down:
      return "it says so itself";
  }
  return {};
}

// hold_down after the second fall, and twice as long after each further one.
Duration hold_down(const Rules& rules, unsigned falls) {
  if (falls < 2) return {};
  Duration hold = rules.hold_down;
  for (unsigned i = 2; i < falls && hold < rules.hold_down_max; ++i) hold *= 2;
  return std::min(hold, rules.hold_down_max);
}

// What a change of the verdict from `before` brings with it, beside the verdict.
void enter(State& state, const State& before, const Rules& rules, Time now) {
  state.since = now;
  if (state.verdict == down && before.verdict != unknown) {
    const bool has_past = serves(before.verdict) && before.serving_since + rules.hold_down_max > now;
    state.falls = has_past ? std::min(state.falls + 1, falls_max) : 1;
    const auto hold = hold_down(rules, state.falls);
    state.held_until = hold > Duration{} ? now + hold : Time{};
  }
  const bool recovered = state.verdict == up && (before.verdict == down || before.verdict == drained);
  if (recovered) state.failures = 0;
  if (recovered && rules.slow_start > Duration{}) state.warm_since = now;
  if (serves(state.verdict) && !serves(before.verdict)) state.serving_since = now;
  if (!serves(state.verdict)) state.warm_since = {};
}

// How far a slow start has come, in whole steps; at least one.
unsigned warm_steps(const State& state, const Rules& rules, Time now) {
  if (state.warm_since == Time{} || rules.slow_start <= Duration{}) return slow_start_steps;
  const auto passed = std::chrono::duration_cast<Duration>(now - state.warm_since);
  if (passed < -rules.slow_start) return slow_start_steps;  // a clock that was set back
  if (passed < Duration{}) return 1;
  if (passed >= rules.slow_start) return slow_start_steps;
  return std::max(1U, static_cast<unsigned>(passed * slow_start_steps / rules.slow_start));
}

}  // namespace

const char* to_text(Verdict verdict) {
  switch (verdict) {
    case unknown:
      return "unknown";
    case up:
      return "up";
    case degraded:
      return "degraded";
    case drained:
      return "drained";
    case down:
      return "down";
  }
  return "";
}

std::optional<Verdict> parse_verdict(std::string_view text) {
  const auto found = std::find_if(verdicts.begin(), verdicts.end(),
                                  [=](Verdict verdict) { return text == to_text(verdict); });
  return found == verdicts.end() ? std::nullopt : std::optional(*found);
}

bool is_silence(const ProbeResult& result) {
  return !result.success && result.word == Word::none && !result.answered;
}

State shifted(State state, Duration shift) {
  for (auto* time :
       {&state.since, &state.serving_since, &state.held_until, &state.warm_since, &state.last_at})
    if (*time != Time{}) *time += shift;
  return state;
}

bool serves(Verdict verdict) { return verdict == up || verdict == degraded; }

Step step(const State& state, const Rules& rules, const ProbeResult& result, Time now) {
  assert(rules.rise > 0 && rules.fall > 0 && rules.clear > 0);
  Step step{state, false, {}};
  State& next = step.state;
  count(next, rules, result);
  const bool says_share = (result.success || result.word == Word::down) && !result.keeps_share;
  next.share = says_share ? result.share : state.share;
  next.last = result;
  next.last_at = now;
  for (const auto& cause : causes(next, rules, result, now)) {
    const auto* transition = cause ? find_transition(state.verdict, *cause) : nullptr;
    if (transition == nullptr) continue;
    next.verdict = transition->to;
    step.changed = true;
    step.why = reason(*cause, next, rules);
    enter(next, state, rules, now);
    break;
  }
  return step;
}

double share(const State& state, const Rules& rules, Time now) {
  if (!serves(state.verdict)) return 0;
  const double warm = static_cast<double>(warm_steps(state, rules, now)) / slow_start_steps;
  return state.share * warm * (state.verdict == degraded ? rules.degraded_share : 1);
}

std::optional<Time> next_share(const State& state, const Rules& rules, Time now) {
  if (!serves(state.verdict)) return {};
  const unsigned steps = warm_steps(state, rules, now);
  if (steps == slow_start_steps) return {};
  // Rounded up, so that the step is reached then.
  return state.warm_since +
         (rules.slow_start * (steps + 1) + Duration(slow_start_steps - 1)) / slow_start_steps;
}

std::optional<Time> slow_start_end(const State& state, const Rules& rules, Time now) {
  if (!serves(state.verdict) || warm_steps(state, rules, now) == slow_start_steps) return {};
  return state.warm_since + rules.slow_start;
}

namespace {

// How many results at least take it to another verdict, where there are signs of that; none: there are not.
std::optional<unsigned> results_to_change(const State& state, const Rules& rules) {
  // A reload may have lowered a rule below what has been counted.
  const auto missing = [](unsigned needed, unsigned counted) {
    return needed > counted ? needed - counted : 1;
  };
  if (state.verdict == down && state.successes > 0) return missing(rules.rise, state.successes);
  if (!serves(state.verdict)) return {};
  const bool is_up = state.verdict == up;
  const unsigned towards_other = is_up ? state.slow : state.quick;
  if (state.failures == 0 && towards_other == 0) return {};
  return std::min(missing(rules.fall, state.failures),
                  missing(is_up ? rules.fall : rules.rise, towards_other));
}

}  // namespace

std::optional<Duration> least_time_to_change(const State& state, const Rules& rules, Duration interval) {
  const auto results = results_to_change(state, rules);
  if (!results) return {};
  // The next probes are due on the grid of the last one, which was due before it could begin and end.
  const auto until_result = interval * *results - state.last.late - state.last.took;
  const bool held = state.verdict == down && is_held(state, rules, state.last_at);
  const auto until_free =
      held ? std::chrono::duration_cast<Duration>(state.held_until - state.last_at) : Duration{};
  return std::max({until_result, until_free, Duration{}});
}

std::span<const Transition> transitions() { return table; }

}  // namespace sluice::health
