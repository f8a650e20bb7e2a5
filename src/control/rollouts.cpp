#include "control/rollouts.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "base/text.hpp"
#include "control/arguments.hpp"
#include "control/lease_status.hpp"
#include "control/liveness.hpp"
#include "control/plans.hpp"
#include "control/presets.hpp"
#include "control/routes.hpp"
#include "control/safety.hpp"
#include "control/versions.hpp"
#include "rollout/record.hpp"
#include "steer/layout.hpp"

namespace sluice::control {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using rollout::Rollout;
using rollout::Strategy;

constexpr std::string_view steps_default = "1,5,25,50,100";
constexpr Duration hold_default = 5min;
constexpr Duration ttl_default = 10s;
constexpr double linear_min = 0.01;
constexpr std::size_t analyses_max = 16;  // of a rollout

const config::Steer* steer_of(const Model& model, const Rollout& rollout) {
  const auto name = wire::Name::parse(rollout.plan.name);
  return name ? model.config().find_steer(*name) : nullptr;
}

// The pools of the plan are those of the name, in the same order.
bool fits(const rollout::Plan& plan, const config::Steer& steer) {
  return std::equal(plan.before.begin(), plan.before.end(), steer.pools.begin(), steer.pools.end(),
                    [](const auto& before, const auto& part) { return before.pool == part.pool; });
}

// A rollout with the pools that the name has now, in their order: itself, when they are the plan's.
class Fitted {
 public:
  Fitted() = default;
  explicit Fitted(const Rollout& rollout) : given_(&rollout) {}
  explicit Fitted(Rollout&& changed) : changed_(std::move(changed)) {}

  explicit operator bool() const { return given_ != nullptr || changed_.has_value(); }
  const Rollout& operator*() const { return changed_ ? *changed_ : *given_; }
  const Rollout* operator->() const { return &**this; }

