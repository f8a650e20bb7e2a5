#include "rollout/record.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_to.hpp>

#include "rollout/reader.hpp"

namespace sluice::rollout {
namespace {

namespace json = boost::json;

constexpr std::array strategies{Strategy::canary, Strategy::bluegreen};
constexpr std::array phases{Phase::arming, Phase::moving, Phase::settling,  Phase::holding,
                            Phase::gated,  Phase::done,   Phase::returning, Phase::returned};

constexpr std::array verdicts{Verdict::success, Verdict::failure, Verdict::inconclusive, Verdict::error};

template <class Part, class ToJson>
json::value or_null(const std::optional<Part>& part, ToJson to_json) {
  return part ? json::value(to_json(*part)) : json::value(nullptr);
}
json::value or_null(std::optional<double> value) {
  return or_null(value, [](double number) { return number; });
}

json::object rules_json(const AnalysisRules& rules) {
  return {{"name", rules.name},
          {"interval_ms", rules.interval.count()},
          {"failures_max", rules.failures_max},
          {"errors_max", rules.errors_max},
          {"successes_min", rules.successes_min},
          {"relative", rules.relative}};
}

json::object counts_json(const Counts& counts) {
  return {{"successes", counts.successes},
          {"failures", counts.failures},
          {"inconclusive", counts.inconclusive},
          {"errors", counts.errors},
          {"errors_in_row", counts.errors_in_row},
          {"good", counts.good},
          {"at_ms", or_null(counts.at, number)},
          {"verdict", to_text(counts.last.verdict)},
          {"value", or_null(counts.last.value)},
          {"threshold", or_null(counts.last.threshold)},
          {"text", counts.last.text},
          {"failure", counts.failure}};
}

json::array parts_json(const std::vector<PoolWeight>& parts) {
  json::array list;
  for (const auto& [pool, weight] : parts) list.push_back({{"pool", pool}, {"weight", weight}});
  return list;
}

json::object plan_json(const Plan& plan) {
  json::array steps, analyses;
  for (const auto& rules : plan.analyses) analyses.push_back(rules_json(rules));
  for (const double step : plan.steps) steps.emplace_back(step);
  return {{"strategy", to_text(plan.strategy)},
          {"name", plan.name},
          {"targets", parts_json(plan.targets)},
          {"steps", std::move(steps)},
          {"hold_ms", plan.hold.count()},
          {"gates", plan.gates},
          {"ttl_ms", plan.ttl.count()},
          {"ttl_before_ms", plan.ttl_before.count()},
          {"grace_ms", plan.grace.count()},
          {"overridden", plan.overridden},
          {"before", parts_json(plan.before)},
          {"analyses", std::move(analyses)},
          {"class", plan.client_class},
          {"route_before", or_null(plan.route_before, [](const std::string& pool) { return pool; })}};
}

json::object state_json(const State& state) {
  json::array counts;
  for (const auto& each : state.counts) counts.push_back(counts_json(each));
  return {{"phase", to_text(state.phase)},
          {"step", state.step},
          {"since_ms", number(state.since)},
          {"caches_until_ms", number(state.caches_until)},
          {"caches_ttl_ms", state.caches_ttl.count()},
          {"paused_ms", or_null(state.paused, number)},
          {"held_ms", state.held.count()},
          {"waits_for", state.waits_for},
          {"from", state.from},
          {"over_ms", state.over.count()},
          {"reason", state.reason},
          {"counts", std::move(counts)},
          {"unfrozen_until_ms", number(state.unfrozen_until)},
          {"sent_back_by", state.sent_back_by},
          {"moved", state.moved},
          {"skipped", state.skipped}};
}

AnalysisRules rules_of(const Reader& reader) {
  return {reader.get<std::string>("name"),
          reader.duration("interval_ms"),
          reader.get<std::uint32_t>("failures_max"),
          reader.get<std::uint32_t>("errors_max"),
          reader.get<std::uint32_t>("successes_min"),
          reader.get_or("relative", false)};
}

Counts counts_of(const Reader& reader) {
  Counts counts;
  counts.successes = reader.get<std::uint32_t>("successes");
  counts.failures = reader.get<std::uint32_t>("failures");
  counts.inconclusive = reader.get<std::uint32_t>("inconclusive");
  counts.errors = reader.get<std::uint32_t>("errors");
  counts.errors_in_row = reader.get<std::uint32_t>("errors_in_row");
  counts.good = reader.get<bool>("good");
  if (!reader.members.at("at_ms").is_null()) counts.at = reader.time("at_ms");
  counts.last = {reader.one_of("verdict", verdicts), reader.number_or_none("value"),
                 reader.number_or_none("threshold"), reader.get<std::string>("text")};
  counts.failure = reader.get<std::string>("failure");
  return counts;
}

PoolWeight pool_weight_of(const Reader& reader) {
  return {reader.get<std::string>("pool"), reader.get<double>("weight")};
}

Plan plan_of(const json::object& object) {
  const Reader reader{object};
  Plan plan;
  plan.strategy = reader.one_of("strategy", strategies);
  plan.name = reader.get<std::string>("name");
  plan.targets = reader.all_of("targets", pool_weight_of);
  // A record of before there were several.
  if (plan.targets.empty()) plan.targets = {{reader.get<std::string>("to"), 1}};
  plan.steps = reader.get<std::vector<double>>("steps");
  plan.hold = reader.duration("hold_ms");
  plan.gates = reader.get<bool>("gates");
  plan.ttl = reader.duration("ttl_ms");
  plan.ttl_before = reader.duration("ttl_before_ms");
  plan.grace = reader.duration("grace_ms");
  plan.overridden = reader.get<bool>("overridden");
  plan.before = reader.all_of("before", pool_weight_of);
  plan.analyses = reader.all_of("analyses", rules_of);
  plan.client_class = reader.get_or("class", std::string());
  if (const auto* before = object.if_contains("route_before"); before != nullptr && !before->is_null())
    plan.route_before = reader.get<std::string>("route_before");
  return plan;
}

State state_of(const json::object& object) {
  const Reader reader{object};
  State state;
  state.phase = reader.one_of("phase", phases);
  state.step = reader.get<std::size_t>("step");
  state.since = reader.time("since_ms");
  state.caches_until = reader.time("caches_until_ms");
  state.caches_ttl = Duration(reader.get_or("caches_ttl_ms", std::int64_t{0}));
  if (!object.at("paused_ms").is_null()) state.paused = reader.time("paused_ms");
  state.held = reader.duration("held_ms");
  state.waits_for = reader.get_or("waits_for", std::string());
  state.from = reader.get<double>("from");
  state.over = reader.duration("over_ms");
  state.reason = reader.get<std::string>("reason");
  state.unfrozen_until = reader.time_or_none("unfrozen_until_ms").value_or(Time{});
  state.counts = reader.all_of("counts", [](const Reader& each) { return counts_of(each); });
  state.moved = reader.get_or("moved", state.phase != Phase::arming);
  state.sent_back_by = reader.get_or("sent_back_by", std::string());
  state.skipped = reader.get_or("skipped", std::size_t{0});
  return state;
}

}  // namespace

json::object to_json(const Rollout& rollout) {
  return {{"id", rollout.id},
          {"by", rollout.by},
          {"started_ms", number(rollout.started)},
          {"plan", plan_json(rollout.plan)},
          {"state", state_json(rollout.state)},
          {"why", rollout.why}};
}

Result<Rollout> from_json(const json::value& value) try {
  const Reader reader{value.as_object()};
  Rollout rollout{reader.get<std::int64_t>("id"),
                  reader.get<std::string>("by"),
                  reader.time("started_ms"),
                  plan_of(reader.members.at("plan").as_object()),
                  state_of(reader.members.at("state").as_object()),
                  reader.get_or("why", std::string())};
  for (const auto& target : rollout.plan.targets)
    if (std::none_of(rollout.plan.before.begin(), rollout.plan.before.end(),
                     [&](const auto& part) { return part.pool == target.pool; }))
      return Error{ErrorCode::invalid, "the record of a rollout has a target that its name does not have"};
  if (rollout.state.skipped > rollout.state.step)
    return Error{ErrorCode::invalid, "the record of a rollout leaves out steps that it does not have"};
  if (rollout.state.step >= rollout.plan.steps.size())
    return Error{ErrorCode::invalid, "the record of a rollout is at a step that it does not have"};
  if (rollout.state.counts.size() > rollout.plan.analyses.size())
    return Error{ErrorCode::invalid, "the record of a rollout counts analyses that it does not have"};
  return rollout;
} catch (const std::exception& error) {
  return Error{ErrorCode::invalid, fmt::format("the record of a rollout is damaged: {}", error.what())};
}

std::string to_text(const Rollout& rollout) { return json::serialize(to_json(rollout)); }

Result<Rollout> parse(std::string_view text) {
  json::error_code error;
  const auto value = json::parse(text, error);
  if (error)
    return Error{ErrorCode::invalid, fmt::format("the record of a rollout is no JSON: {}", error.message())};
  return from_json(value);
}

}  // namespace sluice::rollout
