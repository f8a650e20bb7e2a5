#include "control/rollouts.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "control/arguments.hpp"
#include "control/plans.hpp"
#include "control/presets.hpp"
#include "control/rollout_plan.hpp"
#include "control/rollout_status.hpp"
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

store::RolloutRecord record_of(const Rollout& rollout) {
  return {rollout.id, rollout.plan.name, rollout::to_text(rollout)};
}

std::string person(const Rollout& rollout) { return fmt::format("rollout {}", rollout.id); }

// What sets the weights of a name to those, as the rollout's.
store::WeightOverride override_of(const Rollout& rollout, const std::vector<rollout::PoolWeight>& parts,
                                  Time now) {
  store::WeightOverride set{rollout.plan.name, {}, person(rollout), now};
  for (const auto& part : parts) set.pools.push_back({part.pool, part.weight});
  return set;
}

// Adds what makes these the weights that are set at run time: none for the config's. `steer`: none when the
// name has gone.
void set_weights(const Model& model, const config::Steer* steer, const Rollout& rollout,
                 std::optional<store::WeightOverride> wanted, std::vector<store::Change>& changes) {
  std::optional<steer::Layout> layout;
  if (steer != nullptr)
    layout = steer::relay(model.layout(*steer), weights_under(*steer, wanted ? &*wanted : nullptr));
  if (wanted)
    changes.emplace_back(*std::move(wanted));
  else
    changes.emplace_back(store::WeightReset{rollout.plan.name});
  if (layout)
    changes.emplace_back(
        store::LayoutChange{rollout.plan.name, steer::to_text(*layout, steer->pool_names())});
}

// None when that is what the config says. Pools that the plan does not know, as they are new, have nothing
// while it moves what the others have, and what the config says once all is as before.
std::optional<store::WeightOverride> wanted_weights(const config::Steer& steer, const Rollout& rollout,
                                                    Time now) {
  const auto& plan = rollout.plan;
  const auto phase = rollout.state.phase;
  const double share = rollout::share(rollout, now);
  auto parts = rollout::weights(plan, share, steer.pool_names());
  const bool is_back = (phase == rollout::Phase::returning || phase == rollout::Phase::returned) &&
                       share == rollout::share_before(plan);
  for (const auto& pool : steer.pool_names())
    if (!is_back &&
        std::none_of(parts.begin(), parts.end(), [&](const auto& part) { return part.pool == pool; }))
      parts.push_back({pool, 0});
  auto wanted = override_of(rollout, parts, now);
  // The config may say something else by now than what was before.
  const bool is_configured = weights_under(steer, &wanted) == weights_under(steer, nullptr);
  if (is_back && !plan.overridden && is_configured) return {};
  return wanted;
}

// Adds the change of weights that the rollout wants now; nothing when they are in force already.
void add_weights(const Model& model, const config::Steer& steer, const Rollout& rollout, Time now,
                 std::vector<store::Change>& changes) {
  auto wanted = wanted_weights(steer, rollout, now);
  if (weights_under(steer, wanted ? &*wanted : nullptr) != model.weights(steer))
    set_weights(model, &steer, rollout, std::move(wanted), changes);
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

// What it has set goes with it: the config's weights count, or what an operator had said before. `steer`:
// none when the name has gone.
void drop_weights(const Model& model, const config::Steer* steer, const Rollout& rollout, Time now,
                  std::vector<store::Change>& changes) {
  const auto found = model.steerings().find(wire::Name::parse(rollout.plan.name).value());
  const bool is_ours = found != model.steerings().end() && found->second.weights &&
                       found->second.weights->by == person(rollout);
  if (!is_ours) return;
  auto before =
      rollout.plan.overridden ? std::optional(override_of(rollout, rollout.plan.before, now)) : std::nullopt;
  set_weights(model, steer, rollout, std::move(before), changes);
}

// One that has no name or pools any more is over.
void abandon(const Model& model, const config::Steer* steer, const Rollout& rollout, Time now,
             Decision& decision) {
  const double share = rollout::share(rollout, now);
  auto next = rollout;
  next.state.phase = rollout::Phase::returned;
  next.state.since = now;
  next.state.reason = "the config has its name or its pools no more";
  decision.changes.emplace_back(record_of(next));
  drop_weights(model, steer, rollout, now, decision.changes);
  add_route(model, next, now, decision.changes);
  if (const auto name = wire::Name::parse(rollout.plan.name))
    decision.changes.emplace_back(next_version(model, *name, person(rollout), next.state.reason, now));
  decision.events.push_back({0, now, person(rollout), "rollout.abandoned", rollout.plan.name,
                             fmt::format("{}: {}", rollout.plan.name, next.state.reason),
                             step_details(rollout, share, rollout::share_before(rollout.plan))});
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
    measurements.begin_anew(steer.name, rollout, now);
  } else if (!(turn.state == rollout.state)) {
    auto next = rollout;
    next.state = turn.state;
    measurements.begin(steer.name, next, now);
  }
  take_turn(model, steer, rollout, std::move(turn), person(rollout), now, decision);
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

}  // namespace