 private:
  const Rollout* given_ = nullptr;
  std::optional<Rollout> changed_;
};

// New pools get nothing before it has ended. None when a target has gone, all that had a share beside them,
// or the name itself. The rollout has to outlive it.
Fitted fitted(const Rollout& rollout, const config::Steer* steer) {
  if (steer == nullptr) return {};
  if (fits(rollout.plan, *steer)) return Fitted(rollout);
  auto result = rollout;
  auto& before = result.plan.before;
  before.clear();
  bool others = false;
  for (const auto& pool : steer->pool_names()) {
    const auto known = std::find_if(rollout.plan.before.begin(), rollout.plan.before.end(),
                                    [&](const auto& part) { return part.pool == pool; });
    before.push_back({pool, known == rollout.plan.before.end() ? 0 : known->weight});
    others = others || (before.back().weight > 0 && !rollout::is_target(rollout.plan, pool));
  }
  const auto is_there = [&](const auto& target) { return steer->place_of(target.pool).has_value(); };
  const bool targets = std::all_of(rollout.plan.targets.begin(), rollout.plan.targets.end(), is_there);
  return targets && others ? Fitted(std::move(result)) : Fitted();
}

store::RolloutRecord record_of(const Rollout& rollout) {
  return {rollout.id, rollout.plan.name, rollout::to_text(rollout)};
}

std::string person(const Rollout& rollout) { return fmt::format("rollout {}", rollout.id); }

// Adds the change of weights that the rollout wants now; nothing when they are in force already.
void add_weights(const Model& model, const config::Steer& steer, const Rollout& rollout, Time now,
                 std::vector<store::Change>& changes) {
  const auto wanted = rollout::weights(rollout.plan, rollout::share(rollout, now));
  const auto after = rollout::weights_of(wanted);
  if (after == model.weights(steer)) return;
  const auto name = steer.name.text();
  auto layout = steer::to_text(steer::relay(model.layout(steer), after), steer.pool_names());
  // The config may say something else by now than what was before.
  const bool is_configured =
      std::equal(after.begin(), after.end(), steer.pools.begin(), steer.pools.end(),
                 [](double weight, const auto& part) { return weight == part.weight; });
  if (wanted == rollout.plan.before && !rollout.plan.overridden && is_configured) {
    changes.emplace_back(store::WeightReset{name});
  } else {
    store::WeightOverride set{name, {}, person(rollout), now};
    for (const auto& part : wanted) set.pools.push_back({part.pool, part.weight});
    changes.emplace_back(std::move(set));
  }
  changes.emplace_back(store::LayoutChange{name, std::move(layout)});
}

// The same for where it leads the class of its plan. What an operator has said since the end stays.
void add_route(const Model& model, const Rollout& rollout, Time now, std::vector<store::Change>& changes) {
  const auto& plan = rollout.plan;
  if (plan.client_class.empty()) return;
  const store::RouteOverride* set = nullptr;
  if (const auto found = model.steerings().find(wire::Name::parse(plan.name).value());
      found != model.steerings().end())
    if (const auto route = found->second.routes.find(plan.client_class); route != found->second.routes.end())
      set = &route->second;
  const bool is_ours = set != nullptr && set->by == person(rollout);
  const bool leads = rollout::leads_class(rollout);
  if (!leads && !is_ours) return;
  if (!leads && !plan.route_before)
    changes.emplace_back(store::RouteReset{plan.name, plan.client_class});
  else if (const auto& pool = leads ? plan.targets.front().pool : *plan.route_before;
           !is_ours || set->pool != pool)
    changes.emplace_back(store::RouteOverride{plan.name, plan.client_class, pool, person(rollout), now});
}

std::vector<double> weights_at(const rollout::Plan& plan, double share) {
  return rollout::weights_of(rollout::weights(plan, share));
}

// Why the step that gives the target so much may not be taken now.
std::string step_objection(const Model& model, const config::Steer& steer, const Rollout& rollout,
                           double share, Time unfrozen_until, Time now) {
  if (auto why = frozen(steer.safety.freeze, unfrozen_until, now)) return *std::move(why);
  return weights_objection(model, steer, model.weights(steer), weights_at(rollout.plan, share)).value_or("");
}

// With what the rules say to the step that a rollout may take by itself.
rollout::View view_of(const Model& model, const config::Steer& steer, const Rollout& rollout,
                      Measurements& measurements, Time now) {
  auto view = measurements.view(model, rollout, now);
  if (const auto share = rollout::next_share(rollout))
    view.forbidden = step_objection(model, steer, rollout, *share, rollout.state.unfrozen_until, now);
  return view;
}

// The same for an operator's word, if it is one that goes forward.
rollout::View view_of(const Model& model, const config::Steer& steer, const Rollout& rollout,
                      const rollout::Command& command, const FreezeOverride& unfrozen,
                      Measurements& measurements, Time now) {
  auto view = measurements.view(model, rollout, now);
  const bool forward = command.word == rollout::Word::promote || command.word == rollout::Word::resume;
  const auto share = forward ? rollout::next_share(rollout, command.full) : std::nullopt;
  if (share)
    view.forbidden = step_objection(model, steer, rollout, *share,
                                    std::max(unfrozen.until, rollout.state.unfrozen_until), now);
  return view;
}

// Why the rollout may not begin: the time, or one of its steps, as endpoints are now.
std::optional<Error> start_objection(const Model& model, const config::Steer& steer,
                                     const rollout::Plan& plan, const FreezeOverride& unfrozen, Time now) {
  const auto refuse = [](std::string why) { return Error{ErrorCode::refused, std::move(why)}; };
  if (auto why = frozen(steer.safety.freeze, unfrozen.until, now)) return refuse(*std::move(why));
  auto before = weights_at(plan, rollout::share_before(plan));
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    auto after = weights_at(plan, plan.steps[i]);
    if (const auto why = weights_objection(model, steer, before, after))
      return refuse(fmt::format("step {} of {}: {}", i + 1, plan.steps.size(), *why));
    before = std::move(after);
  }
  return {};
}

// From one share of the pool to another, as far as is decided; steps count from 1.
std::string step_details(const Rollout& rollout, double from, double to) {
  const auto& plan = rollout.plan;
  const auto step = std::min(rollout.state.step + 1, plan.steps.size());
  return json::serialize(json::object{{"rollout", rollout.id},
                                      {"strategy", to_text(plan.strategy)},
                                      {"pool", rollout::targets_text(plan)},
                                      {"step", step},
                                      {"steps", plan.steps.size()},
                                      {"from", from},
                                      {"to", to}});
}

