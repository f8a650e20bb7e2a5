#include "rollout/rolling.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.hpp"

namespace sluice::rolling {
namespace {

using namespace std::chrono_literals;

// Between two attempts of a hook.
constexpr Duration rest = 5s;

// Between two looks at what it waits for, when nobody says that it has changed.
constexpr Duration retry = 1s;

// Weights are sums of numbers with a fraction.
constexpr double rounding = 1e-9;

bool is_in_batch(const Rolling& rolling, std::size_t index) {
  const auto first = rolling.state.first;
  return index >= first && index < first + rolling.plan.batch;
}

std::span<Endpoint> batch_of(State& state, const Plan& plan) {
  const auto size = std::min(plan.batch, state.endpoints.size() - state.first);
  return std::span(state.endpoints).subspan(state.first, size);
}

// Of an endpoint that neither the pool nor anybody else knows of.
const Seen& seen(const View& view, const std::string& address) {
  static const Seen nothing;
  const auto found = view.endpoints.find(address);
  return found == view.endpoints.end() ? nothing : found->second;
}

std::string with_reason(std::string text, const std::string& reason) {
  return reason.empty() ? text : fmt::format("{}: {}", text, reason);
}

// One transition while it is made: what becomes of state, notes and effects.
struct Making {
  const Rolling& rolling;
  const View& view;
  const Time now;
  Turn turn{rolling.state, {}, {}};

  const Plan& plan() const { return rolling.plan; }
  State& state() { return turn.state; }
  std::span<Endpoint> batch() { return batch_of(turn.state, rolling.plan); }

  Rolling so_far() const {
    return {rolling.id, rolling.by, rolling.started, rolling.plan, turn.state, rolling.why};
  }

