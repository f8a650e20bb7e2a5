#include "control/rollings.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.hpp"
#include "config/url.hpp"
#include "control/arguments.hpp"
#include "control/lease_status.hpp"
#include "control/plans.hpp"
#include "control/rollout_status.hpp"
#include "control/safety.hpp"
#include "control/words.hpp"
#include "probe/notification.hpp"
#include "probe/target.hpp"
#include "rollout/rolling_record.hpp"

namespace sluice::control {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using rolling::Rolling;

constexpr Duration hook_timeout_default = 5min;
constexpr Duration health_timeout_default = 5min;
constexpr Duration ttl_default = 10s;
constexpr std::uint64_t attempts_max = 100;
constexpr std::size_t hook_body_max = 4096;  // looked at for what is kept

// No user has a blank in the name.
constexpr std::string_view person_prefix = "rolling ";

std::string person(const Rolling& rolling) { return fmt::format("{}{}", person_prefix, rolling.id); }

wire::Destination destination_of(const std::string& address) {
  return wire::parse_destination(address).value();
}

store::RollingRecord record_of(const Rolling& rolling) {
  return {rolling.id, rolling.plan.pool, rolling::to_record(rolling)};
}

// --- what is seen ---

void see_word(const Model& model, const Rolling& rolling, const wire::Destination& endpoint,
              rolling::Seen& seen) {
  const auto* word = model.word(endpoint);
  if (word == nullptr) return;
  seen.ours = word->word == store::Word::drain && word->by == person(rolling);
  if (!seen.ours) seen.word = fmt::format("{} by {}", past_tense(word->word), word->by);
}

std::string condition_of(const rolling::Seen& seen, const Watched* watched, bool climbs) {
  if (seen.ours) return "drained by this rolling";
  if (!seen.word.empty()) return seen.word;
  if (watched == nullptr) return "not checked";
  if (climbs) return "in its slow start";
  const auto& detail = watched->state.last.detail;
  return fmt::format("{}{}", health::to_text(watched->state.verdict),
                     detail.empty() ? "" : " (" + detail + ")");
}

rolling::Seen see(const Model& model, const Rolling& rolling, const config::Pool& pool, std::size_t index,
                  const steer::Candidate& candidate) {
  const auto& endpoint = pool.endpoints[index];
  const auto* watched = model.watched(endpoint, pool);
  const bool climbs = watched != nullptr && watched->next_share;
  rolling::Seen seen;
  seen.exists = true;
  seen.weight = endpoint.weight;
  seen.available = candidate.is_healthy() && !climbs;
  seen.climbs = climbs;
  see_word(model, rolling, endpoint.destination, seen);
  seen.condition = condition_of(seen, watched, climbs);
  return seen;
}

// Whether it is healthy by probes that began after the endpoint's place did. Without a check there is nothing
// to wait for.
void see_proof(const Model& model, const Rolling& rolling, const rolling::Endpoint& endpoint,
               const config::Pool& pool, const config::Endpoint& configured, Proofs& proofs, Time now,
               rolling::Seen& seen) {
  const Proofs::Whose whose{rolling.plan.pool, endpoint.address};
  if (endpoint.place != rolling::Place::proving) return proofs.forget(whose);
  const auto* watched = model.watched(configured, pool);
  seen.proven = watched == nullptr;
  if (watched == nullptr) return;
  const auto& check = *model.config().find_check(*pool.check);
  const auto& watch =
      proofs.watch(whose, health_key(probe::target_of(configured, check)), endpoint.since, now);
  seen.watched_since = watch.at;
  seen.proven = watch.successes >= check.rise && health::serves(watched->state.verdict);
  seen.condition = health::to_text(watched->state.verdict);
  if (const auto& detail = watched->state.last.detail; !detail.empty()) seen.condition += ": " + detail;
}

std::vector<wire::Destination> destinations_of(const std::vector<std::string>& addresses) {
  std::vector<wire::Destination> result;
  for (const auto& address : addresses) result.push_back(destination_of(address));
  return result;
}

using Configured = std::map<std::string, const config::Endpoint*>;  // by address

Configured see_pool(const Model& model, const Rolling& rolling, const config::Pool& pool,
                    rolling::View& view) {
  Configured configured;
  const auto candidates = model.candidates(pool);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const auto address = to_text(candidates[i].destination);
    configured[address] = &pool.endpoints[i];
    view.endpoints[address] = see(model, rolling, pool, i, candidates[i]);
  }
  return configured;
}

