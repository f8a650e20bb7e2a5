#include "rollout/rollout.hpp"

#include <algorithm>
#include <charconv>
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

constexpr std::size_t steps_max = 100;

// Of a linear step: less is not left for a last step of its own.
constexpr double sliver = 0.1;

constexpr double target_weight_max = 1e6;

std::string percent(double share) { return fmt::format("{:.4g} %", share * 100); }

double target(const Rollout& rollout) {
  const auto& [id, by, started, plan, state, why] = rollout;
  return is_class_step(plan, state.step) ? share_before(plan) : plan.steps[state.step];
}

double sum(const std::vector<PoolWeight>& parts) {
  double all = 0;
  for (const auto& part : parts) all += part.weight;
  return all;
}

// It has to be among them.
PoolWeight& part_of(std::vector<PoolWeight>& parts, std::string_view pool) {
  return *std::find_if(parts.begin(), parts.end(), [&](const auto& part) { return part.pool == pool; });
}

// What one pool had of 1.
double own_share_before(const Plan& plan, std::string_view pool) {
  auto before = plan.before;
  return part_of(before, pool).weight / sum(before);
}

// "5 %", or "class testers"
std::string step_text(const Plan& plan, std::size_t step) {
  return is_class_step(plan, step) ? "class " + plan.client_class : percent(plan.steps[step]);
}

// What is answered stays the same.
State go_on(State state, Phase phase, Time now) {
  state.phase = phase;
  state.since = now;
  state.held = {};
  if (state.told) state.reason.clear();
  state.told = false;
  return state;
}

// From now on another share is answered; what was answered until now may stay in caches for so long, and what
// was there before for as long as it may.
State enter(State state, Phase phase, Time now, Duration in_caches) {
  state.caches_until = std::max(state.caches_until, now + in_caches);
  return go_on(std::move(state), phase, now);
}

