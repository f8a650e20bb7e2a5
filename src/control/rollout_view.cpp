#include "control/rollout_view.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "control/liveness.hpp"

namespace sluice::control {
namespace {

using rollout::Rollout;

// In the steer's order; pools that the plan does not know have nothing.
std::vector<double> weights_at(const config::Steer& steer, const rollout::Plan& plan, double share) {
  std::vector<double> weights(steer.pools.size());
  for (const auto& part : rollout::weights(plan, share, steer.pool_names()))
    weights[steer.place_of(part.pool).value()] = part.weight;
  return weights;
}

// Why the class of the plan may not be led to its target.
std::optional<std::string> class_objection(const Model& model, const config::Steer& steer,
                                           const rollout::Plan& plan) {
  if (plan.client_class.empty()) return {};
  return route_objection(model, steer, plan.targets.front().pool);
}

// Why the step that gives the targets so much may not be taken now.
std::string step_objection(const Model& model, const config::Steer& steer, const Rollout& rollout,
                           double share, Time unfrozen_until, Time now) {
  const auto& plan = rollout.plan;
  if (auto why = frozen(steer.safety.freeze, unfrozen_until, now)) return *std::move(why);
  if (rollout.state.phase == rollout::Phase::arming)
    if (auto why = class_objection(model, steer, plan)) return *std::move(why);
  return weights_objection(model, steer, model.weights(steer), weights_at(steer, plan, share)).value_or("");
}

}  // namespace

const config::Steer* steer_of(const Model& model, const wire::Name& name, const Rollout& rollout) {
  const auto* steer = model.config().find_steer(name);
  return steer != nullptr && rollout::is_possible(rollout.plan, steer->pool_names()) ? steer : nullptr;
}

const Measurements::Begin* Measurements::find(const wire::Name& name, const Rollout& rollout) const {
  const auto found = begins_.find(name);
  const bool is_its = found != begins_.end() && found->second.id == rollout.id &&
                      found->second.phase_since == rollout.state.since;
  return is_its ? &found->second : nullptr;
}

void Measurements::begin(const wire::Name& name, const Rollout& rollout, Time now) {
  if (find(name, rollout) == nullptr) begin_anew(name, rollout, now);
}

void Measurements::begin_anew(const wire::Name& name, const Rollout& rollout, Time now) {
  const auto* known = find(name, rollout);
  Begin begin{rollout.id, rollout.state.since, now, {}, known ? known->leased_until : std::nullopt};
  for (const auto& part : rollout.plan.before) begin.answers[part.pool] = answers_(name, part.pool);
  begins_[name] = std::move(begin);
}

void Measurements::see_leases(const wire::Name& name, const Rollout& rollout, rollout::View& view) const {
  const auto* begin = find(name, rollout);
  view.leased_until =
      begin != nullptr && begin->leased_until ? begin->leased_until : leases_.before_change(name);
  view.leased_here = rollout.state.since >= leases_.since;
}

rollout::View Measurements::view(const Model& model, const config::Steer& steer, const Rollout& rollout,
                                 Time now) {
  const auto& plan = rollout.plan;
  const auto& name = steer.name;
  begin(name, rollout, now);
  rollout::View view;
  see_leases(name, rollout, view);
  auto& begin = begins_.at(name);
  begin.leased_until = view.leased_until;
  view.measured_since = begin.at;
  view.answered_last = leases_.answered_last(name);
  // Of pools that came later, all that they have answered.
  const auto answers_of = [&](const std::string& pool) { return answers_(name, pool) - begin.answers[pool]; };
  for (const auto& target : plan.targets) view.answers_of_targets.push_back(answers_of(target.pool));
  for (const auto& part : plan.before) view.answers += answers_of(part.pool);
  const Liveness liveness(model, steer, plan);
  view.dead_target = liveness.dead_target();
  view.others_live = liveness.others_live();
  view.sticky = steer.method == config::Method::sticky;
  return view;
}

rollout::View view_of(const Model& model, const config::Steer& steer, const Rollout& rollout,
                      Measurements& measurements, Time now) {
  auto view = measurements.view(model, steer, rollout, now);
  if (const auto share = rollout::next_share(rollout))
    view.forbidden = step_objection(model, steer, rollout, *share, rollout.state.unfrozen_until, now);
  return view;
}

rollout::View view_of(const Model& model, const config::Steer& steer, const Rollout& rollout,
                      const rollout::Command& command, Time unfrozen_until, Measurements& measurements,
                      Time now) {
  auto view = measurements.view(model, steer, rollout, now);
  // What is answered until the word is in force has the TTL of now.
  view.held = rollout::lease_from(now, model.ttl(steer));
  if (const auto until_now = measurements.leases().until_now(steer.name))
    view.held = rollout::later(*view.held, *until_now);
  const bool forward = command.word == rollout::Word::promote || command.word == rollout::Word::resume;
  const auto share = forward ? rollout::next_share(rollout, command.full) : std::nullopt;
  if (share)
    view.forbidden = step_objection(model, steer, rollout, *share,
                                    std::max(unfrozen_until, rollout.state.unfrozen_until), now);
  return view;
}

std::optional<Error> start_objection(const Model& model, const config::Steer& steer,
                                     const rollout::Plan& plan, Time unfrozen_until, Time now) {
  const auto refuse = [](std::string why) { return Error{ErrorCode::refused, std::move(why)}; };
  const auto refuse_step = [&](std::size_t step, const std::string& why) {
    return refuse(fmt::format("step {} of {}: {}", step + 1, plan.steps.size(), why));
  };
  if (auto why = frozen(steer.safety.freeze, unfrozen_until, now)) return refuse(*std::move(why));
  if (const auto why = class_objection(model, steer, plan)) return refuse_step(0, *why);
  auto before = weights_at(steer, plan, rollout::share_before(plan));
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    auto after = weights_at(steer, plan, plan.steps[i]);
    if (const auto why = weights_objection(model, steer, before, after)) return refuse_step(i, *why);
    before = std::move(after);
  }
  return {};
}

}  // namespace sluice::control