// Of all names that it answers for; none when the config has it no more.
std::vector<config::FreezeWindow> windows_of(const Model& model, const Rolling& rolling) {
  const auto* pool = model.config().find_pool(rolling.plan.pool);
  return pool == nullptr ? std::vector<config::FreezeWindow>() : freeze_windows(model.config(), *pool);
}

// Why the batch may not be taken out now, by the rules of the names that it answers for.
std::string batch_objection(const Model& model, const config::Pool& pool, const Rolling& rolling, Time now) {
  const auto windows = freeze_windows(model.config(), pool);
  if (auto why = frozen(windows, rolling.state.unfrozen_until, now)) return *std::move(why);
  const auto batch = destinations_of(rolling::batch(rolling));
  return taking_objection(model, {batch.begin(), batch.end()}).value_or("");
}

// How long caches hold the batch. All names and all that was handed out of their pools is looked at for it.
void see_leases(const Model& model, const Rolling& rolling, const RollingSight& sight, rolling::View& view) {
  const auto batch = destinations_of(rolling::batch(rolling));
  view.cached_for = cached_for(model, batch);
  if (const auto end = all_leased_out(sight.leased_out, batch)) view.leased_until = end->at;
}

// From when on caches hold no endpoint for longer than by an answer of then, with the TTL of the plan at
// most. Before it has begun, what was handed out lately is handed out once more with the TTL of before.
Time armed_at(const Model& model, const Rolling& rolling, const LeasedIfTaken& leased_if_taken, bool is_begun,
              Time now) {
  Time armed = now;
  for (const auto& endpoint : rolling.state.endpoints) {
    const auto destination = destination_of(endpoint.address);
    auto end = leased_if_taken ? leased_if_taken(destination).at : now;
    if (!is_begun && (end > now || !leased_if_taken))
      end = std::max(end, now + cached_for(model, {destination}));
    armed = std::max(armed, end - cached_for(model, {destination}, rolling.plan.ttl));
  }
  return armed;
}

rolling::View view_of(const Model& model, const Rolling& rolling, RollingSight sight, Time now) {
  rolling::View view;
  const auto* pool = model.config().find_pool(rolling.plan.pool);
  const auto configured = pool == nullptr ? Configured() : see_pool(model, rolling, *pool, view);
  for (const auto& endpoint : rolling.state.endpoints) {
    auto& seen = view.endpoints[endpoint.address];
    seen.hook_runs = sight.hooks.contains({rolling.id, endpoint.address, endpoint.attempt});
    if (seen.exists)
      see_proof(model, rolling, endpoint, *pool, *configured.at(endpoint.address), sight.proofs, now, seen);
    else
      see_word(model, rolling, destination_of(endpoint.address), seen);
  }
  if (rolling.state.phase == rolling::Phase::draining) see_leases(model, rolling, sight, view);
  if (rolling.state.phase == rolling::Phase::arming && rolling.state.caches_until <= now)
    view.armed_at = armed_at(model, rolling, sight.leased_if_taken, true, now);
  if (pool != nullptr && rolling.state.phase == rolling::Phase::holding)
    view.forbidden = batch_objection(model, *pool, rolling, now);
  return view;
}

// --- what is done ---

// A URL, or a section of the config as it is now: what has no "://" is no URL, and no name has it.
Result<config::Hook> hook_server(const config::Config& config, const std::string& hook) {
  config::Hook server;
  server.url = hook;
  if (config::parse_url(hook)) return server;
  if (const auto* found = config.find_hook(hook)) return *found;
  std::vector<std::string> known;
  for (const auto& each : config.hooks) known.push_back(each.name);
  return unknown(
      fmt::format("hook-url: expected a URL such as \"http://127.0.0.1:8080/deploy\", without a user and a "
                  "fragment, or a section [hook.NAME] of the config, got '{}'",
                  hook),
      hook, known);
}

Result<probe::WebRequest> hook_request(const config::Config& config, const Rolling& rolling,
                                       const std::string& address, std::int64_t attempt) {
  const auto server = hook_server(config, rolling.plan.hook);
  if (!server) return server.error();
  return probe::signed_post(
      *server,
      json::serialize(json::object{
          {"address", address}, {"pool", rolling.plan.pool}, {"rollout", rolling.id}, {"attempt", attempt}}),
      rolling.plan.hook_timeout);
}