// What it has set goes with it: the config's weights count, or what an operator had said before.
void drop_weights(const Model& model, const Rollout& rollout, Time now, std::vector<store::Change>& changes) {
  const auto found = model.steerings().find(wire::Name::parse(rollout.plan.name).value());
  const bool is_ours = found != model.steerings().end() && found->second.weights &&
                       found->second.weights->by == person(rollout);
  if (!is_ours) return;
  if (!rollout.plan.overridden) {
    changes.emplace_back(store::WeightReset{rollout.plan.name});
    return;
  }
  store::WeightOverride set{rollout.plan.name, {}, person(rollout), now};
  for (const auto& part : rollout.plan.before) set.pools.push_back({part.pool, part.weight});
  changes.emplace_back(std::move(set));
}

// One that has no name or pools any more is over.
void abandon(const Model& model, const Rollout& rollout, Time now, Decision& decision) {
  const double share = rollout::share(rollout, now);
  auto next = rollout;
  next.state.phase = rollout::Phase::returned;
  next.state.since = now;
  next.state.reason = "the config has its name or its pools no more";
  decision.changes.emplace_back(record_of(next));
  drop_weights(model, rollout, now, decision.changes);
  add_route(model, next, now, decision.changes);
  if (const auto name = wire::Name::parse(rollout.plan.name))
    decision.changes.emplace_back(next_version(model, *name, person(rollout), next.state.reason, now));
  decision.events.push_back({0, now, person(rollout), "rollout.abandoned", rollout.plan.name,
                             fmt::format("{}: {}", rollout.plan.name, next.state.reason),
                             step_details(rollout, share, share)});
}

void take_turn(const Model& model, const config::Steer& steer, Rollout rollout, rollout::Turn turn,
               const std::string& who, Time now, Decision& decision) {
  const bool changed = !(turn.state == rollout.state);
  const double share_before = rollout::share(rollout, now);
  const bool ends = !rollout::is_running(turn.state.phase);
  rollout.state = std::move(turn.state);
  // What goes back little by little is told of once.
  const double share_after = rollout.state.phase == rollout::Phase::returning
                                 ? rollout::share_before(rollout.plan)
                                 : rollout::share(rollout, now);
  const auto details = step_details(rollout, share_before, share_after);
  if (changed) decision.changes.emplace_back(record_of(rollout));
  const auto count = decision.changes.size();
  add_weights(model, steer, rollout, now, decision.changes);
  add_route(model, rollout, now, decision.changes);
  // Phases in which nothing changes for who asks are no new version; nor is what an analysis has found, or
  // each second of what goes back little by little.
  const bool moves = decision.changes.size() > count, told = who != person(rollout);
  if ((moves && !turn.notes.empty()) || (changed && (told || ends)))
    decision.changes.emplace_back(next_version(model, steer.name, who, turn.notes.front().text, now));
  for (auto& note : turn.notes)
    decision.events.push_back({0, now, who, std::move(note.kind), rollout.plan.name,
                               fmt::format("{}: {}", rollout.plan.name, note.text), details});
}

// By itself, and so with a new measurement where a phase begins.
void advance(const Model& model, const config::Steer& steer, const Rollout& rollout, rollout::Turn turn,
             Measurements& measurements, Time now, Decision& decision) {
  if (turn.measure_anew) {
    measurements.begin_anew(rollout, now);
  } else if (!(turn.state == rollout.state)) {
    auto next = rollout;
    next.state = turn.state;
    measurements.begin(next, now);
  }
  take_turn(model, steer, rollout, std::move(turn), person(rollout), now, decision);
}

Result<const Rollout*> find_rollout(const Model& model, const Request& request) {
  const auto steer = find_steer(model, request);
  if (!steer) return steer.error();
  const auto found = model.rollouts().find((*steer)->name);
  if (found == model.rollouts().end())
    return Error{ErrorCode::not_found, fmt::format("{} has had no rollout", (*steer)->name.text())};
  return &found->second;
}

Result<Duration> ttl_argument(const Request& request, const config::Steer& steer) {
  const auto ttl = duration_argument(request, "ttl");
  if (!ttl) return std::max(std::min(ttl_default, steer.ttl), std::min(steer.ttl_min, steer.ttl));
  if (*ttl > steer.ttl || *ttl < steer.ttl_min)
    return Error{ErrorCode::refused,
                 fmt::format("the TTL of a rollout is at least ttl_min, {}, and at most the usual one, {}",
                             to_text(steer.ttl_min), to_text(steer.ttl))};
  return std::chrono::floor<std::chrono::seconds>(*ttl);
}

