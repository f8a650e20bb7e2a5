#include "rollout/rollout.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.hpp"

namespace sluice::rollout {
namespace {

using namespace std::chrono_literals;

// How far the answered share may be from what it should be: by chance as much as three standard deviations,
// and this much in any case.
constexpr double tolerance = 0.01;
constexpr double deviations = 3;

// While the share goes back little by little.
constexpr Duration return_step = 1s;

// Between two looks at what a step waits for.
constexpr Duration retry = 1s;

double target(const Rollout& rollout) {
  const auto& plan = rollout.plan;
  const auto& state = rollout.state;
  return is_class_step(plan, state.step) ? share_before(plan) : plan.steps[state.step];
}

// What is answered stays the same.
State go_on(State state, Phase phase, Time now) {
  state.phase = phase;
  state.since = now;
  state.held = {};
  state.waits_for.clear();
  return state;
}

// From now on another share is answered; what was answered until now may stay in caches until then, and what
// was there before for as long as it may.
State enter(State state, Phase phase, LeaseEnd until, Time now) {
  if (until.at > state.caches_until) {
    state.caches_until = until.at;
    state.caches_ttl = until.ttl;
  }
  return go_on(std::move(state), phase, now);
}

LeaseEnd operator+(const LeaseEnd& end, Duration more) { return {end.at + more, end.ttl}; }

Turn begin_step(const Rollout& rollout, std::size_t step, Time now) {
  const auto& plan = rollout.plan;
  auto state = enter(rollout.state, Phase::moving, lease_from(now, plan.ttl) + plan.grace, now);
  state.from = share(rollout, now);
  state.skipped = state.moved ? step - state.step - 1 : step;
  state.moved = true;
  state.step = step;
  state.counts.clear();
  return {std::move(state),
          {{"rollout.step", fmt::format("step {} of {}: {} to {}", step + 1, plan.steps.size(),
                                        step_text(plan, step), targets_text(plan))}}};
}

// An operator may have ended the last step before its time.
Turn finish(const Rollout& rollout, const View& view, Time now) {
  const auto caches = caches_until(rollout, view);
  const auto left = caches > now ? "caches may hold what was answered before until " + sluice::to_text(caches)
                                 : "no cache holds what was answered before";
  auto state = go_on(rollout.state, Phase::done, now);
  state.caches_until = caches;
  return {std::move(state),
          {{"rollout.done",
            fmt::format("{} has {}, and {}", targets_text(rollout.plan), percent(target(rollout)), left)}}};
}

Turn next_step(const Rollout& rollout, const View& view, Time now) {
  const auto next = rollout.state.step + 1;
  return next < rollout.plan.steps.size() ? begin_step(rollout, next, now) : finish(rollout, view, now);
}

// Before the first step there is nothing to go back from, and no cache to wait for.
Turn end_unmoved(const Rollout& rollout, std::string kind, std::string reason, Time now) {
  auto state = go_on(rollout.state, Phase::returned, now);
  state.from = share_before(rollout.plan);
  state.paused.reset();
  state.reason = std::move(reason);
  auto text = fmt::format("{} stays at {}, nothing has moved: {}", targets_text(rollout.plan),
                          percent(state.from), state.reason);
  return {std::move(state), {{std::move(kind), std::move(text)}}};
}

// What is answered until then may stay in caches for so long. After the end it has the TTL of before, or
// another one by now.
LeaseEnd held_from(const Rollout& rollout, const View& view, Time now) {
  if (rollout.state.phase != Phase::done) return lease_from(now, rollout.plan.ttl);
  const auto end = lease_from(now, rollout.plan.ttl_before);
  return view.held ? later(end, *view.held) : end;
}

Turn begin_return(const Rollout& rollout, const View& view, Duration over, std::string kind,
                  std::string reason, Time now) {
  if (rollout.state.phase == Phase::arming)
    return end_unmoved(rollout, std::move(kind), std::move(reason), now);
  const auto& plan = rollout.plan;
  const double present = share(rollout, now);
  auto before = rollout.state;
  // It was to take longer: what counts is what was answered when that began.
  if (before.phase == Phase::returning)
    before.caches_until =
        before.since + time_in_caches(std::max(plan.ttl_before, before.caches_ttl)) + plan.grace;
  const auto held = held_from(rollout, view, now);
  auto state = enter(std::move(before), Phase::returning, held + over + plan.grace, now);
  state.from = present;
  state.over = over;
  state.sent_back_by.clear();
  state.paused.reset();
  state.reason = std::move(reason);
  auto text = fmt::format("{} goes from {} back to {}{}: {}", targets_text(plan), percent(present),
                          percent(share_before(plan)),
                          over == Duration::zero() ? "" : " over " + sluice::to_text(over), state.reason);
  if (leads_class(rollout)) text += fmt::format("; class {} at once", plan.client_class);
  return {std::move(state), {{std::move(kind), std::move(text)}}};
}

// There is nothing to do but to let time pass.
Turn pass(const Rollout& rollout) {
  Turn turn{rollout.state};
  turn.state.waits_for.clear();
  return turn;
}

// Figures change all the time.
std::string without_digits(std::string text) {
  std::erase_if(text, is_digit);
  return text;
}

// Time is over, and it does not go on: says why when that is another thing than before.
Turn wait(const Rollout& rollout, std::string why) {
  Turn turn{rollout.state};
  if (without_digits(turn.state.waits_for) != without_digits(why))
    turn.notes.push_back({"rollout.wait", why});
  turn.state.waits_for = std::move(why);
  return turn;
}

// What happens when a target has died: the share goes back, if there is somewhere to go.
std::optional<Turn> meet_death(const Rollout& rollout, const View& view, Time now) {
  if (view.dead_target.empty()) return {};
  if (view.others_live)
    return begin_return(rollout, view, {}, "rollout.abort", fmt::format("{} is not alive", view.dead_target),
                        now);
  return wait(rollout,
              fmt::format("neither {} is alive nor who would have to take its share", view.dead_target));
}

// The first analysis that has failed: then the share goes back, if there is somewhere to go.
std::optional<Turn> meet_failure(const Rollout& rollout, const View& view, Time now) {
  const auto& plan = rollout.plan;
  const auto& state = rollout.state;
  for (std::size_t i = 0; i < plan.analyses.size(); ++i) {
    if (!is_analysed(rollout, i)) continue;
    const auto counts = counts_of(state, i);
    if (!has_failed(plan.analyses[i], counts)) continue;
    const auto why = fmt::format("analysis {} has failed: {}", plan.analyses[i].name, counts.failure);
    if (view.others_live || state.phase == Phase::arming)
      return begin_return(rollout, view, {}, "rollout.abort", why, now);
    return wait(rollout, why + "; but who would have to take its share is not alive");
  }
  return {};
}

bool is_within_tolerance(double share, std::uint64_t answers_of_target, const View& view) {
  const auto count = static_cast<double>(view.answers);
  const double answered = static_cast<double>(answers_of_target) / count;
  return std::abs(answered - share) <=
         std::max(tolerance, deviations * std::sqrt(share * (1 - share) / count));
}

bool is_within_tolerance(const std::vector<double>& shares, const View& view) {
  if (view.answers == 0) return true;  // nobody asks: nobody is sent the wrong way
  // Each client keeps its answer: how many fall to a target depends on who asks, and no time makes it less
  // so.
  if (view.sticky) return true;
  for (std::size_t i = 0; i < shares.size(); ++i)
    if (!is_within_tolerance(shares[i], view.answers_of_targets.at(i), view)) return false;
  return true;
}

// "30 of 100 answers were v2's", "20 and 10 of 100 answers were v2's and v3's"
std::string answered_text(const Plan& plan, const View& view) {
  std::vector<std::string> pools;
  for (const auto& target : plan.targets) pools.push_back(target.pool + "'s");
  return view.answers == 0
             ? "there were no answers"
             : fmt::format("{} of {} answers were {}", fmt::join(view.answers_of_targets, " and "),
                           view.answers, fmt::join(pools, " and "));
}

std::string percents(const std::vector<double>& shares) {
  std::vector<std::string> texts;
  for (const double share : shares) texts.push_back(percent(share));
  return fmt::format("{}", fmt::join(texts, " and "));
}

// Whether what its step says is answered, and not what was before.
bool is_in_force(Phase phase) {
  return phase != Phase::arming && phase != Phase::returning && phase != Phase::returned;
}

std::string hold_text(const Plan& plan) {
  return plan.hold == Duration::zero() ? "no hold" : "the hold of " + sluice::to_text(plan.hold) + " begins";
}

Turn settle(const Rollout& rollout, const View& view, Time now) {
  const auto& plan = rollout.plan;
  if (now < view.measured_since + plan.ttl) return {rollout.state};  // what was found last is why it measures
  const auto wanted = shares_of_targets(plan, target(rollout));
  const auto answered = answered_text(plan, view);
  if (is_within_tolerance(wanted, view))
    return {go_on(rollout.state, Phase::holding, now),
            {{"rollout.hold", fmt::format("{}; {}", answered, hold_text(plan))}}};
  auto turn =
      wait(rollout, fmt::format("{} instead of {}: the step is not done", answered, percents(wanted)));
  turn.measure_anew = true;
  return turn;
}

// The step is due.
Turn step_if_allowed(const Rollout& rollout, std::size_t step, const View& view, Time now) {
  if (view.forbidden.empty()) return begin_step(rollout, step, now);
  return wait(rollout,
              fmt::format("the next step, {} to {}, has to wait: {}", percent(rollout.plan.steps[step]),
                          targets_text(rollout.plan), view.forbidden));
}

// Why its analyses do not let it go on; empty: they do, or it has none now.
std::string hindrance_of(const Rollout& rollout, Time now) {
  for (std::size_t i = 0; i < rollout.plan.analyses.size(); ++i) {
    if (!is_analysed(rollout, i)) continue;
    if (auto why = hindrance(rollout.plan.analyses[i], counts_of(rollout.state, i), now); !why.empty())
      return why;
  }
  return "";
}

Turn arm(const Rollout& rollout, const View& view, Time now) {
  const auto& state = rollout.state;
  if (state.paused || now < caches_until(rollout, view)) return pass(rollout);
  if (const auto why = hindrance_of(rollout, now); !why.empty())
    return wait(rollout, "the TTL is lowered everywhere, but before the switch " + why);
  return step_if_allowed(rollout, 0, view, now);
}

Turn hold(const Rollout& rollout, const View& view, Time now) {
  const auto& state = rollout.state;
  if (state.paused || now - state.since + state.held < rollout.plan.hold) return pass(rollout);
  if (const auto why = hindrance_of(rollout, now); !why.empty())
    return wait(rollout, "the hold is over, but " + why);
  const bool last = state.step + 1 == rollout.plan.steps.size();
  if (last) return finish(rollout, view, now);
  if (!rollout.plan.gates) return step_if_allowed(rollout, state.step + 1, view, now);
  return {go_on(state, Phase::gated, now),
          {{"rollout.gate", fmt::format("{} at {} waits for a promote", targets_text(rollout.plan),
                                        percent(target(rollout)))}}};
}

// Lately: within a TTL.
bool is_asked_for(const Plan& plan, const View& view, Time now) {
  return !view.answered_last || *view.answered_last + plan.ttl > now;
}

Turn move(const Rollout& rollout, const View& view, Time now) {
  if (now < caches_until(rollout, view)) return pass(rollout);
  Turn turn{go_on(rollout.state, Phase::settling, now),
            {{"rollout.settle", "no cache holds answers of the step before"}}};
  turn.state.caches_until = caches_until(rollout, view);
  // Nobody has been answered, so that the answered share is what it should be.
  if (view.answers > 0 || is_asked_for(rollout.plan, view, now)) return turn;
  turn.state = go_on(std::move(turn.state), Phase::holding, now);
  turn.notes.push_back({"rollout.hold", "nobody has been answered for a TTL; " + hold_text(rollout.plan)});
  return turn;
}

bool goes_back_slowly(const Rollout& rollout, Time now) {
  const auto& state = rollout.state;
  return state.phase == Phase::returning && state.over > Duration::zero() &&
         state.paused.value_or(now) < state.since + state.over;
}

// There is nobody to take what is left: it stays until there is.
Turn stay(const Rollout& rollout, Time now) {
  if (rollout.state.paused) return {rollout.state};
  auto state = rollout.state;
  state.paused = now;
  return {std::move(state),
          {{"rollout.wait", fmt::format("{} stays at {}: who would have to take its share is not alive",
                                        targets_text(rollout.plan), percent(share(rollout, now)))}}};
}

Turn go_back_on(const Rollout& rollout, Time now) {
  auto state = rollout.state;
  const auto stayed = now - *state.paused;
  state.paused.reset();
  state.since += stayed;
  state.caches_until += stayed;
  return {std::move(state), {{"rollout.resume", "goes back again"}}};
}

Turn come_back(const Rollout& rollout, const View& view, Time now) {
  if (goes_back_slowly(rollout, now)) {
    if (!view.others_live) return stay(rollout, now);
    if (rollout.state.paused) return go_back_on(rollout, now);
    if (!view.dead_target.empty()) return *meet_death(rollout, view, now);
  }
  if (now < caches_until(rollout, view)) return {rollout.state};
  return {
      go_on(rollout.state, Phase::returned, now),
      {{"rollout.returned", fmt::format("{} has {} again, and no cache holds more of it",
                                        targets_text(rollout.plan), percent(share_before(rollout.plan)))}}};
}

std::optional<Time> due_at(const Rollout& rollout, const View& view, Time now) {
  const auto& plan = rollout.plan;
  const auto& state = rollout.state;
  switch (state.phase) {
    case Phase::arming:
      return state.paused ? std::nullopt : std::optional(caches_until(rollout, view));
    case Phase::moving:
      return caches_until(rollout, view);
    case Phase::settling:
      return state.since + plan.ttl;
    case Phase::holding:
      return state.paused ? std::nullopt : std::optional(state.since + plan.hold - state.held);
    case Phase::returning:
      if (!goes_back_slowly(rollout, now)) return caches_until(rollout, view);
      return state.paused ? now + return_step : std::min(now + return_step, state.since + state.over);
    case Phase::gated:
    case Phase::done:
    case Phase::returned:
      break;
  }
  return {};
}

// Counts it. An event where something is new: a verdict that is not the last one's, each failure, and the
// error that holds the rollout.
std::optional<Note> take_finding(const AnalysisRules& rules, State& state, std::size_t analysis,
                                 Finding finding, Time now) {
  if (state.counts.size() <= analysis) state.counts.resize(analysis + 1);
  auto& counts = state.counts[analysis];
  const bool is_new = !counts.at || counts.last.verdict != finding.verdict;
  const bool held = !hindrance(rules, counts, now).empty();
  count(counts, std::move(finding), now);
  const auto& last = counts.last;
  // What held it is another thing now.
  if (is_new || held != !hindrance(rules, counts, now).empty()) state.waits_for.clear();
  if (!is_new && last.verdict != Verdict::failure && counts.errors_in_row != rules.errors_max) return {};
  auto text = fmt::format("analysis {}: {}: {}", rules.name, to_text(last.verdict), last.text);
  if (last.verdict == Verdict::failure)
    text += fmt::format(" ({} of {})", counts.failures, rules.failures_max);
  if (last.verdict == Verdict::error)
    text += fmt::format(" ({} in a row; {} hold the rollout)", counts.errors_in_row, rules.errors_max);
  return Note{"rollout.analysis", std::move(text)};
}

Error makes_no_sense(const Rollout& rollout, Word word) {
  return {ErrorCode::refused,
          fmt::format("the rollout of {} to {} is {}: there is nothing to {}", rollout.plan.name,
                      targets_text(rollout.plan), to_text(rollout.state.phase), to_text(word))};
}

Turn pause(const Rollout& rollout, Time now) {
  auto state = rollout.state;
  if (state.phase == Phase::holding) state.held += now - state.since;
  state.paused = now;
  return {std::move(state),
          {{"rollout.pause",
            fmt::format("{} stays at {}", targets_text(rollout.plan), percent(share(rollout, now)))}}};
}

Turn resume(const Rollout& rollout, Time now) {
  auto state = rollout.state;
  state.paused.reset();
  if (state.phase == Phase::holding) state.since = now;
  return {std::move(state), {{"rollout.resume", "goes on"}}};
}

Result<Turn> promote(const Rollout& rollout, bool full, const View& view, Time now) {
  const auto& plan = rollout.plan;
  const auto& state = rollout.state;
  if (!view.dead_target.empty())
    return Error{ErrorCode::refused, fmt::format("{} is not alive", view.dead_target)};
  if (!view.forbidden.empty()) return Error{ErrorCode::refused, view.forbidden};
  auto promoted = rollout;
  promoted.state.paused.reset();
  const auto last = plan.steps.size() - 1;
  if (full && (state.step < last || state.phase == Phase::arming)) return begin_step(promoted, last, now);
  if (state.phase == Phase::arming) return begin_step(promoted, 0, now);
  return next_step(promoted, view, now);
}

std::string reason_of(const Command& command) {
  return command.reason.empty() ? "asked for" : command.reason;
}

// All has gone back, and nobody waits for caches any more.
Turn wait_no_more(const Rollout& rollout, const Command& command, const View& view, Time now) {
  return {
      go_on(rollout.state, Phase::returned, now),
      {{"rollout.returned", fmt::format("{} has {} again; that caches may hold more of it until {} is not "
                                        "waited for: {}",
                                        targets_text(rollout.plan), percent(share_before(rollout.plan)),
                                        sluice::to_text(caches_until(rollout, view)), reason_of(command))}}};
}

// Until all analyses have had their successes.
Duration shortest_analysis(const Plan& plan, std::size_t step) {
  Duration longest{};
  for (const auto& rules : plan.analyses)
    if (is_asked_at(rules, plan, step)) longest = std::max(longest, rules.interval * rules.successes_min);
  return longest;
}

// From a step until its hold begins: caches, and the measurement. A name that nobody asks for needs neither.
Duration shortest_settling(const Plan& plan, const View& view, Time now) {
  return plan.grace +
         (is_asked_for(plan, view, now) ? time_in_caches(plan.ttl) + plan.ttl : Duration::zero());
}

// When the hold of the present step begins at the earliest; or began, had it not been paused since.
Time earliest_hold(const Rollout& rollout, const View& view, Time now) {
  const auto& plan = rollout.plan;
  const auto& state = rollout.state;
  if (state.phase == Phase::holding) return state.since - state.held;
  if (state.phase == Phase::settling) return std::max(now, view.measured_since + plan.ttl);
  return std::max(now, caches_until(rollout, view)) +
         (is_asked_for(plan, view, now) ? plan.ttl : Duration::zero());
}

// When the last of those analyses is due that do not let it go on yet; 1970 when all do.
Time last_result_wanted(const Rollout& rollout) {
  Time last{};
  for (std::size_t i = 0; i < rollout.plan.analyses.size(); ++i)
    if (const auto counts = counts_of(rollout.state, i);
        is_analysed(rollout, i) &&
        !hindrance(rollout.plan.analyses[i], counts, counts.at.value_or(Time{})).empty())
      last = std::max(last, next_analysis(rollout, i));
  return last;
}

// The longest that caches may hold.
Duration ttl_in_caches(const Rollout& rollout, Time now) {
  const auto present = ttl(rollout);
  if (rollout.state.phase == Phase::arming || !present) return rollout.plan.ttl_before;
  return rollout.state.caches_until > now ? std::max(*present, rollout.state.caches_ttl) : *present;
}

}  // namespace

const char* to_text(Phase phase) {
  switch (phase) {
    case Phase::arming:
      return "arming";
    case Phase::moving:
      return "moving";
    case Phase::settling:
      return "settling";
    case Phase::holding:
      return "holding";
    case Phase::gated:
      return "gated";
    case Phase::done:
      return "done";
    case Phase::returning:
      return "returning";
    case Phase::returned:
      return "returned";
  }
  return "";
}

const char* to_text(Word word) {
  switch (word) {
    case Word::pause:
      return "pause";
    case Word::resume:
      return "resume";
    case Word::promote:
      return "promote";
    case Word::abort:
      return "abort";
    case Word::undo:
      return "undo";
  }
  return "";
}

std::optional<double> next_share(const Rollout& rollout, bool full) {
  const auto& plan = rollout.plan;
  const auto& state = rollout.state;
  if (!is_running(state.phase) || state.phase == Phase::returning) return {};
  const auto next = state.phase == Phase::arming ? 0 : state.step + 1;
  if (next >= plan.steps.size()) return {};
  return full ? plan.steps.back() : plan.steps[next];
}

std::optional<Time> next_step_at(const Rollout& rollout) {
  const auto& plan = rollout.plan;
  const auto& state = rollout.state;
  if (state.paused || !next_share(rollout)) return {};
  if (state.phase == Phase::arming) return std::max(state.caches_until, last_result_wanted(rollout));
  if (state.phase != Phase::holding || plan.gates) return {};
  return state.since + plan.hold - state.held;
}

Turn tick(const Rollout& rollout, const View& view, Time now) {
  const auto& state = rollout.state;
  switch (state.phase) {
    case Phase::done:
    case Phase::returned:
      return {rollout.state};
    case Phase::returning:
      return come_back(rollout, view, now);
    case Phase::arming:
    case Phase::moving:
    case Phase::settling:
    case Phase::holding:
    case Phase::gated:
      break;
  }
  if (auto turn = meet_death(rollout, view, now)) return *std::move(turn);
  if (auto turn = meet_failure(rollout, view, now)) return *std::move(turn);
  switch (state.phase) {
    case Phase::arming:
      return arm(rollout, view, now);
    case Phase::moving:
      return move(rollout, view, now);
    case Phase::settling:
      return settle(rollout, view, now);
    case Phase::holding:
      return hold(rollout, view, now);
    case Phase::gated:
    case Phase::done:
    case Phase::returning:
    case Phase::returned:
      break;
  }
  return pass(rollout);
}

Result<Turn> obey(const Rollout& rollout, const Command& command, const View& view, Time now) {
  const auto& state = rollout.state;
  const bool forward = is_running(state.phase) && state.phase != Phase::returning;
  const auto told = [&](Result<Turn> turn) {
    if (turn && !command.reason.empty()) turn->notes.front().text += fmt::format(" ({})", command.reason);
    return turn;
  };
  switch (command.word) {
    case Word::pause:
      if (!forward || state.paused) return makes_no_sense(rollout, command.word);
      return told(pause(rollout, now));
    case Word::resume:
      if (!forward || !state.paused) return makes_no_sense(rollout, command.word);
      if (!view.forbidden.empty()) return Error{ErrorCode::refused, view.forbidden};
      return told(resume(rollout, now));
    case Word::promote:
      if (!forward) return makes_no_sense(rollout, command.word);
      return told(promote(rollout, command.full, view, now));
    case Word::undo:
      if (!is_running(state.phase) && state.phase != Phase::done)
        return makes_no_sense(rollout, command.word);
      break;
    case Word::abort:
      if (!is_running(state.phase)) return makes_no_sense(rollout, command.word);
      break;
  }
  const bool moves = is_in_force(state.phase) || goes_back_slowly(rollout, now);
  if (!view.others_live && moves)
    return Error{ErrorCode::refused, fmt::format("who would have to take the share of {} is not alive",
                                                 targets_text(rollout.plan))};
  if (state.phase == Phase::returning && !goes_back_slowly(rollout, now))
    return wait_no_more(rollout, command, view, now);
  auto turn = begin_return(rollout, view, command.over, fmt::format("rollout.{}", to_text(command.word)),
                           reason_of(command), now);
  turn.state.sent_back_by = command.by;
  return turn;
}

Turn observe(const Rollout& rollout, std::size_t analysis, Finding finding, const View& view, Time now) {
  if (!is_analysed(rollout, analysis)) return {rollout.state};
  const auto& rules = rollout.plan.analyses.at(analysis);
  auto next = rollout;
  auto note = take_finding(rules, next.state, analysis, std::move(finding), now);
  auto turn = tick(next, view, now);
  if (note) turn.notes.insert(turn.notes.begin(), *std::move(note));
  return turn;
}

bool is_analysed(const Rollout& rollout) {
  const auto phase = rollout.state.phase;
  const bool before_switch = phase == Phase::arming && rollout.plan.strategy == Strategy::bluegreen;
  return before_switch || phase == Phase::holding || phase == Phase::gated;
}

bool is_analysed(const Rollout& rollout, std::size_t analysis) {
  const auto& plan = rollout.plan;
  return is_analysed(rollout) && is_asked_at(plan.analyses.at(analysis), plan, rollout.state.step);
}

Time next_analysis(const Rollout& rollout, std::size_t analysis) {
  const auto counts = counts_of(rollout.state, analysis);
  return counts.at.value_or(rollout.state.since) + rollout.plan.analyses.at(analysis).interval;
}

Counts counts_of(const State& state, std::size_t analysis) {
  return analysis < state.counts.size() ? state.counts[analysis] : Counts{};
}

LeaseEnd armed_at(const Plan& plan, std::optional<LeaseEnd> leased, Time now) {
  const auto armed =
      plan.ttl < plan.ttl_before ? lease_from(now, plan.ttl_before) : LeaseEnd{now, plan.ttl_before};
  return leased && leased->ttl > plan.ttl_before ? later(armed, *leased) : armed;
}

// What goes back little by little is answered under another share each second, to the end: there the longest
// time counts.
Time caches_until(const Rollout& rollout, const View& view) {
  const auto& state = rollout.state;
  const bool waits = state.phase == Phase::arming || state.phase == Phase::moving ||
                     (state.phase == Phase::returning && state.over == Duration::zero());
  const bool keeps_ttl = state.phase == Phase::arming && state.caches_until <= state.since;
  if (!waits || keeps_ttl || !view.leased_until) return state.caches_until;
  const auto grace = state.phase == Phase::arming ? Duration::zero() : rollout.plan.grace;
  const auto leased = std::max(*view.leased_until, state.since) + grace;
  return view.leased_here ? leased : std::min(state.caches_until, leased);
}

std::optional<Time> next_tick(const Rollout& rollout, const View& view, Time now) {
  const auto due = due_at(rollout, view, now);
  // It was due, and has not gone on: it waits for what is seen, which may change at any time.
  return due && *due <= now ? now + retry : due;
}

double share(const Rollout& rollout, Time now) {
  const auto& plan = rollout.plan;
  const auto& state = rollout.state;
  const double before = share_before(plan);
  switch (state.phase) {
    case Phase::arming:
    case Phase::returned:
      return before;
    case Phase::moving:
    case Phase::settling:
    case Phase::holding:
    case Phase::gated:
    case Phase::done:
      return target(rollout);
    case Phase::returning:
      break;
  }
  const Time at = state.paused.value_or(now);
  // At once, whatever the clock says.
  if (state.over == Duration::zero() || at >= state.since + state.over) return before;
  const double gone =
      std::chrono::duration<double>(at - state.since) / std::chrono::duration<double>(state.over);
  return state.from + (before - state.from) * std::max(0.0, gone);
}

// The mean of what was answered in the time for which caches hold it.
std::optional<double> leased_share(const Rollout& rollout, const View& view, Time now) {
  const auto& plan = rollout.plan;
  const auto& state = rollout.state;
  if (view.answered_last && *view.answered_last + time_in_caches(ttl_in_caches(rollout, now)) <= now)
    return {};
  const auto caches = state.caches_until - plan.grace;
  const auto part = [](Duration time, Duration of) {
    return std::chrono::duration<double>(time) / std::chrono::duration<double>(of);
  };
  // An operator has ended the last step before its time.
  if (state.phase == Phase::done && caches > now)
    return std::lerp(share(rollout, now), state.from,
                     std::min(1.0, part(caches - now, time_in_caches(state.caches_ttl))));
  if (state.phase != Phase::moving && state.phase != Phase::returning) return share(rollout, now);
  const auto window = std::max(caches - state.since - state.over, time_in_caches(plan.ttl));
  const Time first = now - window;
  const Time changed = std::clamp(state.since, first, now);
  const Time reached = std::clamp(state.since + state.over, first, now);
  return part(changed - first, window) * state.from +
         part(reached - changed, window) * (share(rollout, changed) + share(rollout, reached)) / 2 +
         part(now - reached, window) * share(rollout, now);
}

bool has_switched(const Rollout& rollout) { return is_in_force(rollout.state.phase) && target(rollout) >= 1; }

bool leads_class(const Rollout& rollout) {
  const auto& plan = rollout.plan;
  const auto& state = rollout.state;
  if (plan.client_class.empty() || !is_in_force(state.phase)) return false;
  return state.phase != Phase::done || plan.steps.back() < 1;
}

std::optional<Duration> ttl(const Rollout& rollout) {
  return is_running(rollout.state.phase) ? std::optional(rollout.plan.ttl) : std::nullopt;
}

bool is_running(Phase phase) { return phase != Phase::done && phase != Phase::returned; }

std::vector<Time> earliest_times(const Rollout& rollout, const View& view, const Allowed& allowed, Time now) {
  const auto& plan = rollout.plan;
  const auto& state = rollout.state;
  if (state.paused || !is_running(state.phase)) return {};
  if (state.phase == Phase::returning) return {caches_until(rollout, view)};
  const auto end_of_hold = [&](Time hold, std::size_t step) {
    return hold + std::max(plan.hold, shortest_analysis(plan, step));
  };
  std::size_t next = state.step + 1;
  Time at = now;
  if (state.phase == Phase::arming) {
    next = 0;
    at = caches_until(rollout, view);
    if (plan.strategy == Strategy::bluegreen) at = std::max(at, state.since + shortest_analysis(plan, 0));
  } else if (state.phase != Phase::gated) {
    at = end_of_hold(earliest_hold(rollout, view, now), state.step);
  }
  std::vector<Time> times;
  for (at = std::max(at, now); next < plan.steps.size(); ++next) {
    at = allowed(at);
    times.push_back(at);
    at = end_of_hold(at + shortest_settling(plan, view, now), next);
  }
  times.push_back(at);
  return times;
}

}  // namespace sluice::rollout