  void note(const char* kind, std::string text) { turn.notes.push_back({kind, std::move(text)}); }
  void act(Deed deed, const Endpoint& endpoint) {
    turn.effects.push_back({deed, endpoint.address, deed == Deed::run_hook ? endpoint.attempt : 0});
  }
  void go_on(Phase phase) {
    state().phase = phase;
    state().since = now;
    state().told = false;
  }
  void put(Endpoint& endpoint, Place place, std::string detail = "") {
    endpoint.place = place;
    endpoint.since = now;
    endpoint.detail = std::move(detail);
  }
};

bool is_over(Place place) {
  return place == Place::returned || place == Place::left || place == Place::failed;
}

bool is_over(std::span<const Endpoint> batch) {
  return std::all_of(batch.begin(), batch.end(), [](const auto& one) { return is_over(one.place); });
}

// --- words of others ---

// Why the endpoint is not ours to work on; `taken`: we have drained it.
std::optional<std::string> why_left(const Seen& seen, bool taken) {
  if (!seen.exists) return "the pool has it no more";
  if (!seen.word.empty()) return "it is " + seen.word;
  if (taken && !seen.ours) return "somebody took its drain back";
  return {};
}

bool leave(Making& making, Endpoint& endpoint, bool taken) {
  const auto& its = seen(making.view, endpoint.address);
  const auto why = why_left(its, taken);
  if (!why) return false;
  making.put(endpoint, Place::left, *why);
  if (its.ours) making.act(Deed::take_back, endpoint);
  making.note("rolling.left", fmt::format("{} is left alone: {}", endpoint.address, *why));
  return true;
}

void leave_batch(Making& making, bool taken) {
  for (auto& endpoint : making.batch())
    if (!is_over(endpoint.place)) leave(making, endpoint, taken);
}

// --- how much is left ---

Capacity capacity(const View& view, const std::set<std::string_view>& out) {
  Capacity capacity;
  for (const auto& [address, its] : view.endpoints) {
    if (!its.exists || its.weight <= 0) continue;
    ++capacity.endpoints;
    capacity.total += its.weight;
    if (out.contains(address)) {
      capacity.batch += its.weight;
    } else if (its.available) {
      capacity.left += its.weight;
      ++capacity.available;
    } else {
      capacity.unavailable.push_back(fmt::format("{} is {}", address, its.condition));
    }
  }
  return capacity;
}

bool is_enough(const Capacity& capacity, const std::optional<Least>& least) {
  const double left = capacity.left + rounding * capacity.total;
  if (!least) return capacity.available > 0 && left >= capacity.total - capacity.batch;
  return least->is_part ? left >= least->value * capacity.total
                        : static_cast<double>(capacity.available) >= least->value;
}

std::string wanted(const std::optional<Least>& least) {
  if (!least) return "all others, and one at least, are wanted";
  return least->is_part ? fmt::format("{:.4g} % of the weight are wanted", least->value * 100)
                        : fmt::format("{:.4g} are wanted", least->value);
}

// Of the batch that begins at `from`, in the endpoints. Those that are left to others are out by themselves.
std::set<std::string_view> taken_at(const Rolling& rolling, std::size_t from) {
  std::set<std::string_view> out;
  const auto& endpoints = rolling.state.endpoints;
  for (std::size_t i = from; i < std::min(from + rolling.plan.batch, endpoints.size()); ++i)
    if (endpoints[i].place != Place::left) out.insert(endpoints[i].address);
  return out;
}

std::optional<std::string> shortage_at(const Rolling& rolling, const View& view, std::size_t from) {
  const auto out = taken_at(rolling, from);
  const auto found = capacity(view, out);
  if (is_enough(found, rolling.plan.least)) return {};
  return fmt::format(
      "without {} there would be {} healthy endpoint{} left, with {:.4g} % of the weight; {}{}{}",
      fmt::join(out, ", "), found.available, found.available == 1 ? "" : "s",
      found.total > 0 ? 100 * found.left / found.total : 0, wanted(rolling.plan.least),
      found.unavailable.empty() ? "" : "; ", fmt::join(found.unavailable, ", "));
}

// --- when ---

// Until when caches may hold an endpoint that is drained at `at`. Who has been asked for lately is asked for
// until then, too.
Time empty_at(const View& view, const std::string& address, Time at, Time now) {
  const auto longest = at + view.cached_for;
  const auto leased_until = seen(view, address).leased_until;
  if (!leased_until) return longest;
  return std::max(*leased_until, at > now && *leased_until > now ? longest : at);
}

// --- the end ---

std::vector<std::string> addresses_at(const State& state, Place place) {
  std::vector<std::string> addresses;
  for (const auto& endpoint : state.endpoints)
    if (endpoint.place == place) addresses.push_back(endpoint.address);
  return addresses;
}

bool hook_has_failed(const Endpoint& endpoint, const Plan& plan) {
  return endpoint.failures >= plan.attempts;
}

std::string summary(const State& state, const Plan& plan) {
  std::vector<std::string> through, given_back;
  for (const auto& endpoint : state.endpoints)
    if (endpoint.place == Place::returned)
      (hook_has_failed(endpoint, plan) ? given_back : through).push_back(endpoint.address);
  auto text = fmt::format("{} of {} endpoints are through", through.size(), state.endpoints.size());
  if (!given_back.empty()) text += fmt::format("; failed, and given back: {}", fmt::join(given_back, ", "));
  if (const auto left = addresses_at(state, Place::left); !left.empty())
    text += fmt::format("; left alone: {}", fmt::join(left, ", "));
  if (const auto failed = addresses_at(state, Place::failed); !failed.empty())
    text += fmt::format("; failed, and drained still: {}", fmt::join(failed, ", "));
  return text;
}

// Our words are taken back, but for those about endpoints that failed.
void finish(Making& making, Phase phase, std::string reason) {
  for (auto& endpoint : making.state().endpoints) {
    if (is_over(endpoint.place)) continue;
    if (seen(making.view, endpoint.address).ours) making.act(Deed::take_back, endpoint);
    making.put(endpoint, Place::waiting);
  }
  making.go_on(phase);
  making.state().paused.reset();
  making.state().reason = std::move(reason);
  making.note(phase == Phase::done ? "rolling.done" : "rolling.end",
              with_reason(fmt::format("{}: {}", to_text(phase), summary(making.state(), making.plan())),
                          making.state().reason));
}

void end_batch(Making& making) {
  const auto next = making.state().first + making.plan().batch;
  if (next >= making.state().endpoints.size()) return finish(making, Phase::done, "");
  making.state().first = next;
  making.go_on(Phase::holding);
}

// --- hooks and proofs ---

void run_hook(Making& making, Endpoint& endpoint) {
  ++endpoint.attempt;
  making.put(endpoint, Place::hooking);
  if (making.plan().hook.empty())
    return making.note("rolling.wait", fmt::format("{} is out of all caches: it can be worked on; then say "
                                                   "`sluicectl rolling resume {}`",
                                                   endpoint.address, making.plan().pool));
  making.act(Deed::run_hook, endpoint);
  making.note("rolling.hook",
              fmt::format("the hook runs for {}, attempt {}", endpoint.address, endpoint.attempt));
}

void prove(Making& making, Endpoint& endpoint) {
  const auto& its = seen(making.view, endpoint.address);
  if (its.proven) {
    making.put(endpoint, Place::returned, endpoint.detail);
    making.act(Deed::take_back, endpoint);
    return making.note("rolling.return", endpoint.address + " is healthy, and is handed out again");
  }
  // What could not be seen does not count against it: the daemon may have been away.
  if (making.now < std::max(endpoint.since, its.watched_since) + making.plan().health_timeout) return;
  making.put(endpoint, Place::failed,
             fmt::format("it was not healthy within {}, and is {}",
                         sluice::to_text(making.plan().health_timeout), its.condition));
  making.note("rolling.unhealthy", fmt::format("{}: {}", endpoint.address, endpoint.detail));
}

// The hook may have done its work or not when we were killed.
void meet_lost_hook(Making& making, Endpoint& endpoint) {
  making.note("rolling.lost",
              fmt::format("the end of the hook for {} was not seen: it runs again", endpoint.address));
  run_hook(making, endpoint);
}

void advance(Making& making, Endpoint& endpoint) {
  const bool paused = making.state().paused.has_value();
  const bool by_hook = !making.plan().hook.empty();
  const bool hooked = endpoint.place == Place::hooking && by_hook;
  if (is_over(endpoint.place) || (!hooked && leave(making, endpoint, true))) return;
  switch (endpoint.place) {
    case Place::hooking:
      if (by_hook && !paused && !seen(making.view, endpoint.address).hook_runs)
        meet_lost_hook(making, endpoint);
      break;
    case Place::resting:
      if (!paused && making.now >= endpoint.since + rest) run_hook(making, endpoint);
      break;
    case Place::proving:
      prove(making, endpoint);
      break;
    case Place::waiting:
    case Place::drained:
    case Place::returned:
    case Place::left:
    case Place::failed:
      break;
  }
}

// --- failure ---

std::string failure_of(std::span<const Endpoint> batch) {
  std::vector<std::string> texts;
  for (const auto& endpoint : batch)
    if (endpoint.place == Place::failed)
      texts.push_back(fmt::format("{}: {}", endpoint.address, endpoint.detail));
  return fmt::format("{}", fmt::join(texts, "; "));
}

// Whose hook has failed may be well all the same; who did not become healthy has had its time.
void roll_back(Making& making, const std::string& reason) {
  making.state().ending = Phase::rolled_back;
  making.state().reason = reason;
  bool waits = false;
  for (auto& endpoint : making.batch()) {
    if (endpoint.place != Place::failed || !hook_has_failed(endpoint, making.plan())) continue;
    making.put(endpoint, Place::proving, endpoint.detail);
    waits = true;
  }
  if (!waits) return finish(making, Phase::rolled_back, reason);
  making.note("rolling.rollback", with_reason("what is drained comes back if it is healthy", reason));
}

void fail(Making& making) {
  auto& state = making.state();
  const auto reason = failure_of(making.batch());
  if (state.ending) return finish(making, *state.ending, state.reason.empty() ? reason : state.reason);
  if (making.plan().on_failure == OnFailure::rollback) return roll_back(making, reason);
  making.go_on(Phase::failed);
  state.paused.reset();  // it waits for an operator now, whatever else is said
  state.reason = reason;
  making.note("rolling.failed", fmt::format("{}; it stays drained, and nothing goes on until "
                                            "`sluicectl rolling resume {}` or `abort`",
                                            reason, making.plan().pool));
}

// --- phases ---

void arm(Making& making) {
  if (making.now < making.state().caches_until || making.view.armed_at.value_or(making.now) > making.now)
    return;
  making.go_on(Phase::holding);
  making.note("rolling.armed", "the TTL is lowered, and no cache holds older answers for longer");
}

void take_batch(Making& making) {
  leave_batch(making, false);
  const auto batch = making.batch();
  if (is_over(batch)) return end_batch(making);
  const auto so_far = making.so_far();
  if (const auto why = obstacle(so_far, making.view)) {
    if (!making.state().told) making.note("rolling.hold", *why);
    making.state().told = true;
    return;
  }
  std::vector<std::string_view> taken;
  for (auto& endpoint : batch) {
    if (is_over(endpoint.place)) continue;
    making.put(endpoint, Place::drained);
    making.act(Deed::drain, endpoint);
    taken.push_back(endpoint.address);
  }
  making.go_on(Phase::draining);
  making.note("rolling.drain", fmt::format("batch {} of {}: {}", batch_number(so_far), batches(so_far),
                                           fmt::join(taken, ", ")));
}

// Only now is it known to be in force: until a moment ago the addresses may have been handed out.
void begin_to_empty(Making& making) {
  leave_batch(making, true);
  if (is_over(making.batch())) return end_batch(making);
  const auto leased_until = making.view.leased_until.value_or(making.now + making.view.cached_for);
  making.state().caches_until = std::max(leased_until, making.now) + making.plan().grace;
  making.go_on(Phase::emptying);
  making.note("rolling.empty",
              fmt::format("caches may hold {} until {}", fmt::join(batch(making.rolling), ", "),
                          sluice::to_text(making.state().caches_until)));
}

// Nothing has been done to the batch yet: it can be of help.
void give_back(Making& making, const std::string& why) {
  for (auto& endpoint : making.batch()) {
    if (endpoint.place != Place::drained) continue;
    making.put(endpoint, Place::waiting);
    making.act(Deed::take_back, endpoint);
  }
  making.go_on(Phase::holding);
  making.state().told = true;
  making.note("rolling.hold", "the batch is given back: " + why);
}

void empty(Making& making) {
  leave_batch(making, true);
  const auto batch = making.batch();
  if (is_over(batch)) return end_batch(making);
  if (const auto why = shortage(making.so_far(), making.view)) return give_back(making, *why);
  if (making.state().paused || making.now < making.state().caches_until) return;
  making.go_on(Phase::working);
  for (auto& endpoint : batch)
    if (!is_over(endpoint.place)) run_hook(making, endpoint);
}

// Who was given back counts as one that is through when it takes all of its weight.
bool wait_for_climb(Making& making) {
  for (const auto& endpoint : making.batch()) {
    const auto& its = seen(making.view, endpoint.address);
    if (endpoint.place != Place::returned || !its.climbs || !its.word.empty()) continue;
    if (!making.state().told)
      making.note("rolling.wait", fmt::format("{} is in its slow start", endpoint.address));
    making.state().told = true;
    return true;
  }
  return false;
}

// Endpoints one by one; then what all of them have come to.
void work(Making& making) {
  const auto batch = making.batch();
  for (auto& endpoint : batch) advance(making, endpoint);
  if (!is_over(batch)) return;
  if (std::any_of(batch.begin(), batch.end(), [](const auto& one) { return one.place == Place::failed; }))
    return fail(making);
  const auto ending = making.state().ending;
  if (ending) return finish(making, *ending, making.state().reason);
  if (wait_for_climb(making)) return;
  end_batch(making);
}

// --- the operator ---

bool waits_for_work(const Rolling& rolling) {
  const auto& endpoints = rolling.state.endpoints;
  return rolling.state.phase == Phase::working && rolling.plan.hook.empty() &&
         std::any_of(endpoints.begin(), endpoints.end(),
                     [](const auto& endpoint) { return endpoint.place == Place::hooking; });
}

void take_work(Making& making) {
  for (auto& endpoint : making.batch())
    if (endpoint.place == Place::hooking) making.put(endpoint, Place::proving);
}

// The batch is tried again, from the hook on; what a person has done is looked at again.
void try_again(Making& making) {
  making.go_on(Phase::working);
  making.state().reason.clear();
  making.note("rolling.resume", "what failed is tried again");
  for (auto& endpoint : making.batch()) {
    if (endpoint.place != Place::failed || leave(making, endpoint, true)) continue;
    endpoint.failures = 0;
    if (making.plan().hook.empty())
      making.put(endpoint, Place::proving);
    else
      run_hook(making, endpoint);
  }
}

void resume(Making& making) {
  if (making.state().paused) {
    making.state().paused.reset();
    return making.note("rolling.resume", "goes on");
  }
  if (making.state().phase == Phase::failed) return try_again(making);
  if (!waits_for_work(making.rolling)) {
    making.state().told = false;  // it waited for the end of the freeze; it may wait for something else now
    return making.note("rolling.resume", "goes on");
  }
  take_work(making);
  making.note("rolling.resume", "the work is done, says the operator");
}

// A hook that runs is not stopped: what it works on comes back when it is healthy, and no other begins.
void abort(Making& making, std::string reason, const std::string& by) {
  auto& state = making.state();
  state.ended_by = by;
  if (state.phase != Phase::working) return finish(making, Phase::aborted, std::move(reason));
  state.ending = Phase::aborted;
  state.reason = std::move(reason);
  state.paused.reset();
  if (making.plan().hook.empty()) take_work(making);
  for (auto& endpoint : making.batch())
    if (endpoint.place == Place::resting) making.put(endpoint, Place::failed, endpoint.detail);
  making.note(
      "rolling.abort",
      with_reason("no other batch is begun; what is drained comes back when it is healthy", state.reason));
}

Error makes_no_sense(const Rolling& rolling, Word word) {
  return {ErrorCode::refused, fmt::format("rolling {} of {} is {}: there is nothing to {}", rolling.id,
                                          rolling.plan.pool, to_text(rolling.state.phase), to_text(word))};
}

bool makes_sense(const Rolling& rolling, const Command& command) {
  const auto& state = rolling.state;
  if (!is_running(state.phase) || state.ending) return false;
  switch (command.word) {
    case Word::pause:
      return !state.paused && state.phase != Phase::failed;
    case Word::resume:
      return state.paused || state.phase == Phase::failed || waits_for_work(rolling) ||
             command.unfrozen_until > state.unfrozen_until;
    case Word::abort:
      return true;
  }
  return false;
}

std::optional<std::size_t> parse_count(std::string_view text) {
  std::size_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return {};
  return count;
}

}  // namespace

const char* to_text(Phase phase) {
  switch (phase) {
    case Phase::arming:
      return "arming";
    case Phase::holding:
      return "holding";
    case Phase::draining:
      return "draining";
    case Phase::emptying:
      return "emptying";
    case Phase::working:
      return "working";
    case Phase::failed:
      return "failed";
    case Phase::done:
      return "done";
    case Phase::aborted:
      return "aborted";
    case Phase::rolled_back:
      return "rolled_back";
  }
  return "";
}

const char* to_text(Place place) {
  switch (place) {
    case Place::waiting:
      return "waiting";
    case Place::drained:
      return "drained";
    case Place::hooking:
      return "hooking";
    case Place::resting:
      return "resting";
    case Place::proving:
      return "proving";
    case Place::returned:
      return "returned";
    case Place::left:
      return "left";
    case Place::failed:
      return "failed";
  }
  return "";
}

const char* to_text(OnFailure on_failure) {
  switch (on_failure) {
    case OnFailure::stop:
      return "stop";
    case OnFailure::rollback:
      return "rollback";
  }
  return "";
}

const char* to_text(Word word) {
  switch (word) {
    case Word::pause:
      return "pause";
    case Word::resume:
      return "resume";
    case Word::abort:
      return "abort";
  }
  return "";
}

Turn tick(const Rolling& rolling, const View& view, Time now) {
  Making making{rolling, view, now};
  switch (rolling.state.phase) {
    case Phase::arming:
      arm(making);
      break;
    case Phase::holding:
      if (!rolling.state.paused) take_batch(making);
      break;
    case Phase::draining:
      begin_to_empty(making);
      break;
    case Phase::emptying:
      empty(making);
      break;
    case Phase::working:
      work(making);
      break;
    case Phase::failed:
    case Phase::done:
    case Phase::aborted:
    case Phase::rolled_back:
      break;
  }
  return std::move(making.turn);
}

Turn take(const Rolling& rolling, const HookEnd& end, Time now) {
  const View nothing;
  Making making{rolling, nothing, now};
  for (auto& endpoint : making.batch()) {
    const bool awaited = endpoint.place == Place::hooking && endpoint.attempt == end.attempt;
    if (endpoint.address != end.address || !awaited) continue;
    endpoint.output = end.output;
    if (!end.success) ++endpoint.failures;
    const bool again = endpoint.failures < making.plan().attempts && !making.state().ending;
    making.put(endpoint,
               end.success ? Place::proving
               : again     ? Place::resting
                           : Place::failed,
               "hook: " + end.detail);
    making.note(
        end.success ? "rolling.hooked" : "rolling.hook_failed",
        with_reason(fmt::format("the hook for {}, attempt {}: {}", end.address, end.attempt, end.detail),
                    end.output));
  }
  return std::move(making.turn);
}

Result<Turn> obey(const Rolling& rolling, const Command& command, const View& view, Time now) {
  if (!makes_sense(rolling, command)) return makes_no_sense(rolling, command.word);
  Making making{rolling, view, now};
  switch (command.word) {
    case Word::pause:
      making.state().paused = now;
      making.note("rolling.pause", "no endpoint is drained, and no hook is begun");
      break;
    case Word::resume:
      resume(making);
      making.state().unfrozen_until = std::max(making.state().unfrozen_until, command.unfrozen_until);
      break;
    case Word::abort:
      abort(making, command.reason, command.by);
      return std::move(making.turn);
  }
  if (!command.reason.empty()) making.turn.notes.front().text += fmt::format(" ({})", command.reason);
  return std::move(making.turn);
}

std::optional<Time> next_tick(const Rolling& rolling, Time now) {
  const auto& state = rolling.state;
  if (!is_running(state.phase)) return {};
  const auto look = now + retry;
  if (state.caches_until <= now) return look;
  if (state.phase == Phase::arming) return state.caches_until;
  return state.phase == Phase::emptying ? std::min(look, state.caches_until) : look;
}

bool is_running(Phase phase) {
  return phase != Phase::done && phase != Phase::aborted && phase != Phase::rolled_back;
}

std::optional<std::string> shortage(const Rolling& rolling, const View& view) {
  return shortage_at(rolling, view, rolling.state.first);
}

std::optional<std::string> obstacle(const Rolling& rolling, const View& view) {
  if (auto why = shortage(rolling, view)) return why;
  return view.forbidden.empty() ? std::nullopt : std::optional(view.forbidden);
}

std::optional<Error> objection(const Rolling& rolling, const View& view) {
  for (std::size_t first = 0; first < rolling.state.endpoints.size(); first += rolling.plan.batch)
    if (auto why = shortage_at(rolling, view, first)) return Error{ErrorCode::refused, *std::move(why)};
  return {};
}

Capacity capacity_without_batch(const Rolling& rolling, const View& view) {
  return capacity(view, taken_at(rolling, rolling.state.first));
}

std::vector<Time> earliest_times(const Rolling& rolling, const View& view, const rollout::Allowed& allowed,
                                 Time now) {
  std::vector<Time> times;
  auto end = rolling.state.phase == Phase::arming ? std::max(now, rolling.state.caches_until) : now;
  const auto& endpoints = rolling.state.endpoints;
  for (std::size_t first = 0; first < endpoints.size(); first += rolling.plan.batch) {
    const auto at = allowed(end);
    times.push_back(at);
    auto empty = at;
    for (std::size_t i = first; i < std::min(first + rolling.plan.batch, endpoints.size()); ++i)
      empty = std::max(empty, empty_at(view, endpoints[i].address, at, now));
    end = empty + rolling.plan.grace;
  }
  times.push_back(end);
  return times;
}

std::vector<std::string> batch(const Rolling& rolling) {
  std::vector<std::string> addresses;
  for (std::size_t i = 0; i < rolling.state.endpoints.size(); ++i)
    if (is_in_batch(rolling, i)) addresses.push_back(rolling.state.endpoints[i].address);
  return addresses;
}

std::size_t batch_number(const Rolling& rolling) { return rolling.state.first / rolling.plan.batch + 1; }

std::size_t batches(const Rolling& rolling) {
  return (rolling.state.endpoints.size() + rolling.plan.batch - 1) / rolling.plan.batch;
}

Result<Least> parse_least(std::string_view text) {
  if (const auto part = parse_percent(text)) return Least{*part, true};
  if (const auto count = parse_count(text)) return Least{static_cast<double>(*count), false};
  return Error{ErrorCode::invalid,
               fmt::format("'{}' is no least; expected a number of endpoints, or a part such as 50%", text)};
}

Result<std::size_t> parse_batch(std::string_view text, std::size_t count) {
  if (const auto part = parse_percent(text); part && *part > 0)
    return std::max<std::size_t>(1, static_cast<std::size_t>(*part * static_cast<double>(count) + rounding));
  if (const auto size = parse_count(text); size && *size > 0) return std::min(*size, count);
  return Error{ErrorCode::invalid,
               fmt::format("'{}' is no batch; expected a number of endpoints, or a part such as 25%", text)};
}

}  // namespace sluice::rolling
