#include "control/routes.hpp"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "control/arguments.hpp"
#include "control/safety.hpp"
#include "control/versions.hpp"
#include "steer/select.hpp"

namespace sluice::control {
namespace {

namespace json = boost::json;

// A route that only its rollout changes.
std::optional<Error> owner_of_route(const Model& model, const config::Steer& steer,
                                    const std::string& client_class) {
  if (!model.running_rollouts().contains(steer.name)) return {};
  const auto& rollout = model.rollouts().at(steer.name);
  if (rollout.plan.client_class != client_class) return {};
  return Error{ErrorCode::refused,
               fmt::format("class {} of {} is rollout {}'s: abort it, or wait for its end", client_class,
                           rollout.plan.name, rollout.id)};
}

Routing routing_of(const Model& model, const config::Steer& steer, const std::string& client_class) {
  for (auto& routing : model.routings(steer))
    if (routing.client_class == client_class) return std::move(routing);
  return {.client_class = client_class, .pool = {}, .configured = {}};
}

std::string place_text(const std::string& pool) { return pool.empty() ? "the weights" : pool; }

// From one pool to another; null for the weights.
std::string route_details(const std::string& client_class, const std::string& from, const std::string& to) {
  const auto pool_or_null = [](const std::string& pool) {
    return pool.empty() ? json::value(nullptr) : json::value(pool);
  };
  return json::serialize(
      json::object{{"class", client_class}, {"from", pool_or_null(from)}, {"to", pool_or_null(to)}});
}

// Whether an operator may lead the class to `pool` now, and if so by which override.
Result<FreezeOverride> allowed_route(const Model& model, const config::Steer& steer, const Routing& before,
                                     const std::string& pool, const Request& request, Time now) {
  auto unfrozen = freeze_override(request, steer.safety.freeze, now);
  if (!unfrozen) return unfrozen;
  auto why = frozen(steer.safety.freeze, unfrozen->until, now);
  if (!why && !pool.empty() && pool != before.pool) why = route_objection(model, steer, pool);
  if (why) return Error{ErrorCode::refused, fmt::format("{}: {}", steer.name.text(), *why)};
  return unfrozen;
}

// `pool`: empty for nowhere.
Result<Decision> lead(const Model& model, const config::Steer& steer, const Routing& before,
                      const std::string& pool, std::string_view kind, const Request& request, Time now) {
  const auto allowed = allowed_route(model, steer, before, pool, request, now);
  if (!allowed) return allowed.error();
  Decision decision;
  const auto name = steer.name.text();
  const auto& client_class = before.client_class;
  auto text = fmt::format("class {}: {} -> {}", client_class, place_text(before.pool), place_text(pool));
  if (pool == before.pool)
    text = fmt::format("class {} is answered by {} already", client_class, place_text(pool));
  else if (pool == before.configured)
    decision.changes = {store::RouteReset{name, client_class}};
  else
    decision.changes = {store::RouteOverride{name, client_class, pool, request.who, now}};
  text += allowed->text + reason_text(request);
  const bool changed = !decision.changes.empty();
  if (changed) {
    decision.changes.emplace_back(next_version(model, steer.name, request.who, text, now));
    decision.events = {{0, now, request.who, std::string(kind), name, fmt::format("{}: {}", name, text),
                        route_details(client_class, before.pool, pool)}};
  }
  if (!pool.empty() && !is_open(model, pool))
    text += fmt::format("; {} is not alive: until it is, by the weights", pool);
  decision.reply = {{"name", name},
                    {"class", client_class},
                    {"pool", pool.empty() ? json::value(nullptr) : json::value(pool)},
                    {"changed", changed},
                    {"version", version_of(model, steer.name) + (changed ? 1 : 0)},
                    {"text", fmt::format("{} {}", name, text)}};
  return decision;
}

}  // namespace

Result<const config::ClientClass*> find_class(const Model& model, const std::string& name) {
  if (const auto* found = model.config().find_class(name)) return found;
  std::vector<std::string> known;
  for (const auto& one : model.config().classes) known.push_back(one.name);
  return unknown(fmt::format("there is no class '{}'", name), name, known);
}

Result<Decision> route_class(const Model& model, const Request& request, Time now) {
  const auto steer = find_steer(model, request);
  if (!steer) return steer.error();
  const auto found = find_class(model, text_argument(request, "class"));
  if (!found) return found.error();
  if (auto why = version_objection(model, request, (*steer)->name)) return *std::move(why);
  if (auto why = owner_of_route(model, **steer, (*found)->name)) return *std::move(why);
  const auto pool = text_argument(request, "pool");
  if (!(*steer)->place_of(pool)) return unknown_pool(**steer, pool);
  const auto before = routing_of(model, **steer, (*found)->name);
  return lead(model, **steer, before, pool, "class.route", request, now);
}

Result<Decision> unroute_class(const Model& model, const Request& request, Time now) {
  const auto steer = find_steer(model, request);
  if (!steer) return steer.error();
  const auto found = find_class(model, text_argument(request, "class"));
  if (!found) return found.error();
  if (auto why = version_objection(model, request, (*steer)->name)) return *std::move(why);
  if (auto why = owner_of_route(model, **steer, (*found)->name)) return *std::move(why);
  const auto before = routing_of(model, **steer, (*found)->name);
  return lead(model, **steer, before, "", "class.unroute", request, now);
}

std::vector<Routing> routes_in_force(const Model& model, const config::Steer& steer) {
  auto routes = model.routings(steer);
  std::erase_if(routes, [](const Routing& routing) { return routing.pool.empty(); });
  return routes;
}

bool is_open(const Model& model, const std::string& name) {
  const auto& pool = *model.config().find_pool(name);
  return steer::is_alive(model.candidates(pool), model.pool_rules(pool));
}

json::array routes_status(const Model& model, const config::Steer& steer, const ClassAnswers& answers) {
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? json::value(nullptr) : json::value(text);
  };
  json::array list;
  for (const auto& [client_class, pool, configured, set] : model.routings(steer))
    list.push_back({{"class", client_class},
                    {"pool", text_or_null(pool)},
                    {"config_pool", text_or_null(configured)},
                    {"open", !pool.empty() && is_open(model, pool)},
                    {"by", set == nullptr ? json::value(nullptr) : json::value(set->by)},
                    {"since", set == nullptr ? json::value(nullptr) : json::value(to_text(set->since))},
                    {"answers", answers(steer.name, client_class)}});
  return list;
}

}  // namespace sluice::control