Turn begin_step(const Rollout& rollout, std::size_t step, Time now) {
  const auto& plan = rollout.plan;
  auto state = enter(rollout.state, Phase::moving, now, time_in_caches(plan.ttl) + plan.grace);
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

Turn begin_return(const Rollout& rollout, Duration over, std::string kind, std::string reason, Time now) {
  if (rollout.state.phase == Phase::arming)
    return end_unmoved(rollout, std::move(kind), std::move(reason), now);
  const auto& plan = rollout.plan;
  const double present = share(rollout, now);
  // What is answered after the end has the TTL of before.
  const auto in_caches = time_in_caches(rollout.state.phase == Phase::done ? plan.ttl_before : plan.ttl);
  auto before = rollout.state;
  // It was to take longer: what counts is what was answered when that began.
  if (before.phase == Phase::returning)
    before.caches_until = before.since + time_in_caches(plan.ttl_before) + plan.grace;
  auto state = enter(std::move(before), Phase::returning, now, over + in_caches + plan.grace);
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

// Says once why it does not go on.
Turn wait(const Rollout& rollout, std::string why) {
  if (rollout.state.told) return {rollout.state, {}};
  auto state = rollout.state;
  state.told = true;
  state.reason = why;
  return {std::move(state), {{"rollout.wait", std::move(why)}}};
}

// What happens when a target has died: the share goes back, if there is somewhere to go.
std::optional<Turn> meet_death(const Rollout& rollout, const View& view, Time now) {
  if (view.dead_target.empty()) return {};
  if (view.others_live)
    return begin_return(rollout, {}, "rollout.abort", fmt::format("{} is not alive", view.dead_target), now);
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
      return begin_return(rollout, {}, "rollout.abort", why, now);
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
  if (now < view.measured_since + plan.ttl) return {rollout.state, {}};
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
  if (state.paused || now < caches_until(rollout, view)) return {state, {}};
  if (const auto why = hindrance_of(rollout, now); !why.empty())
    return wait(rollout, "the TTL is lowered everywhere, but before the switch " + why);
  return step_if_allowed(rollout, 0, view, now);
}

Turn hold(const Rollout& rollout, const View& view, Time now) {
  const auto& state = rollout.state;
  if (state.paused || now - state.since + state.held < rollout.plan.hold) return {state, {}};
  if (const auto why = hindrance_of(rollout, now); !why.empty())
    return wait(rollout, "the hold is over, but " + why);
  const bool last = state.step + 1 == rollout.plan.steps.size();
  if (last) return finish(rollout, view, now);
  if (!rollout.plan.gates) return step_if_allowed(rollout, state.step + 1, view, now);
  return {go_on(state, Phase::gated, now),
          {{"rollout.gate", fmt::format("{} at {} waits for a promote", targets_text(rollout.plan),
                                        percent(target(rollout)))}}};
}

// Nobody has been answered for a TTL, so that the answered share is what it should be.
bool is_unasked(const Rollout& rollout, const View& view, Time now) {
  return view.answers == 0 && view.answered_last && *view.answered_last + rollout.plan.ttl <= now;
}

Turn move(const Rollout& rollout, const View& view, Time now) {
  if (now < caches_until(rollout, view)) return {rollout.state, {}};
  Turn turn{go_on(rollout.state, Phase::settling, now),
            {{"rollout.settle", "no cache holds answers of the step before"}}};
  if (!is_unasked(rollout, view, now)) return turn;
  turn.state = go_on(std::move(turn.state), Phase::holding, now);
  turn.notes.push_back({"rollout.hold", "nobody has been answered for a TTL; " + hold_text(rollout.plan)});
  return turn;
}

bool goes_back_slowly(const Rollout& rollout, Time now) {
  const auto& state = rollout.state;
  return state.phase == Phase::returning && state.paused.value_or(now) < state.since + state.over;
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
  const auto& [id, by, started, plan, state, why] = rollout;
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

Turn unchanged(const Rollout& rollout) { return {rollout.state, {}}; }

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
  if (is_new || held != !hindrance(rules, counts, now).empty()) state.told = false;
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
  const auto& [id, by, started, plan, state, why] = rollout;
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

// The second word about what goes back: at once, or in another time; when all has gone back, nobody waits for
// caches any more.
Turn hasten(const Rollout& rollout, const Command& command, Time now) {
  if (goes_back_slowly(rollout, now))
    return begin_return(rollout, command.over, fmt::format("rollout.{}", to_text(command.word)),
                        reason_of(command), now);
  return {
      go_on(rollout.state, Phase::returned, now),
      {{"rollout.returned", fmt::format("{} has {} again; that caches may hold more of it until {} is not "
                                        "waited for: {}",
                                        targets_text(rollout.plan), percent(share_before(rollout.plan)),
                                        sluice::to_text(rollout.state.caches_until), reason_of(command))}}};
}

bool is_asked_at(const AnalysisRules& rules, const Plan& plan, std::size_t step) {
  return !rules.relative || plan.steps[step] < 1;
}

// Until all analyses have had their successes.
Duration shortest_analysis(const Plan& plan, std::size_t step) {
  Duration longest{};
  for (const auto& rules : plan.analyses)
    if (is_asked_at(rules, plan, step)) longest = std::max(longest, rules.interval * rules.successes_min);
  return longest;
}

bool is_asked_for(const Plan& plan, const View& view, Time now) {
  return !view.answered_last || *view.answered_last + plan.ttl > now;
}

// From a step until its hold begins: caches, and the measurement. A name that nobody asks for needs neither.
Duration shortest_settling(const Plan& plan, const View& view, Time now) {
  return plan.grace +
         (is_asked_for(plan, view, now) ? time_in_caches(plan.ttl) + plan.ttl : Duration::zero());
}

// When the hold of the present step begins, or its pause would have ended, at the earliest.
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

}  // namespace

const char* to_text(Strategy strategy) {
  switch (strategy) {
    case Strategy::canary:
      return "canary";
    case Strategy::bluegreen:
      return "bluegreen";
  }
  return "";
}

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
  const auto& [id, by, started, plan, state, why] = rollout;
  if (!is_running(state.phase) || state.phase == Phase::returning) return {};
  const auto next = state.phase == Phase::arming ? 0 : state.step + 1;
  if (next >= plan.steps.size()) return {};
  return full ? plan.steps.back() : plan.steps[next];
}

std::optional<Time> next_step_at(const Rollout& rollout) {
  const auto& [id, by, started, plan, state, why] = rollout;
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
      return unchanged(rollout);
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
  return unchanged(rollout);
}

Result<Turn> obey(const Rollout& rollout, const Command& command, const View& view, Time now) {
  const auto& state = rollout.state;
  const bool forward = is_running(state.phase) && state.phase != Phase::returning;
  switch (command.word) {
    case Word::pause:
      if (!forward || state.paused) return makes_no_sense(rollout, command.word);
      return pause(rollout, now);
    case Word::resume:
      if (!forward || !state.paused) return makes_no_sense(rollout, command.word);
      if (!view.forbidden.empty()) return Error{ErrorCode::refused, view.forbidden};
      return resume(rollout, now);
    case Word::promote:
      if (!forward) return makes_no_sense(rollout, command.word);
      return promote(rollout, command.full, view, now);
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
  auto turn = state.phase == Phase::returning
                  ? hasten(rollout, command, now)
                  : begin_return(rollout, command.over, fmt::format("rollout.{}", to_text(command.word)),
                                 reason_of(command), now);
  turn.state.sent_back_by = command.by;
  return turn;
}

Turn observe(const Rollout& rollout, std::size_t analysis, Finding finding, const View& view, Time now) {
  if (!is_analysed(rollout, analysis)) return unchanged(rollout);
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

Time armed_at(const Plan& plan, std::optional<LeaseEnd> leased, Time now) {
  const auto armed = plan.ttl < plan.ttl_before ? now + time_in_caches(plan.ttl_before) : now;
  return leased && leased->ttl > plan.ttl_before ? std::max(armed, leased->at) : armed;
}

// What goes back little by little is answered under another share each second, to the end: there the longest
// time counts.
Time caches_until(const Rollout& rollout, const View& view) {
  const auto& state = rollout.state;
  const bool slowly = state.phase == Phase::returning && state.over > Duration::zero();
  if (!view.leased_until || slowly || state.phase == Phase::done) return state.caches_until;
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
  const auto& [id, by, started, plan, state, why] = rollout;
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
  if (at >= state.since + state.over) return before;
  const double gone =
      std::chrono::duration<double>(at - state.since) / std::chrono::duration<double>(state.over);
  return state.from + (before - state.from) * std::max(0.0, gone);
}

// The mean of what was answered in the time for which caches hold it.
std::optional<double> leased_share(const Rollout& rollout, const View& view, Time now) {
  const auto& [id, by, started, plan, state, why] = rollout;
  if (view.answered_last && *view.answered_last + time_in_caches(plan.ttl) <= now) return {};
  const auto caches = state.caches_until - plan.grace;
  const auto part = [](Duration time, Duration of) {
    return std::chrono::duration<double>(time) / std::chrono::duration<double>(of);
  };
  // An operator has ended the last step before its time.
  if (state.phase == Phase::done && caches > now)
    return std::lerp(share(rollout, now), state.from,
                     std::min(1.0, part(caches - now, time_in_caches(plan.ttl))));
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
  const auto& [id, by, started, plan, state, why] = rollout;
  if (plan.client_class.empty() || !is_in_force(state.phase)) return false;
  return state.phase != Phase::done || plan.steps.back() < 1;
}

bool is_class_step(const Plan& plan, std::size_t step) { return step == 0 && !plan.client_class.empty(); }

bool is_target(const Plan& plan, std::string_view pool) {
  return std::any_of(plan.targets.begin(), plan.targets.end(),
                     [&](const auto& target) { return target.pool == pool; });
}

double share_before(const Plan& plan) {
  double of_targets = 0;
  for (const auto& part : plan.before)
    if (is_target(plan, part.pool)) of_targets += part.weight;
  return of_targets / sum(plan.before);
}

// The last one has what is left, so that the sum is exact.
std::vector<double> shares_of_targets(const Plan& plan, double share) {
  const double before = share_before(plan), all = sum(plan.targets);
  std::vector<double> shares;
  double left = share;
  for (const auto& [pool, weight] : plan.targets) {
    const double own = own_share_before(plan, pool);
    const double at_end = weight / all;
    shares.push_back(((1 - share) * own + (share - before) * at_end) / (1 - before));
    left -= shares.back();
  }
  shares.back() = std::max(0.0, shares.back() + left);
  return shares;
}

std::vector<PoolWeight> weights(const Plan& plan, double share) {
  if (share == share_before(plan)) return plan.before;
  double others = 0;
  for (const auto& [pool, weight] : plan.before)
    if (!is_target(plan, pool)) others += weight;
  auto result = plan.before;
  for (auto& part : result) part.weight *= 100 * (1 - share) / others;
  const auto shares = shares_of_targets(plan, share);
  for (std::size_t i = 0; i < shares.size(); ++i)
    part_of(result, plan.targets[i].pool).weight = 100 * shares[i];
  return result;
}

std::vector<double> weights_of(const std::vector<PoolWeight>& parts) {
  std::vector<double> weights;
  for (const auto& part : parts) weights.push_back(part.weight);
  return weights;
}

std::string targets_text(const Plan& plan) {
  const bool equal = std::all_of(plan.targets.begin(), plan.targets.end(), [&](const auto& target) {
    return target.weight == plan.targets.front().weight;
  });
  std::vector<std::string> parts;
  for (const auto& [pool, weight] : plan.targets)
    parts.push_back(equal ? pool : fmt::format("{}={:.6g}", pool, weight));
  return fmt::format("{}", fmt::join(parts, ","));
}

Result<std::vector<PoolWeight>> parse_targets(std::string_view text) {
  const auto refuse = [](std::string why) { return Error{ErrorCode::invalid, std::move(why)}; };
  std::vector<PoolWeight> targets;
  for (const auto part : comma_separated(text)) {
    const auto equals = part.find('=');
    PoolWeight target{std::string(part.substr(0, equals)), 1};
    if (target.pool.empty())
      return refuse(fmt::format("'{}' names no pools; expected v2, or v2,v3, or v2=2,v3=1", text));
    if (equals != std::string_view::npos) {
      const auto weight = part.substr(equals + 1);
      const auto* const last = weight.data() + weight.size();
      const auto [end, error] = std::from_chars(weight.data(), last, target.weight);
      if (error != std::errc{} || end != last || !(target.weight > 0 && target.weight <= target_weight_max))
        return refuse(fmt::format("'{}' is no weight of a target; expected a number above 0, at most {:.6g}",
                                  weight, target_weight_max));
    }
    for (const auto& other : targets)
      if (other.pool == target.pool) return refuse(fmt::format("pool '{}' is given twice", target.pool));
    targets.push_back(std::move(target));
  }
  return targets;
}

std::optional<Duration> ttl(const Rollout& rollout) {
  return is_running(rollout.state.phase) ? std::optional(rollout.plan.ttl) : std::nullopt;
}

bool is_running(Phase phase) { return phase != Phase::done && phase != Phase::returned; }

std::optional<Error> objection(const Plan& plan) {
  const auto refuse = [](std::string why) { return Error{ErrorCode::refused, std::move(why)}; };
  const double before = share_before(plan);
  const auto text = targets_text(plan);
  if (before >= 1) return refuse(fmt::format("{} has all of {} already", text, plan.name));
  const double first = plan.steps[is_class_step(plan, 0) ? 1 : 0];
  if (first <= before)
    return refuse(fmt::format("{} has {} of {} already, and the first step is {}", text, percent(before),
                              plan.name, percent(first)));
  const auto at_end = shares_of_targets(plan, 1);
  for (std::size_t i = 0; i < at_end.size(); ++i)
    if (const double own = own_share_before(plan, plan.targets[i].pool); own > at_end[i])
      return refuse(fmt::format("{} has {} of {} already, and would have {} of all", plan.targets[i].pool,
                                percent(own), plan.name, percent(at_end[i])));
  for (const auto& rules : plan.analyses) {
    bool asked = false;
    for (std::size_t i = 0; i < plan.steps.size(); ++i) asked = asked || is_asked_at(rules, plan, i);
    if (!asked)
      return refuse(fmt::format("analysis {} is relative_to_old, and no step leaves the old pools a share",
                                rules.name));
  }
  if (plan.targets.size() > 1 && !plan.client_class.empty())
    return refuse("a class is led to one pool, and there are several targets");
  if (plan.targets.size() > 1 && plan.strategy == Strategy::bluegreen)
    return refuse("a switch goes to one pool");
  return {};
}

Result<std::vector<double>> parse_steps(std::string_view text) {
  const Error malformed{
      ErrorCode::invalid,
      fmt::format("'{}' are no steps; expected percentages that grow, such as 1,5,25,50,100", text)};
  std::vector<double> steps;
  for (const auto part : comma_separated(text)) {
    const auto step = parse_percent(part.ends_with('%') ? std::string(part) : fmt::format("{}%", part));
    if (!step || *step <= (steps.empty() ? 0 : steps.back()) || steps.size() == steps_max) return malformed;
    steps.push_back(*step);
  }
  return steps;
}

std::vector<double> linear_steps(double before, double by) {
  std::vector<double> steps;
  for (std::size_t i = 1; before + (static_cast<double>(i) + sliver) * by < 1 && i < steps_max; ++i)
    steps.push_back(before + static_cast<double>(i) * by);
  steps.push_back(1);
  return steps;
}

std::vector<double> exponential_steps(double before, double factor) {
  std::vector<double> steps;
  for (double step = std::max(0.01, before * factor); step < 1 && steps.size() + 1 < steps_max;
       step *= factor)
    steps.push_back(step);
  steps.push_back(1);
  return steps;
}

std::vector<Time> earliest_times(const Rollout& rollout, const View& view, const Allowed& allowed, Time now) {
  const auto& [id, by, started, plan, state, why] = rollout;
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