Result<Duration> hold_of(const Request& request, Strategy strategy) {
  if (strategy == Strategy::bluegreen) return Duration::zero();
  const auto hold = duration_argument(request, "hold"), every = duration_argument(request, "every");
  if (hold && every) return Error{ErrorCode::invalid, "hold and every are the same: give one of them"};
  return hold.value_or(every.value_or(hold_default));
}

Result<std::vector<double>> steps_of(const Request& request, Strategy strategy, double before) {
  const auto text = text_argument(request, "steps"), by = text_argument(request, "linear");
  const auto factor = number_argument(request, "exponential");
  if (!text.empty() + !by.empty() + factor.has_value() > 1)
    return Error{ErrorCode::invalid, "steps, linear and exponential exclude each other"};
  if (strategy == Strategy::bluegreen) return std::vector{1.0};
  if (!by.empty()) {
    const double part = *parse_percent(by);
    if (part < linear_min)
      return Error{ErrorCode::invalid,
                   fmt::format("linear steps of {} are too many; expected 1% at least", by)};
    return rollout::linear_steps(before, part);
  }
  if (factor) {
    if (*factor < 2) return Error{ErrorCode::invalid, "an exponential has a factor of 2 at least"};
    return rollout::exponential_steps(before, static_cast<double>(*factor));
  }
  return rollout::parse_steps(text.empty() ? steps_default : text);
}

// Probes are compared, so that there have to be some of both sides.
std::optional<Error> probes_objection(const Model& model, const config::Analysis& analysis,
                                      const rollout::Plan& plan) {
  if (analysis.type != config::AnalysisType::probes) return {};
  for (const auto& [pool, weight] : plan.before)
    if ((rollout::is_target(plan, pool) || weight > 0) && !model.config().find_pool(pool)->check)
      return Error{ErrorCode::refused,
                   fmt::format("analysis {} compares probes, and pool {} has no check", analysis.name, pool)};
  return {};
}

Result<std::vector<rollout::AnalysisRules>> analyses_of(const Model& model, const Request& request,
                                                        const rollout::Plan& plan) {
  std::vector<std::string> known;
  for (const auto& analysis : model.config().analyses) known.push_back(analysis.name);
  std::vector<rollout::AnalysisRules> all;
  const auto text = text_argument(request, "analysis");
  if (text.empty()) return all;
  for (const auto part : comma_separated(text)) {
    const std::string name(part);
    if (name.empty())
      return Error{ErrorCode::invalid, fmt::format("'{}' names no analyses; expected errors,load", text)};
    const auto* found = model.config().find_analysis(name);
    if (found == nullptr) return unknown(fmt::format("there is no analysis '{}'", name), name, known);
    if (auto why = probes_objection(model, *found, plan)) return *std::move(why);
    if (std::any_of(all.begin(), all.end(), [&](const auto& rules) { return rules.name == name; }))
      return Error{ErrorCode::invalid, fmt::format("analysis '{}' is given twice", name)};
    all.push_back({name, found->interval, found->failures_max, found->errors_max, found->successes_min,
                   found->relative_to_old});
  }
  if (all.size() > analyses_max)
    return Error{ErrorCode::invalid, fmt::format("at most {} analyses are possible", analyses_max)};
  return all;
}

// The step of the class comes before all others.
std::optional<Error> add_class(const Model& model, const config::Steer& steer, const Request& request,
                               rollout::Plan& plan) {
  const auto name = text_argument(request, "class");
  if (name.empty()) return {};
  if (const auto found = find_class(model, name); !found) return found.error();
  plan.client_class = name;
  plan.steps.insert(plan.steps.begin(), rollout::share_before(plan));
  for (const auto& routing : model.routings(steer))
    if (routing.client_class == name && routing.set != nullptr) plan.route_before = routing.set->pool;
  return {};
}

Result<std::vector<rollout::PoolWeight>> targets_of(const Request& request, const config::Steer& steer) {
  const auto text = text_argument(request, "to");
  if (text.empty())
    return Error{ErrorCode::invalid, fmt::format("which pool? expected --to with one of: {}",
                                                 fmt::join(steer.pool_names(), ", "))};
  auto targets = rollout::parse_targets(text);
  if (!targets) return targets;
  for (const auto& target : *targets)
    if (!steer.place_of(target.pool)) return unknown_pool(steer, target.pool);
  return targets;
}