// A program has PATH and LANG beside these.
HookRun hook_of(const config::Config& config, const Rolling& rolling, const rolling::Effect& effect) {
  auto address = effect.address;
  if (address.ends_with('.')) address.pop_back();  // a host's, which most programs do not expect
  if (rolling.plan.hook_is_url)
    return {rolling.id,
            rolling.plan.pool,
            effect.address,
            effect.attempt,
            {},
            hook_request(config, rolling, address, effect.attempt)};
  return {rolling.id,
          rolling.plan.pool,
          effect.address,
          effect.attempt,
          {{"/bin/sh", "-c", rolling.plan.hook},
           {"ADDRESS=" + address, "POOL=" + rolling.plan.pool, fmt::format("ROLLOUT={}", rolling.id),
            fmt::format("ATTEMPT={}", effect.attempt)},
           rolling.plan.hook_timeout},
          {}};
}

void act(const Model& model, const Rolling& rolling, const rolling::Effect& effect, Time now,
         Decision& decision) {
  switch (effect.deed) {
    case rolling::Deed::drain:
      decision.changes.emplace_back(store::EndpointWord{
          destination_of(effect.address),
          store::Word::drain,
          person(rolling),
          fmt::format("batch {} of {}", rolling::batch_number(rolling), rolling::batches(rolling)),
          now,
          {}});
      break;
    case rolling::Deed::take_back: {
      rolling::Seen seen;
      see_word(model, rolling, destination_of(effect.address), seen);
      if (seen.ours) decision.changes.emplace_back(store::EndpointWordTaken{destination_of(effect.address)});
      break;
    }
    case rolling::Deed::run_hook:
      decision.hooks.push_back(hook_of(model.config(), rolling, effect));
      break;
  }
}

// From one phase to another; steps are batches.
std::string batch_details(const Rolling& rolling, rolling::Phase from) {
  return json::serialize(json::object{{"rollout", rolling.id},
                                      {"step", rolling::batch_number(rolling)},
                                      {"steps", rolling::batches(rolling)},
                                      {"from", to_text(from)},
                                      {"to", to_text(rolling.state.phase)}});
}

void take_turn(const Model& model, Rolling rolling, rolling::Turn turn, const std::string& who, Time now,
               Decision& decision) {
  if (turn.state == rolling.state) return;
  for (const auto& effect : turn.effects) act(model, rolling, effect, now, decision);
  const auto phase_before = rolling.state.phase;
  rolling.state = std::move(turn.state);
  const auto details = batch_details(rolling, phase_before);
  decision.changes.emplace_back(record_of(rolling));
  for (auto& note : turn.notes)
    decision.events.push_back({0, now, who, std::move(note.kind), rolling.plan.pool,
                               fmt::format("{}: {}", rolling.plan.pool, note.text), details});
}

// --- the start ---

Result<std::vector<const config::Endpoint*>> ordered(const config::Pool& pool, const std::string& order,
                                                     std::uint64_t chance) {
  std::vector<const config::Endpoint*> endpoints;
  for (const auto& endpoint : pool.endpoints) endpoints.push_back(&endpoint);
  if (order == "weight") {
    std::stable_sort(endpoints.begin(), endpoints.end(),
                     [](const auto* a, const auto* b) { return a->weight < b->weight; });
  } else if (order == "random") {
    std::mt19937_64 source(chance);
    std::shuffle(endpoints.begin(), endpoints.end(), source);
  } else if (!order.empty() && order != "config") {
    return Error{ErrorCode::invalid,
                 fmt::format("'{}' is no order; expected config, weight or random", order)};
  }
  return endpoints;
}

Result<rolling::OnFailure> on_failure_of(const Request& request) {
  const auto text = text_argument(request, "on-failure");
  if (text.empty()) return rolling::OnFailure::stop;
  for (const auto choice : {rolling::OnFailure::stop, rolling::OnFailure::rollback})
    if (text == to_text(choice)) return choice;
  return Error{ErrorCode::invalid, fmt::format("on-failure is stop or rollback, and not '{}'", text)};
}

