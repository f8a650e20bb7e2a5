#include "control/rollout_status.hpp"

#include <cstdint>
#include <numeric>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include <boost/json/array.hpp>

#include "control/arguments.hpp"
#include "control/lease_status.hpp"
#include "control/safety.hpp"
#include "rollout/record.hpp"

namespace sluice::control {
namespace {

namespace json = boost::json;
using rollout::Rollout;

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
  const auto phase = rollout.state.phase;
  const auto caches = rollout::caches_until(rollout, view);
  // An operator may have ended the last step before its time.
  const bool ended_early = phase == Phase::done && caches > now;
  if (phase != Phase::arming && phase != Phase::moving && phase != Phase::returning && !ended_early)
    return {};
  const auto grace = phase == Phase::arming ? Duration::zero() : rollout.plan.grace;
  return rollout::LeaseEnd{caches - grace, rollout.state.caches_ttl};
}

std::optional<double> ratio_of(std::uint64_t count, std::uint64_t all) {
  return all == 0 ? std::nullopt : std::optional(static_cast<double>(count) / static_cast<double>(all));
}

json::array targets_status(const Rollout& rollout, const rollout::View* view, Time now) {
  const auto shares = rollout::shares_of_targets(rollout.plan, rollout::share(rollout, now));
  json::array list;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const auto answered =
        view == nullptr ? std::nullopt : ratio_of(view->answers_of_targets[i], view->answers);
    list.push_back({{"pool", rollout.plan.targets[i].pool},
                    {"weight", rollout.plan.targets[i].weight},
                    {"share", shares[i]},
                    {"answered_share", number_or_null(answered)}});
  }
  return list;
}

// What is in answers and in caches; null for one that is over and gone.
json::object seen_status(const Rollout& rollout, const rollout::View* view, Time now) {
  if (view == nullptr)
    return {{"answers", nullptr},      {"answered_share", nullptr},
            {"leased_share", nullptr}, {"caches_until", to_text(rollout.state.caches_until)},
            {"leases", nullptr},       {"next", nullptr},
            {"forbidden", ""}};
  const bool running = rollout::is_running(rollout.state.phase);
  const auto answers =
      std::accumulate(view->answers_of_targets.begin(), view->answers_of_targets.end(), std::uint64_t{0});
  return {{"answers", view->answers},
          {"answered_share", number_or_null(ratio_of(answers, view->answers))},
          {"leased_share", number_or_null(rollout::leased_share(rollout, *view, now))},
          {"caches_until", to_text(rollout::caches_until(rollout, *view))},
          {"leases", leases_status(awaited_end(rollout, *view, now))},
          {"next", time_or_null(running ? rollout::next_tick(rollout, *view, now) : std::nullopt)},
          {"forbidden", running ? view->forbidden : ""}};
}

// `ends`: when it is done at the earliest.
json::object to_status(const Rollout& rollout, const rollout::View* view, std::optional<Time> ends,
                       Time now) {
  const auto& plan = rollout.plan;
  const auto& state = rollout.state;
  json::array steps;
  for (const double step : plan.steps) steps.emplace_back(step);
  auto status = seen_status(rollout, view, now);
  const json::object its{
      {"id", rollout.id},
      {"name", plan.name},
      {"strategy", to_text(plan.strategy)},
      {"to", rollout::targets_text(plan)},
      {"targets", targets_status(rollout, view, now)},
      {"class", plan.client_class.empty() ? json::value(nullptr) : json::value(plan.client_class)},
      {"by", rollout.by},
      {"why", rollout.why},
      {"started", to_text(rollout.started)},
      {"running", rollout::is_running(state.phase)},
      {"phase", to_text(state.phase)},
      {"since", to_text(state.since)},
      {"step", state.step},
      {"skipped", state.skipped},
      {"moved", state.moved},
      {"steps", std::move(steps)},
      {"share", rollout::share(rollout, now)},
      {"share_before", rollout::share_before(plan)},
      {"hold_s", seconds(plan.hold)},
      {"gates", plan.gates},
      {"ttl_s", seconds(plan.ttl)},
      {"grace_s", seconds(plan.grace)},
      {"paused", time_or_null(state.paused)},
      {"ends", time_or_null(ends)},
      {"waits_for", state.waits_for},
      {"reason", state.reason},
      {"sent_back_by", state.sent_back_by},
      {"analyses", analyses_status(rollout, now)}};
  status.insert(its.begin(), its.end());
  return status;
}

json::object shown(const Model& model, const wire::Name& name, const Rollout& rollout,
                   Measurements& measurements, Time now) {
  const auto* steer = steer_of(model, name, rollout);
  if (steer == nullptr) return to_status(rollout, nullptr, {}, now);
  const auto view = view_of(model, *steer, rollout, measurements, now);
  const auto times = rollout::earliest_times(
      rollout, view, times_unfrozen(steer->safety.freeze, rollout.state.unfrozen_until), now);
  return to_status(rollout, &view, times.empty() ? std::nullopt : std::optional(times.back()), now);
}

}  // namespace

Result<const Rollout*> find_rollout(const Model& model, const Request& request) {
  const auto steer = find_steer(model, request);
  if (!steer) return steer.error();
  const auto found = model.rollouts().find((*steer)->name);
  if (found == model.rollouts().end())
    return Error{ErrorCode::not_found, fmt::format("{} has had no rollout", (*steer)->name.text())};
  return &found->second;
}

Result<json::object> rollouts_status(const Model& model, const Request& request, Measurements& measurements,
                                     Time now) {
  json::array list;
  if (request.arguments.contains("name")) {
    const auto found = find_rollout(model, request);
    if (!found) return found.error();
    list.push_back(shown(model, wire::Name::parse((*found)->plan.name).value(), **found, measurements, now));
  } else {
    for (const auto& [name, rollout] : model.rollouts())
      list.push_back(shown(model, name, rollout, measurements, now));
  }
  return json::object{{"now", to_text(now)}, {"rollouts", std::move(list)}};
}

json::object history_status(const std::vector<store::RolloutRecord>& records, Time now) {
  json::array list;
  for (const auto& record : records)
    if (const auto rollout = rollout::parse(record.record))
      list.push_back(to_status(*rollout, nullptr, {}, now));
  return {{"now", to_text(now)}, {"rollouts", std::move(list)}};
}

json::value time_or_null(std::optional<Time> time) {
  return time ? json::value(to_text(*time)) : json::value(nullptr);
}

}  // namespace sluice::control