Result<rollout::Plan> plan_of(const Model& model, const config::Steer& steer, const Request& request,
                              Strategy strategy) {
  rollout::Plan plan;
  plan.strategy = strategy;
  plan.name = steer.name.text();
  auto targets = targets_of(request, steer);
  if (!targets) return targets.error();
  plan.targets = *std::move(targets);
  const auto hold = hold_of(request, strategy);
  if (!hold) return hold.error();
  plan.hold = *hold;
  plan.gates = request.arguments.contains("gates") && request.arguments.at("gates").as_bool();
  plan.grace = duration_argument(request, "grace").value_or(0ms);
  const auto ttl = ttl_argument(request, steer);
  if (!ttl) return ttl.error();
  plan.ttl = *ttl;
  plan.ttl_before = steer.ttl;
  const auto weights = model.weights(steer);
  for (std::size_t i = 0; i < weights.size(); ++i) plan.before.push_back({steer.pools[i].pool, weights[i]});
  const auto steering = model.steerings().find(steer.name);
  plan.overridden = steering != model.steerings().end() && steering->second.weights;
  auto steps = steps_of(request, strategy, rollout::share_before(plan));
  if (!steps) return steps.error();
  plan.steps = *std::move(steps);
  if (auto why = add_class(model, steer, request, plan)) return *std::move(why);
  auto analyses = analyses_of(model, request, plan);
  if (!analyses) return analyses.error();
  plan.analyses = *std::move(analyses);
  if (auto why = rollout::objection(plan)) return *std::move(why);
  if (const auto dead = Liveness(model, plan).dead_target(); !dead.empty())
    return Error{ErrorCode::refused, fmt::format("{} is not alive", dead)};
  return plan;
}

// What a plan is made by.
rollout::View view_before(std::optional<Time> answered_last, const std::optional<rollout::LeaseEnd>& leased) {
  rollout::View view;
  view.answered_last = answered_last;
  if (leased) view.leased_until = leased->at;
  return view;
}

// "class testers, 5, 100 %"
std::string steps_text(const rollout::Plan& plan) {
  std::string text;
  for (std::size_t i = 0; i < plan.steps.size(); ++i)
    text +=
        (i == 0 ? "" : ", ") + (rollout::is_class_step(plan, i) ? "class " + plan.client_class
                                                                : fmt::format("{:.4g}", plan.steps[i] * 100));
  return text + " %";
}

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

json::value number_or_null(std::optional<double> number) {
  return number ? json::value(*number) : json::value(nullptr);
}

json::array analyses_status(const Rollout& rollout, Time now) {
  json::array list;
  for (std::size_t i = 0; i < rollout.plan.analyses.size(); ++i) {
    const auto& rules = rollout.plan.analyses[i];
    const auto counts = rollout::counts_of(rollout.state, i);
    const bool analysed = rollout::is_analysed(rollout, i);
    list.push_back(
        {{"name", rules.name},
         {"successes", counts.successes},
         {"successes_min", rules.successes_min},
         {"failures", counts.failures},
         {"failures_max", rules.failures_max},
         {"inconclusive", counts.inconclusive},
         {"errors", counts.errors},
         {"errors_in_row", counts.errors_in_row},
         {"errors_max", rules.errors_max},
         {"verdict", counts.at ? json::value(to_text(counts.last.verdict)) : json::value(nullptr)},
         {"value", number_or_null(counts.last.value)},
         {"threshold", number_or_null(counts.last.threshold)},
         {"text", counts.last.text},
         {"at", time_or_null(counts.at)},
         {"next", time_or_null(analysed ? std::optional(rollout::next_analysis(rollout, i)) : std::nullopt)},
         {"holds", analysed ? rollout::hindrance(rules, counts, now) : std::string()}});
  }
  return list;
}

// Of what is waited for; without the margin for caches that do not obey.
std::optional<rollout::LeaseEnd> awaited_end(const Rollout& rollout, const rollout::View& view, Time now) {
  using rollout::Phase;
  const auto& plan = rollout.plan;
  const auto phase = rollout.state.phase;
  const auto caches = rollout::caches_until(rollout, view);
  // An operator may have ended the last step before its time.
  const bool ended_early = phase == Phase::done && caches > now;
  if (phase != Phase::arming && phase != Phase::moving && phase != Phase::returning && !ended_early)
    return {};
  if (phase == Phase::arming) return rollout::LeaseEnd{caches, plan.ttl_before};
  return rollout::LeaseEnd{caches - plan.grace, plan.ttl};
}