// But for what an argument may get wrong.
rolling::Plan simple_plan(const Request& request, const std::string& pool) {
  rolling::Plan plan;
  plan.pool = pool;
  plan.hook_is_url = request.arguments.contains("hook-url");
  plan.hook = text_argument(request, plan.hook_is_url ? "hook-url" : "hook");
  plan.grace = duration_argument(request, "grace").value_or(0ms);
  plan.ttl =
      std::chrono::floor<std::chrono::seconds>(duration_argument(request, "ttl").value_or(ttl_default));
  plan.hook_timeout = duration_argument(request, "hook-timeout").value_or(hook_timeout_default);
  plan.health_timeout = duration_argument(request, "health-timeout").value_or(health_timeout_default);
  return plan;
}

std::optional<Error> hook_objection(const Model& model, const Request& request, const rolling::Plan& plan) {
  if (!plan.hook_is_url) return {};
  if (request.arguments.contains("hook"))
    return Error{ErrorCode::invalid, "hook and hook-url exclude each other"};
  if (const auto server = hook_server(model.config(), plan.hook); !server) return server.error();
  return {};
}

Result<rolling::Plan> plan_of(const Model& model, const Request& request, const config::Pool& pool) {
  auto plan = simple_plan(request, pool.name);
  if (const auto why = hook_objection(model, request, plan)) return *why;
  if (plan.hook_timeout <= 0ms) return Error{ErrorCode::invalid, "a hook needs some time: hook-timeout is 0"};
  const auto attempts = number_argument(request, "attempts").value_or(1);
  if (attempts == 0 || attempts > attempts_max)
    return Error{ErrorCode::invalid, fmt::format("attempts are 1 to {}", attempts_max)};
  plan.attempts = static_cast<unsigned>(attempts);
  const auto on_failure = on_failure_of(request);
  if (!on_failure) return on_failure.error();
  plan.on_failure = *on_failure;
  if (const auto text = text_argument(request, "batch"); !text.empty()) {
    const auto batch = rolling::parse_batch(text, pool.endpoints.size());
    if (!batch) return batch.error();
    plan.batch = *batch;
  }
  if (const auto text = text_argument(request, "min-available"); !text.empty()) {
    const auto least = rolling::parse_least(text);
    if (!least) return least.error();
    plan.least = *least;
  }
  return plan;
}

std::optional<Error> in_the_way(const Model& model, const config::Pool& pool) {
  if (pool.endpoints.empty())
    return Error{ErrorCode::refused, fmt::format("pool {} has no endpoints", pool.name)};
  if (!model.running_rollings().contains(pool.name)) return {};
  const auto& rolling = model.rollings().at(pool.name);
  return Error{ErrorCode::refused, fmt::format("rolling {} of {} is {}: abort it, or wait for its end",
                                               rolling.id, pool.name, to_text(rolling.state.phase))};
}

std::string start_text(const Rolling& rolling, bool checked) {
  const auto& plan = rolling.plan;
  auto text = fmt::format(
      "rolling {} of {}: {} endpoints in {} batches, {}{}", rolling.id, plan.pool,
      rolling.state.endpoints.size(), rolling::batches(rolling),
      plan.hook.empty() ? std::string("worked on by hand") : fmt::format("hook '{}'", plan.hook),
      checked ? "" : "; the pool has no check: an endpoint comes back as soon as it was worked on");
  if (rolling.state.phase == rolling::Phase::arming)
    text += fmt::format("; TTL {}; the first batch at {}", to_text(*plan.ttl),
                        to_text(rolling.state.caches_until));
  return text;
}

// Why one of the batches may not be taken out, as endpoints are now.
std::optional<Error> safety_objection(const Model& model, const config::Pool& pool, Rolling rolling,
                                      Time now) {
  auto& first = rolling.state.first;
  for (; first < rolling.state.endpoints.size(); first += rolling.plan.batch)
    if (auto why = batch_objection(model, pool, rolling, now); !why.empty())
      return Error{ErrorCode::refused, fmt::format("batch {} of {}: {}", rolling::batch_number(rolling),
                                                   rolling::batches(rolling), why)};
  return {};
}

// Whether it lowers the TTL of a name.
bool is_to_be_armed(const Model& model, const Rolling& rolling) {
  const auto& steers = model.config().steers;
  return std::any_of(steers.begin(), steers.end(), [&](const auto& steer) {
    return steer.place_of(rolling.plan.pool) && steer.fitting_ttl(*rolling.plan.ttl) < model.ttl(steer);
  });
}

