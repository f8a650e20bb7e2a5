#include "rollout/rolling_record.hpp"

#include <array>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "rollout/reader.hpp"

namespace sluice::rolling {
namespace {

namespace json = boost::json;
using rollout::number;
using rollout::Reader;

constexpr std::array phases{Phase::arming, Phase::holding, Phase::draining, Phase::emptying,   Phase::working,
                            Phase::failed, Phase::done,    Phase::aborted,  Phase::rolled_back};
constexpr std::array places{Place::waiting, Place::drained,  Place::hooking, Place::resting,
                            Place::proving, Place::returned, Place::left,    Place::failed};
constexpr std::array failures{OnFailure::stop, OnFailure::rollback};

json::value least_json(const std::optional<Least>& least) {
  if (!least) return nullptr;
  return {{"value", least->value}, {"is_part", least->is_part}};
}

json::object plan_json(const Plan& plan) {
  return {{"pool", plan.pool},
          {"hook", plan.hook},
          {"hook_is_url", plan.hook_is_url},
          {"batch", plan.batch},
          {"least", least_json(plan.least)},
          {"grace_ms", plan.grace.count()},
          {"hook_timeout_ms", plan.hook_timeout.count()},
          {"health_timeout_ms", plan.health_timeout.count()},
          {"ttl_ms", plan.ttl ? json::value(plan.ttl->count()) : json::value(nullptr)},
          {"attempts", plan.attempts},
          {"on_failure", to_text(plan.on_failure)}};
}

json::object endpoint_json(const Endpoint& endpoint) {
  return {{"address", endpoint.address},        {"place", to_text(endpoint.place)},
          {"since_ms", number(endpoint.since)}, {"attempt", endpoint.attempt},
          {"failures", endpoint.failures},      {"detail", endpoint.detail},
          {"output", endpoint.output}};
}

json::object state_json(const State& state) {
  json::array endpoints;
  for (const auto& endpoint : state.endpoints) endpoints.push_back(endpoint_json(endpoint));
  return {{"phase", to_text(state.phase)},
          {"since_ms", number(state.since)},
          {"first", state.first},
          {"caches_until_ms", number(state.caches_until)},
          {"paused_ms", state.paused ? json::value(number(*state.paused)) : json::value(nullptr)},
          {"told", state.told},
          {"ending", state.ending ? json::value(to_text(*state.ending)) : json::value(nullptr)},
          {"reason", state.reason},
          {"ended_by", state.ended_by},
          {"endpoints", std::move(endpoints)},
          {"unfrozen_until_ms", number(state.unfrozen_until)}};
}

Plan plan_of(const json::object& object) {
  const Reader reader{object};
  Plan plan;
  plan.pool = reader.get<std::string>("pool");
  plan.hook = reader.get<std::string>("hook");
  plan.hook_is_url = reader.get_or("hook_is_url", false);
  plan.batch = reader.get<std::size_t>("batch");
  if (const auto& least = object.at("least"); !least.is_null()) {
    const Reader its{least.as_object()};
    plan.least = Least{its.get<double>("value"), its.get<bool>("is_part")};
  }
  plan.grace = reader.duration("grace_ms");
  plan.hook_timeout = reader.duration("hook_timeout_ms");
  plan.health_timeout = reader.duration("health_timeout_ms");
  if (const auto* ttl = object.if_contains("ttl_ms"); ttl != nullptr && !ttl->is_null())
    plan.ttl = reader.duration("ttl_ms");
  plan.attempts = reader.get<unsigned>("attempts");
  plan.on_failure = reader.one_of("on_failure", failures);
  return plan;
}

Endpoint endpoint_of(const json::object& object) {
  const Reader reader{object};
  return {reader.get<std::string>("address"),
          reader.one_of("place", places),
          reader.time("since_ms"),
          reader.get<std::int64_t>("attempt"),
          reader.get<unsigned>("failures"),
          reader.get<std::string>("detail"),
          reader.get<std::string>("output")};
}

State state_of(const json::object& object) {
  const Reader reader{object};
  State state;
  state.phase = reader.one_of("phase", phases);
  state.since = reader.time("since_ms");
  state.first = reader.get<std::size_t>("first");
  state.caches_until = reader.time("caches_until_ms");
  if (!object.at("paused_ms").is_null()) state.paused = reader.time("paused_ms");
  state.told = reader.get<bool>("told");
  if (!object.at("ending").is_null()) state.ending = reader.one_of("ending", phases);
  state.reason = reader.get<std::string>("reason");
  state.ended_by = reader.get_or("ended_by", std::string());
  state.unfrozen_until = reader.time_or_none("unfrozen_until_ms").value_or(Time{});
  for (const auto& endpoint : object.at("endpoints").as_array())
    state.endpoints.push_back(endpoint_of(endpoint.as_object()));
  return state;
}

}  // namespace

std::string to_record(const Rolling& rolling) {
  return json::serialize(json::object{{"id", rolling.id},
                                      {"by", rolling.by},
                                      {"started_ms", number(rolling.started)},
                                      {"plan", plan_json(rolling.plan)},
                                      {"state", state_json(rolling.state)},
                                      {"why", rolling.why}});
}

Result<Rolling> parse_record(std::string_view text) try {
  const auto value = json::parse(text);
  const Reader reader{value.as_object()};
  Rolling rolling{reader.get<std::int64_t>("id"),
                  reader.get<std::string>("by"),
                  reader.time("started_ms"),
                  plan_of(reader.members.at("plan").as_object()),
                  state_of(reader.members.at("state").as_object()),
                  reader.get_or("why", std::string())};
  if (rolling.plan.batch == 0 || rolling.state.first >= rolling.state.endpoints.size())
    return Error{ErrorCode::invalid, "the record of a rolling is at a batch that it does not have"};
  return rolling;
} catch (const std::exception& error) {
  return Error{ErrorCode::invalid, fmt::format("the record of a rolling is damaged: {}", error.what())};
}

}  // namespace sluice::rolling