Result<Decision> start_rollout(const Model& model, const Request& request, Strategy strategy, Time now,
                               const LeasesOfName& leases) {
  const auto steer = find_steer(model, request);
  if (!steer) return steer.error();
  if (auto why = version_objection(model, request, (*steer)->name)) return *std::move(why);
  if (auto why = rollout_in_the_way(model, **steer)) return *std::move(why);
  const auto whole = with_preset(model.config(), **steer, request);
  if (!whole) return whole.error();
  auto plan = plan_rollout(model, **steer, *whole, strategy);
  if (!plan) return plan.error();
  const auto unfrozen = freeze_override(request, (*steer)->safety.freeze, now);
  if (!unfrozen) return unfrozen.error();
  if (auto why = start_objection(model, **steer, *plan, unfrozen->until, now)) return *std::move(why);
  Rollout rollout{model.next_rollout_id(), request.who, now,
                  *std::move(plan),        {},          text_argument(request, "reason")};
  rollout.state.since = now;
  const auto leased = leases.until_now((*steer)->name);
  const auto armed = rollout::armed_at(rollout.plan, leased, now);
  rollout.state.caches_until = armed.at;
  rollout.state.caches_ttl = armed.ttl;
  rollout.state.unfrozen_until = unfrozen->until;
  const auto times =
      rollout::earliest_times(rollout, view_before(leases.answered_last((*steer)->name), leased),
                              times_unfrozen((*steer)->safety.freeze, rollout.state.unfrozen_until), now);
  auto text = fmt::format("{} of {} to {} in steps of {}, TTL {}; the first step at {}", to_text(strategy),
                          rollout.plan.name, rollout::targets_text(rollout.plan), steps_text(rollout.plan),
                          to_text(rollout.plan.ttl), to_text(times.front()));
  if (const auto preset = text_argument(*whole, "preset"); !preset.empty())
    text += fmt::format("; preset {}", preset);
  text += unfrozen->text + reason_text(request);
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
  const Rollout& rollout = **found;
  const auto* steer = steer_of(model, wire::Name::parse(rollout.plan.name).value(), rollout);
  if (steer == nullptr)
    return Error{ErrorCode::refused,
                 fmt::format("{} has other pools than the rollout had", rollout.plan.name)};
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
  const auto view = view_of(model, *steer, rollout, command, unfrozen->until, measurements, now);
  auto turn = rollout::obey(rollout, command, view, now);
  if (!turn) return turn.error();
  turn->state.unfrozen_until = std::max(turn->state.unfrozen_until, unfrozen->until);
  turn->notes.front().text += unfrozen->text;
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
    const auto* steer = steer_of(model, name, rollout);
    if (steer == nullptr) {
      abandon(model, model.config().find_steer(name), rollout, now, decision);
      continue;
    }
    auto turn = rollout::tick(rollout, view_of(model, *steer, rollout, measurements, now), now);
    advance(model, *steer, rollout, std::move(turn), measurements, now, decision);
  }
  return decision;
}

Decision take_finding(const Model& model, const DueAnalysis& due, rollout::Finding finding,
                      Measurements& measurements, Time now) {
  const auto found = model.rollouts().find(due.name);
  if (found == model.rollouts().end()) return {};
  const auto& rollout = found->second;
  const auto* steer = steer_of(model, due.name, rollout);
  if (steer == nullptr || rollout.id != due.rollout || step_number(rollout) != due.step) return {};
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
    measurements.see_leases(name, rollout, view);
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

}  // namespace sluice::control