Result<Rolling> begun(const Model& model, const Request& request, const config::Pool& pool,
                      const LeasedIfTaken& leased_if_taken, std::uint64_t chance, Time now) {
  auto plan = plan_of(model, request, pool);
  if (!plan) return plan.error();
  const auto endpoints = ordered(pool, text_argument(request, "order"), chance);
  if (!endpoints) return endpoints.error();
  Rolling rolling{model.next_rolling_id(), request.who, now,
                  *std::move(plan),        {},          text_argument(request, "reason")};
  rolling.state.since = now;
  for (const auto* endpoint : *endpoints)
    rolling.state.endpoints.push_back(
        {to_text(endpoint->destination), rolling::Place::waiting, now, 0, 0, {}, {}});
  if (is_to_be_armed(model, rolling)) {
    rolling.state.phase = rolling::Phase::arming;
    rolling.state.caches_until = armed_at(model, rolling, leased_if_taken, false, now);
  }
  return rolling;
}

// Beside what decisions look at before there is a batch: a plan says when caches let go of each.
void see_taken(const Model& model, const Rolling& rolling, const RollingSight& sight, rolling::View& view) {
  view.cached_for = cached_for(model, destinations_of(rolling::batch(rolling)), rolling.plan.ttl);
  if (!sight.leased_if_taken) return;
  for (const auto& endpoint : rolling.state.endpoints)
    view.endpoints[endpoint.address].leased_until =
        sight.leased_if_taken(destination_of(endpoint.address)).at;
}

// --- status ---

json::object endpoint_status(const rolling::Endpoint& endpoint) {
  return {{"address", endpoint.address},      {"place", to_text(endpoint.place)},
          {"since", to_text(endpoint.since)}, {"attempt", endpoint.attempt},
          {"failures", endpoint.failures},    {"detail", endpoint.detail},
          {"output", endpoint.output}};
}

// Of the batch that is waited for, under the TTL of the lease that ends last; without the margin for caches
// that do not obey. Before it begins, of all that was handed out until now.
std::optional<rollout::LeaseEnd> awaited_end(const Model& model, const Rolling& rolling,
                                             const RollingSight& sight) {
  if (rolling.state.phase == rolling::Phase::arming && sight.leased_if_taken) {
    rollout::LeaseEnd end;
    for (const auto& endpoint : rolling.state.endpoints)
      end = rollout::later(end, sight.leased_if_taken(destination_of(endpoint.address)));
    return end;
  }
  if (rolling.state.phase != rolling::Phase::emptying) return {};
  const auto batch = destinations_of(rolling::batch(rolling));
  const auto last = all_leased_out(sight.leased_out, batch);
  return rollout::LeaseEnd{rolling.state.caches_until - rolling.plan.grace,
                           last ? last->ttl : ttl_of(model, batch)};
}

// `shortage`: why its next batch is not taken. `lease`: of the batch that is waited for.
json::object to_status(const Rolling& rolling, const std::string& shortage,
                       std::optional<rollout::LeaseEnd> lease) {
  const auto& plan = rolling.plan;
  const auto& state = rolling.state;
  json::array endpoints;
  for (const auto& endpoint : state.endpoints) endpoints.push_back(endpoint_status(endpoint));
  return {{"id", rolling.id},
          {"pool", plan.pool},
          {"by", rolling.by},
          {"why", rolling.why},
          {"started", to_text(rolling.started)},
          {"running", rolling::is_running(state.phase)},
          {"phase", to_text(state.phase)},
          {"since", to_text(state.since)},
          {"hook", plan.hook},
          {"hook_is_url", plan.hook_is_url},
          {"batch", rolling::batch_number(rolling)},
          {"batches", rolling::batches(rolling)},
          {"batch_size", plan.batch},
          {"on_failure", to_text(plan.on_failure)},
          {"ttl_s",
           plan.ttl ? json::value(std::chrono::duration<double>(*plan.ttl).count()) : json::value(nullptr)},
          {"caches_until", to_text(state.caches_until)},
          {"leases", leases_status(lease)},
          {"grace_s", std::chrono::duration<double>(plan.grace).count()},
          {"paused", time_or_null(state.paused)},
          {"ending", state.ending ? json::value(to_text(*state.ending)) : json::value(nullptr)},
          {"shortage", shortage},
          {"reason", state.reason},
          {"ended_by", state.ended_by},
          {"endpoints", std::move(endpoints)}};
}