std::optional<double> ratio_of(std::uint64_t count, std::uint64_t all) {
  return all == 0 ? std::nullopt : std::optional(static_cast<double>(count) / static_cast<double>(all));
}

json::array targets_status(const Rollout& rollout, const rollout::View& view, Time now) {
  const auto shares = rollout::shares_of_targets(rollout.plan, rollout::share(rollout, now));
  json::array list;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const auto answers = i < view.answers_of_targets.size() ? view.answers_of_targets[i] : 0;
    list.push_back({{"pool", rollout.plan.targets[i].pool},
                    {"weight", rollout.plan.targets[i].weight},
                    {"share", shares[i]},
                    {"answered_share", number_or_null(ratio_of(answers, view.answers))}});
  }
  return list;
}

// `ends`: when it is done at the earliest.
json::object to_status(const Rollout& rollout, const rollout::View& view, std::optional<Time> ends,
                       Time now) {
  const auto& [id, by, started, plan, state, why] = rollout;
  const bool running = rollout::is_running(state.phase);
  json::array steps;
  for (const double step : plan.steps) steps.emplace_back(step);
  const auto next = running ? rollout::next_tick(rollout, view, now) : std::nullopt;
  const auto answers =
      std::accumulate(view.answers_of_targets.begin(), view.answers_of_targets.end(), std::uint64_t{0});
  return {{"id", id},
          {"name", plan.name},
          {"strategy", to_text(plan.strategy)},
          {"to", rollout::targets_text(plan)},
          {"targets", targets_status(rollout, view, now)},
          {"class", plan.client_class.empty() ? json::value(nullptr) : json::value(plan.client_class)},
          {"by", by},
          {"why", why},
          {"started", to_text(started)},
          {"running", running},
          {"phase", to_text(state.phase)},
          {"since", to_text(state.since)},
          {"step", state.step},
          {"skipped", state.skipped},
          {"moved", state.moved},
          {"steps", std::move(steps)},
          {"share", rollout::share(rollout, now)},
          {"share_before", rollout::share_before(plan)},
          {"answers", view.answers},
          {"answered_share", number_or_null(ratio_of(answers, view.answers))},
          {"leased_share", number_or_null(rollout::leased_share(rollout, view, now))},
          {"hold_s", seconds(plan.hold)},
          {"gates", plan.gates},
          {"ttl_s", seconds(plan.ttl)},
          {"caches_until", to_text(rollout::caches_until(rollout, view))},
          {"leases", leases_status(awaited_end(rollout, view, now))},
          {"grace_s", seconds(plan.grace)},
          {"paused", time_or_null(state.paused)},
          {"next", time_or_null(next)},
          {"ends", time_or_null(ends)},
          {"reason", state.reason},
          {"sent_back_by", state.sent_back_by},
          {"forbidden", running ? view.forbidden : ""},
          {"analyses", analyses_status(rollout, now)}};
}

json::object shown(const Model& model, const Rollout& rollout, Measurements& measurements, Time now) {
  const auto* steer = steer_of(model, rollout);
  const auto whole = fitted(rollout, steer);
  if (!whole) return to_status(rollout, measurements.view(model, rollout, now), {}, now);
  const auto view = view_of(model, *steer, *whole, measurements, now);
  const auto times = rollout::earliest_times(
      rollout, view, times_unfrozen(steer->safety.freeze, rollout.state.unfrozen_until), now);
  return to_status(rollout, view, times.empty() ? std::nullopt : std::optional(times.back()), now);
}

}  // namespace

Measurements::Begin& Measurements::begin(const Rollout& rollout, Time now) {
  auto& begin = begins_[rollout.plan.name];
  if (begin.id == rollout.id && begin.phase_since == rollout.state.since) return begin;
  return begin_anew(rollout, now);
}

Measurements::Begin& Measurements::begin_anew(const Rollout& rollout, Time now) {
  auto& begin = begins_[rollout.plan.name];
  begin = {rollout.state.since, now, rollout.id, {}};
  const auto name = wire::Name::parse(rollout.plan.name).value();
  for (const auto& part : rollout.plan.before) begin.answers[part.pool] = answers_(name, part.pool);
  return begin;
}

void Measurements::see_leases(const Rollout& rollout, rollout::View& view) const {
  view.leased_until = leases_.before_change(wire::Name::parse(rollout.plan.name).value());
  view.leased_here = rollout.state.since >= leases_.since;
}