json::object shown(const Model& model, const Rolling& rolling, RollingSight sight, Time now) {
  if (rolling.state.phase != rolling::Phase::holding)
    return to_status(rolling, "", awaited_end(model, rolling, sight));
  return to_status(rolling, rolling::obstacle(rolling, view_of(model, rolling, sight, now)).value_or(""), {});
}

Result<const Rolling*> find_rolling(const Model& model, const Request& request) {
  const auto pool = text_argument(request, "pool");
  const auto found = model.rollings().find(pool);
  if (found != model.rollings().end()) return &found->second;
  const auto configured = find_pool(model, pool);
  if (!configured) return configured.error();
  return Error{ErrorCode::not_found, fmt::format("{} has had no rolling", pool)};
}

// A late word must not be taken for one about the next batch.
std::optional<Error> batch_number_objection(const Rolling& rolling, const Request& request) {
  const auto wanted = number_argument(request, "batch");
  const auto present = rolling::batch_number(rolling);
  if (!wanted || *wanted == present) return {};
  return Error{ErrorCode::refused,
               fmt::format("rolling {} of {} is at batch {} of {}, and not at {}", rolling.id,
                           rolling.plan.pool, present, rolling::batches(rolling), *wanted)};
}

// --- the end of a hook ---

// What it has written, on one line.
std::string kept_output(std::string output) {
  for (char& c : output)
    if (is_control(c)) c = ' ';
  return printable(without_space_around(output), rolling::output_kept_max);
}

rolling::HookEnd hook_end_of(const HookRun& run, const Result<probe::ProgramEnd>& end) {
  rolling::HookEnd result{run.address, run.attempt, false, {}, {}};
  if (!end) {
    result.detail = end.error().message;
    return result;
  }
  config::Check check;  // what a program's end means is the same as with a check
  check.timeout = run.program.timeout;
  auto without_output = *end;
  without_output.output.clear();
  const auto judged = probe::judge(check, without_output, true);
  result.success = judged && judged->success;
  result.detail = judged ? judged->detail : judged.error().message;
  result.output = kept_output(end->output);
  return result;
}

rolling::HookEnd hook_end_of(const HookRun& run, const Result<probe::WebReply>& reply) {
  rolling::HookEnd result{run.address, run.attempt, false, {}, {}};
  if (!reply) {
    result.detail = reply.error().message;
    return result;
  }
  result.success = probe::is_success(*reply);
  result.detail = fmt::format("status {}", reply->status);
  result.output = kept_output(reply->body.substr(0, hook_body_max));
  return result;
}

Decision take_end(const Model& model, const HookRun& run, const rolling::HookEnd& end, Time now) {
  Decision decision;
  const auto found = model.rollings().find(run.pool);
  if (found == model.rollings().end() || found->second.id != run.rolling) return decision;
  const auto& rolling = found->second;
  take_turn(model, rolling, rolling::take(rolling, end, now), person(rolling), now, decision);
  return decision;
}

}  // namespace

bool is_by_rolling(const store::EndpointWord& word) { return word.by.starts_with(person_prefix); }

const Proofs::Watch& Proofs::watch(const Whose& whose, const HealthKey& key, Time since, Time now) {
  auto& watch = watches_[whose];
  if (watch.since != since || watch.key != key) watch = {key, since, now};
  return watch;
}

bool Proofs::take(const HealthKey& key, bool success) {
  bool awaited = false;
  for (auto& [whose, watch] : watches_) {
    if (watch.key != key) continue;
    awaited = true;
    watch.successes = success && watch.has_begun ? watch.successes + 1 : 0;
    watch.has_begun = true;
  }
  return awaited;
}