rollout::View Measurements::view(const Model& model, const Rollout& rollout, Time now) {
  const auto& plan = rollout.plan;
  const auto name = wire::Name::parse(plan.name).value();
  auto& begin = this->begin(rollout, now);
  rollout::View view;
  view.measured_since = begin.at;
  view.answered_last = leases_.answered_last(name);
  see_leases(rollout, view);
  const Liveness liveness(model, plan);
  view.dead_target = liveness.dead_target();
  const auto answers_of = [&](const std::string& pool) { return answers_(name, pool) - begin.answers[pool]; };
  for (const auto& target : plan.targets) view.answers_of_targets.push_back(answers_of(target.pool));
  for (const auto& part : plan.before) view.answers += answers_of(part.pool);
  const auto* steer = steer_of(model, rollout);
  if (steer == nullptr || !fits(plan, *steer)) return view;
  view.others_live = liveness.others_live(*steer);
  view.sticky = steer->method == config::Method::sticky;
  return view;
}

Result<Decision> start_rollout(const Model& model, const Request& request, Strategy strategy, Time now,
                               const LeasesOfName& leases) {
  const auto steer = find_steer(model, request);
  if (!steer) return steer.error();
  if (auto why = version_objection(model, request, (*steer)->name)) return *std::move(why);
  if (auto why = rollout_in_the_way(model, **steer)) return *std::move(why);
  const auto whole = with_preset(model.config(), **steer, request);
  if (!whole) return whole.error();
  auto plan = plan_of(model, **steer, *whole, strategy);
  if (!plan) return plan.error();
  const auto unfrozen = freeze_override(request, (*steer)->safety.freeze, now);
  if (!unfrozen) return unfrozen.error();
  if (auto why = start_objection(model, **steer, *plan, *unfrozen, now)) return *std::move(why);
  Rollout rollout{model.next_rollout_id(), request.who, now,
                  *std::move(plan),        {},          text_argument(request, "reason")};
  rollout.state.since = now;
  const auto leased = leases.until_now((*steer)->name);
  rollout.state.caches_until = rollout::armed_at(rollout.plan, leased, now);
  rollout.state.unfrozen_until = unfrozen->until;
  const auto times =
      rollout::earliest_times(rollout, view_before(leases.answered_last((*steer)->name), leased),
                              times_unfrozen((*steer)->safety.freeze, rollout.state.unfrozen_until), now);
  auto text = fmt::format("{} of {} to {} in steps of {}, TTL {}; the first step at {}", to_text(strategy),
                          rollout.plan.name, rollout::targets_text(rollout.plan), steps_text(rollout.plan),
                          to_text(rollout.plan.ttl), to_text(times.front()));
  if (const auto preset = text_argument(*whole, "preset"); !preset.empty())
    text += fmt::format("; preset {}", preset);
  text += unfrozen->text;
  Decision decision;
  decision.changes = {record_of(rollout), next_version(model, (*steer)->name, request.who, text, now)};
  const double share = rollout::share_before(rollout.plan);
  decision.events = {
      {0, now, request.who, "rollout.start", rollout.plan.name, text, step_details(rollout, share, share)}};
  decision.reply = {{"id", rollout.id},        {"name", rollout.plan.name},
                    {"changed", true},         {"version", version_of(model, (*steer)->name) + 1},
                    {"text", std::move(text)}, {"plan", schedule_of(model, rollout.plan, times, now)}};
  if (strategy == Strategy::bluegreen) add_sides(model, rollout.plan, decision.reply);
  return decision;
}