Result<Decision> start_rolling(const Model& model, const Request& request, RollingSight sight,
                               std::uint64_t chance, Time now) {
  const auto pool = find_pool(model, text_argument(request, "pool"));
  if (!pool) return pool.error();
  if (auto why = in_the_way(model, **pool)) return *std::move(why);
  auto rolling = begun(model, request, **pool, sight.leased_if_taken, chance, now);
  if (!rolling) return rolling.error();
  const auto windows = freeze_windows(model.config(), **pool);
  const auto unfrozen = freeze_override(request, windows, now);
  if (!unfrozen) return unfrozen.error();
  rolling->state.unfrozen_until = unfrozen->until;
  auto view = view_of(model, *rolling, sight, now);
  if (auto why = rolling::objection(*rolling, view)) return *std::move(why);
  if (auto why = safety_objection(model, **pool, *rolling, now)) return *std::move(why);
  see_taken(model, *rolling, sight, view);
  Decision decision;
  decision.changes = {record_of(*rolling)};
  auto text = start_text(*rolling, (*pool)->check.has_value()) + unfrozen->text + reason_text(request);
  decision.events = {{0, now, request.who, "rolling.start", (*pool)->name, text,
                      batch_details(*rolling, rolling->state.phase)}};
  decision.reply = {
      {"id", rolling->id},
      {"pool", (*pool)->name},
      {"changed", true},
      {"text", std::move(text)},
      {"plan", schedule_of(*rolling, view, times_unfrozen(windows, rolling->state.unfrozen_until), now)}};
  return decision;
}

Result<Decision> say_to_rolling(const Model& model, const Request& request, rolling::Word word,
                                RollingSight sight, Time now) {
  const auto found = find_rolling(model, request);
  if (!found) return found.error();
  const Rolling& rolling = **found;
  if (auto why = batch_number_objection(rolling, request)) return *std::move(why);
  const auto unfrozen = freeze_override(request, windows_of(model, rolling), now);
  if (!unfrozen) return unfrozen.error();
  auto turn = rolling::obey(rolling, {word, text_argument(request, "reason"), request.who, unfrozen->until},
                            view_of(model, rolling, sight, now), now);
  if (!turn) return turn.error();
  turn->notes.front().text += unfrozen->text;
  Decision decision;
  take_turn(model, rolling, *std::move(turn), request.who, now, decision);
  decision.reply = {{"id", rolling.id},
                    {"pool", rolling.plan.pool},
                    {"changed", true},
                    {"text", decision.events.empty() ? "" : decision.events.front().text}};
  return decision;
}

Decision due_rollings(const Model& model, RollingSight sight, Time now) {
  Decision decision;
  for (const auto& pool : model.running_rollings()) {
    const auto& rolling = model.rollings().at(pool);
    take_turn(model, rolling, rolling::tick(rolling, view_of(model, rolling, sight, now), now),
              person(rolling), now, decision);
  }
  return decision;
}

Decision take_hook_end(const Model& model, const HookRun& run, const Result<probe::ProgramEnd>& end,
                       Time now) {
  return take_end(model, run, hook_end_of(run, end), now);
}

Decision take_hook_end(const Model& model, const HookRun& run, const Result<probe::WebReply>& reply,
                       Time now) {
  return take_end(model, run, hook_end_of(run, reply), now);
}

std::optional<Time> next_rolling(const Model& model, Time now) {
  std::optional<Time> next;
  for (const auto& pool : model.running_rollings()) {
    const auto due = rolling::next_tick(model.rollings().at(pool), now);
    if (due && (!next || *due < *next)) next = due;
  }
  return next;
}

Result<json::object> rollings_status(const Model& model, const Request& request, RollingSight sight,
                                     Time now) {
  json::array list;
  if (request.arguments.contains("pool")) {
    const auto found = find_rolling(model, request);
    if (!found) return found.error();
    list.push_back(shown(model, **found, sight, now));
  } else {
    for (const auto& [pool, rolling] : model.rollings()) list.push_back(shown(model, rolling, sight, now));
  }
  return json::object{{"now", to_text(now)}, {"rollings", std::move(list)}};
}

Result<std::optional<std::string>> pool_of_history(const Model& model, const Request& request) {
  if (!request.arguments.contains("pool")) return std::optional<std::string>();
  auto pool = text_argument(request, "pool");
  if (!model.rollings().contains(pool)) {
    if (const auto configured = find_pool(model, pool); !configured) return configured.error();
  }
  return std::optional(std::move(pool));
}

json::object rolling_history_status(const std::vector<store::RollingRecord>& records, Time now) {
  json::array list;
  for (const auto& record : records)
    if (const auto rolling = rolling::parse_record(record.record))
      list.push_back(to_status(*rolling, "", {}));
  return {{"now", to_text(now)}, {"rollings", std::move(list)}};
}

}  // namespace sluice::control