Result<Decision> say_to_rollout(const Model& model, const Request& request, rollout::Word word,
                                Measurements& measurements, Time now) {
  const auto found = find_rollout(model, request);
  if (!found) return found.error();
  const auto* steer = steer_of(model, **found);
  const auto whole = fitted(**found, steer);
  if (!whole)
    return Error{ErrorCode::refused,
                 fmt::format("{} has other pools than the rollout had", (*found)->plan.name)};
  const Rollout& rollout = *whole;
  if (auto why = version_objection(model, request, steer->name)) return *std::move(why);
  const auto unfrozen = freeze_override(request, steer->safety.freeze, now);
  if (!unfrozen) return unfrozen.error();
  rollout::Command command{word, false, {}, text_argument(request, "reason"), request.who};
  command.full = request.arguments.contains("full") && request.arguments.at("full").as_bool();
  command.over = duration_argument(request, "over").value_or(0ms);
  const bool over = !rollout::is_running(rollout.state.phase);
  if (over && model.weights_by(*steer) != person(rollout))
    return Error{ErrorCode::refused,
                 fmt::format("the weights of {} have been changed since its rollout", rollout.plan.name)};
  const auto view = view_of(model, *steer, rollout, command, *unfrozen, measurements, now);
  auto turn = rollout::obey(rollout, command, view, now);
  if (!turn) return turn.error();
  turn->state.unfrozen_until = std::max(turn->state.unfrozen_until, unfrozen->until);
  // What goes back says why by itself.
  const bool goes_back = word == rollout::Word::abort || word == rollout::Word::undo;
  if (!goes_back) turn->notes.front().text += unfrozen->text;
  Decision decision;
  take_turn(model, *steer, rollout, *std::move(turn), request.who, now, decision);
  decision.reply = {{"id", rollout.id},
                    {"name", rollout.plan.name},
                    {"changed", true},
                    {"version", version_of(model, steer->name) + 1},
                    {"text", decision.events.empty() ? "" : decision.events.front().text}};
  return decision;
}

Decision due_rollouts(const Model& model, Measurements& measurements, Time now) {
  Decision decision;
  for (const auto& name : model.running_rollouts()) {
    const auto& rollout = model.rollouts().at(name);
    const auto* steer = steer_of(model, rollout);
    const auto whole = fitted(rollout, steer);
    if (!whole) {
      abandon(model, rollout, now, decision);
      continue;
    }
    auto turn = rollout::tick(*whole, view_of(model, *steer, *whole, measurements, now), now);
    advance(model, *steer, *whole, std::move(turn), measurements, now, decision);
  }
  return decision;
}

Decision take_finding(const Model& model, const DueAnalysis& due, rollout::Finding finding,
                      Measurements& measurements, Time now) {
  const auto found = model.rollouts().find(due.name);
  if (found == model.rollouts().end()) return {};
  const auto* steer = steer_of(model, found->second);
  const auto whole = fitted(found->second, steer);
  if (!whole || whole->id != due.rollout || step_number(*whole) != due.step) return {};
  const auto& rollout = *whole;
  auto turn = rollout::observe(rollout, due.analysis, std::move(finding),
                               view_of(model, *steer, rollout, measurements, now), now);
  const bool moves = turn.state.phase != rollout.state.phase;
  Decision decision;
  advance(model, *steer, rollout, std::move(turn), measurements, now, decision);
  decision.in_answers = moves || decision.changes.size() > 1;
  return decision;
}

std::optional<Time> next_rollout(const Model& model, const Measurements& measurements, Time looked) {
  std::optional<Time> next;
  for (const auto& name : model.running_rollouts()) {
    const auto& rollout = model.rollouts().at(name);
    rollout::View view;
    measurements.see_leases(rollout, view);
    const auto due = rollout::next_tick(rollout, view, looked);
    if (due && (!next || *due < *next)) next = due;
  }
  return next;
}

std::optional<Error> rollout_in_the_way(const Model& model, const config::Steer& steer) {
  if (!model.running_rollouts().contains(steer.name)) return {};
  const auto& rollout = model.rollouts().at(steer.name);
  return Error{
      ErrorCode::refused,
      fmt::format("rollout {} of {} to {} is {}: abort it, or wait for its end", rollout.id,
                  rollout.plan.name, rollout::targets_text(rollout.plan), to_text(rollout.state.phase))};
}

Result<json::object> rollouts_status(const Model& model, const Request& request, Measurements& measurements,
                                     Time now) {
  json::array list;
  if (request.arguments.contains("name")) {
    const auto found = find_rollout(model, request);
    if (!found) return found.error();
    list.push_back(shown(model, **found, measurements, now));
  } else {
    for (const auto& [name, rollout] : model.rollouts())
      list.push_back(shown(model, rollout, measurements, now));
  }
  return json::object{{"now", to_text(now)}, {"rollouts", std::move(list)}};
}

json::object history_status(const std::vector<store::RolloutRecord>& records, Time now) {
  json::array list;
  for (const auto& record : records)
    if (const auto rollout = rollout::parse(record.record)) list.push_back(to_status(*rollout, {}, {}, now));
  return {{"now", to_text(now)}, {"rollouts", std::move(list)}};
}

json::value time_or_null(std::optional<Time> time) {
  return time ? json::value(to_text(*time)) : json::value(nullptr);
}

}  // namespace sluice::control
