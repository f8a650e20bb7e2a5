#include "control/model.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "control/arguments.hpp"
#include "control/preview.hpp"
#include "control/rollouts.hpp"
#include "control/safety.hpp"
#include "control/versions.hpp"
#include "rollout/record.hpp"
#include "rollout/rolling_record.hpp"

namespace sluice::control {
namespace {

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

// Who is asked has its timeout, and the prober this much to find a place for it and to say what came of it.
constexpr Duration asked_grace = std::chrono::milliseconds(250);

bool is_loopback(const Address& address) {
  if (address.family == Family::v4) return address.octets[0] == 127;
  constexpr std::array<std::uint8_t, 13> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 127};
  Address one{Family::v6};
  one.octets.back() = 1;
  // An IPv4 address in IPv6's clothes (RFC 4291, 2.5.5.2) leads to where that does.
  return address == one || std::equal(mapped.begin(), mapped.end(), address.octets.begin());
}

health::Evidence evidence_of(const health::ProbeResult& result) {
  if (result.success) return health::Evidence::success;
  return is_silence(result) ? health::Evidence::silence : health::Evidence::answer;
}

// How many whole seconds an answer may live while the state is about to change; none: it is not.
std::optional<std::uint32_t> ttl_max(const health::State& state, const config::Check& check) {
  const auto least = health::least_time_to_change(state, rules_of(check), check.interval);
  if (!least) return {};
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*least).count();
  return static_cast<std::uint32_t>(
      std::clamp<std::int64_t>(seconds, 0, std::numeric_limits<std::uint32_t>::max()));
}

std::string change_of_weights(const std::vector<std::string>& pools, const std::vector<double>& before,
                              const std::vector<double>& after) {
  boost::json::object from, to;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    from[pools[i]] = before[i];
    to[pools[i]] = after[i];
  }
  return boost::json::serialize(boost::json::object{{"from", std::move(from)}, {"to", std::move(to)}});
}

// Whether an operator may change the weights now, and if so by which override.
Result<FreezeOverride> allowed_change(const Model& model, const config::Steer& steer, const Request& request,
                                      const std::vector<double>& after, Time now) {
  auto unfrozen = freeze_override(request, steer.safety.freeze, now);
  if (!unfrozen) return unfrozen;
  auto why = frozen(steer.safety.freeze, unfrozen->until, now);
  if (!why) why = weights_objection(model, steer, model.weights(steer), after);
  if (why) return Error{ErrorCode::refused, fmt::format("{}: {}", steer.name.text(), *why)};
  return unfrozen;
}

// The part that `weight set` and `weight reset` have in common: from what is to what shall be.
Result<Decision> change_weights(const Model& model, const config::Steer& steer,
                                const std::vector<double>& after, store::Change change,
                                const Request& request, std::string_view kind, Time now) {
  const auto allowed = allowed_change(model, steer, request, after, now);
  if (!allowed) return allowed.error();
  const auto before = model.weights(steer);
  const auto names = steer.pool_names();
  const auto old_layout = model.layout(steer);
  const auto new_layout = steer::relay(old_layout, after);
  const auto old_shares = steer::shares(old_layout, names.size()),
             new_shares = steer::shares(new_layout, names.size());

  Decision decision;
  boost::json::array pools;
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    pools.push_back({{"pool", names[i]},
                     {"before", before[i]},
                     {"after", after[i]},
                     {"share_before", old_shares[i]},
                     {"share_after", new_shares[i]}});
    if (before[i] != after[i])
      text += fmt::format("{}{} {} -> {}", text.empty() ? "" : ", ", names[i], before[i], after[i]);
  }
  const bool changed = !text.empty() || kind == "weight.reset";
  if (text.empty()) text = "the weights are as they were";
  text += allowed->text + reason_text(request);
  if (changed || !model.steerings().contains(steer.name) || !model.steerings().at(steer.name).weights) {
    const auto name = steer.name.text();
    decision.changes = {std::move(change), store::LayoutChange{name, steer::to_text(new_layout, names)},
                        next_version(model, steer.name, request.who, text, now)};
    decision.events = {
        {0, now, request.who, std::string(kind), name, text, change_of_weights(names, before, after)}};
  }
  decision.reply = {{"name", steer.name.text()},
                    {"changed", !decision.changes.empty()},
                    {"version", version_of(model, steer.name) + (decision.changes.empty() ? 0 : 1)},
                    {"text", fmt::format("{} {}", steer.name.text(), text)},
                    {"pools", std::move(pools)}};
  return decision;
}

Decision unchanged_weights(const Model& model, const config::Steer& steer) {
  const auto name = steer.name.text();
  Decision decision;
  decision.reply = {{"name", name},
                    {"changed", false},
                    {"version", version_of(model, steer.name)},
                    {"text", name + " has the config's weights already"},
                    {"pools", boost::json::array()}};
  return decision;
}

}  // namespace

Result<const config::Steer*> find_steer(const Model& model, const Request& request) {
  auto steer = find_shown(model, request);
  if (steer)
    if (auto why = preview_objection(**steer)) return *std::move(why);
  return steer;
}

Result<const config::Steer*> find_shown(const Model& model, const Request& request) {
  const auto text = text_argument(request, "name");
  const auto name = wire::Name::parse(text);
  if (!name) return name.error();
  if (const auto* steer = model.config().find_steer(*name)) return steer;
  std::vector<std::string> known;
  for (const auto& steer : model.config().steers) known.push_back(steer.name.text());
  return unknown(fmt::format("no steered name is '{}'", name->text()), name->text(), known);
}

HealthKey health_key(const probe::Target& target) {
  return {target.destination, target.check.port, target.check.host, target.check.name};
}

std::optional<Side> side_of(const wire::Destination& destination, config::CheckType type) {
  if (type == config::CheckType::exec || type == config::CheckType::push) return {};
  const auto* address = destination.address();
  return address != nullptr && is_loopback(*address) ? Side::here : Side::away;
}

health::Rules rules_of(const config::Check& check) {
  return {check.rise,          check.fall,       check.clear, check.hold_down,
          check.hold_down_max, check.slow_start, check.slow,  check.degraded_share};
}

Result<const config::Pool*> find_pool(const Model& model, const std::string& name) {
  if (const auto* pool = model.config().find_pool(name)) return pool;
  std::vector<std::string> known;
  for (const auto& pool : model.config().pools) known.push_back(pool.name);
  return unknown(fmt::format("there is no pool '{}'", name), name, known);
}

Result<wire::Destination> find_endpoint(const Model& model, std::string_view text) {
  const auto destination = wire::parse_destination(text);
  if (!destination) return destination.error();
  if (!model.config().pools_with(*destination).empty()) return *destination;
  std::vector<std::string> known;
  for (const auto& pool : model.config().pools)
    for (const auto& endpoint : pool.endpoints) known.push_back(to_text(endpoint.destination));
  return unknown(fmt::format("no pool has an endpoint {}", to_text(*destination)), to_text(*destination),
                 known);
}

std::vector<double> Model::weights(const config::Steer& steer) const {
  if (steer.preview_of) return preview_weights(steer);
  const auto found = steerings_.find(steer.name);
  const bool is_said = found != steerings_.end() && found->second.weights;
  return weights_under(steer, is_said ? &*found->second.weights : nullptr);
}

std::vector<double> Model::preview_weights(const config::Steer& preview) const {
  std::vector<double> weights(preview.pools.size());
  if (const auto side = idle_side(*this, *config_.find_steer(*preview.preview_of)); side.pool)
    weights[*side.pool] = 1;
  return weights;
}

steer::Layout Model::layout(const config::Steer& steer) const {
  const auto due = weights(steer);
  if (std::all_of(due.begin(), due.end(), [](double weight) { return weight == 0; }))
    return {{steer::no_pool, steer::slot_count}};
  const auto found = steerings_.find(steer.name);
  if (found != steerings_.end() && !found->second.layout.empty())
    if (const auto stored = steer::parse_layout(found->second.layout, steer.pool_names()))
      return steer::relay(*stored, due);
  return steer::lay_out(due);
}

const Watched* Model::watched(const config::Endpoint& endpoint, const config::Pool& pool) const {
  if (!pool.check) return nullptr;
  return watched_[static_cast<std::size_t>(&pool - config_.pools.data())]
                 [static_cast<std::size_t>(&endpoint - pool.endpoints.data())];
}

const store::EndpointWord* Model::word(const wire::Destination& destination) const {
  const auto found = words_.find(destination);
  return found == words_.end() ? nullptr : &found->second;
}

const Schedule& Model::scheduled(const wire::Destination& destination) const {
  static const Schedule nothing;
  const auto found = schedule_.find(destination);
  return found == schedule_.end() ? nothing : found->second;
}

std::vector<steer::Candidate> Model::candidates(const config::Pool& pool) const {
  std::vector<steer::Candidate> result;
  for (const auto& endpoint : pool.endpoints) {
    steer::Candidate candidate{endpoint.destination, endpoint.weight};
    if (const auto* known = watched(endpoint, pool)) {
      candidate.usable = known->share > 0;
      candidate.allowed = known->state.verdict != health::Verdict::drained;
      if (candidate.usable) candidate.share = known->share;
    }
    if (const auto* said = word(endpoint.destination)) {
      candidate.usable = candidate.allowed = said->word == store::Word::up;
      candidate.share = 1;
    }
    result.push_back(candidate);
  }
  return result;
}

steer::PoolRules Model::pool_rules(const config::Pool& pool) const {
  steer::PoolRules rules{pool.min_healthy, pool.fail_open};
  if (!pool.check) return rules;
  const auto& check = *config_.find_check(*pool.check);
  for (const auto& endpoint : pool.endpoints) {
    if (word(endpoint.destination) != nullptr) continue;
    if (const auto its = ttl_max(watched(endpoint, pool)->state, check))
      rules.ttl_max = std::min(rules.ttl_max, *its);
  }
  return rules;
}

std::optional<Time> Model::next_share() const {
  return warming_.empty() ? std::nullopt : std::optional(warming_.begin()->first);
}

std::optional<Time> Model::next_expiry() const {
  std::optional<Time> next;
  for (const auto& [destination, word] : words_)
    if (word.until && (!next || *word.until < *next)) next = word.until;
  for (const auto& [destination, scheduled] : schedule_)
    if (const Time at = scheduled.begin()->first; !next || at < *next) next = at;
  return next;
}

std::string Model::weights_by(const config::Steer& steer) const {
  const auto found = steerings_.find(steer.name);
  return found == steerings_.end() || !found->second.weights ? "" : found->second.weights->by;
}

std::vector<Routing> Model::routings(const config::Steer& steer) const {
  std::map<const config::ClientClass*, Routing> all;  // classes stand one after the other: in their order
  for (const auto& route : steer.routes)
    all[config_.find_class(route.client_class)] = {route.client_class, route.pool, route.pool};
  if (const auto found = steerings_.find(steer.name); found != steerings_.end())
    for (const auto& [name, set] : found->second.routes) {
      const auto* client_class = config_.find_class(name);
      if (client_class == nullptr || (!set.pool.empty() && !steer.place_of(set.pool))) continue;
      auto& routing = all[client_class];
      routing.client_class = name;
      routing.pool = set.pool;
      routing.set = &set;
    }
  std::vector<Routing> result;
  for (auto& [client_class, routing] : all) result.push_back(std::move(routing));
  return result;
}

Duration Model::ttl(const config::Steer& steer) const {
  auto ttl = steer.ttl;
  if (running_rollouts_.contains(steer.name))
    ttl = std::min(ttl, rollout::ttl(rollouts_.at(steer.name)).value_or(ttl));
  for (const auto& pool : running_rollings_)
    if (const auto wanted = rollings_.at(pool).plan.ttl; wanted && steer.place_of(pool))
      ttl = std::min(ttl, steer.fitting_ttl(*wanted));
  return ttl;
}

// A record that cannot be read is as good as none; nobody but us has written it.
void Model::take_rollout(const store::RolloutRecord& record) {
  auto rollout = rollout::parse(record.record);
  const auto name = wire::Name::parse(record.steer);
  if (!rollout || !name) return;
  rollout_id_max_ = std::max(rollout_id_max_, rollout->id);
  if (rollout::is_running(rollout->state.phase))
    running_rollouts_.insert(*name);
  else
    running_rollouts_.erase(*name);
  rollouts_.insert_or_assign(*name, *std::move(rollout));
}

void Model::take_rolling(const store::RollingRecord& record) {
  auto rolling = rolling::parse_record(record.record);
  if (!rolling) return;
  rolling_id_max_ = std::max(rolling_id_max_, rolling->id);
  if (rolling::is_running(rolling->state.phase))
    running_rollings_.insert(record.pool);
  else
    running_rollings_.erase(record.pool);
  rollings_.insert_or_assign(record.pool, *std::move(rolling));
}

void Model::apply(const store::Change& change) {
  auto steering = [&](const std::string& name) -> Steering& {
    return steerings_[wire::Name::parse(name).value()];
  };
  std::visit(
      Overloaded{
          [&](const store::WeightOverride& set) { steering(set.steer).weights = set; },
          [&](const store::WeightReset& reset) { steering(reset.steer).weights.reset(); },
          [&](const store::RouteOverride& set) { steering(set.steer).routes[set.client_class] = set; },
          [&](const store::RouteReset& reset) { steering(reset.steer).routes.erase(reset.client_class); },
          [&](const store::LayoutChange& laid) { steering(laid.steer).layout = laid.layout; },
          [&](const store::EndpointWord& word) { words_[word.destination] = word; },
          [&](const store::EndpointWordTaken& taken) { words_.erase(taken.destination); },
          [&](const store::ScheduledWord& word) { schedule_[word.destination][word.at] = word; },
          [&](const store::ScheduledWordDone& done) {
            const auto found = schedule_.find(done.destination);
            if (found == schedule_.end()) return;
            found->second.erase(done.at);
            if (found->second.empty()) schedule_.erase(found);
          },
          [&](const store::ScheduleTaken& taken) { schedule_.erase(taken.destination); },
          [&](const store::RolloutRecord& record) { take_rollout(record); },
          [&](const store::RollingRecord& record) { take_rolling(record); },
          [&](const store::SteerVersion& version) { steering(version.steer).version = version; },
          [&](const store::KeptTtl& kept) { steering(kept.steer).ttls[kept.ttl] = kept.until; },
          [&](const store::KeptTtlOver& over) { steering(over.steer).ttls.erase(over.ttl); },
          [](const auto&) {},  // health goes its own way: restore_health()
      },
      change);
}

std::optional<Model::Before> Model::before(const std::vector<store::Change>& changes) const {
  Before before;
  const auto keep_steering = [&](const std::string& name) {
    const auto parsed = wire::Name::parse(name).value();
    const auto found = steerings_.find(parsed);
    before.steerings.try_emplace(parsed, found == steerings_.end() ? Steering{} : found->second);
    return true;
  };
  const auto keep_words = [&](const wire::Destination& endpoint) {
    const auto* said = word(endpoint);
    before.words.try_emplace(endpoint, said == nullptr ? std::nullopt : std::optional(*said));
    before.schedules.try_emplace(endpoint, scheduled(endpoint));
    return true;
  };
  const Overloaded keep{
      [&](const store::WeightOverride& set) { return keep_steering(set.steer); },
      [&](const store::WeightReset& reset) { return keep_steering(reset.steer); },
      [&](const store::RouteOverride& set) { return keep_steering(set.steer); },
      [&](const store::RouteReset& reset) { return keep_steering(reset.steer); },
      [&](const store::LayoutChange& laid) { return keep_steering(laid.steer); },
      [&](const store::SteerVersion& version) { return keep_steering(version.steer); },
      [&](const store::EndpointWord& said) { return keep_words(said.destination); },
      [&](const store::EndpointWordTaken& taken) { return keep_words(taken.destination); },
      [&](const store::ScheduledWord& planned) { return keep_words(planned.destination); },
      [&](const store::ScheduleTaken& taken) { return keep_words(taken.destination); },
      [](const auto&) { return false; },
  };
  for (const auto& change : changes)
    if (!std::visit(keep, change)) return {};
  return before;
}

void Model::restore(Before before) {
  for (auto& [name, steering] : before.steerings) steerings_[name] = std::move(steering);
  for (auto& [endpoint, said] : before.words) {
    words_.erase(endpoint);
    if (said) words_.emplace(endpoint, *std::move(said));
  }
  for (auto& [endpoint, planned] : before.schedules) {
    schedule_.erase(endpoint);
    if (!planned.empty()) schedule_.emplace(endpoint, std::move(planned));
  }
}

namespace {

// What of a state can be seen in answers.
auto visible(const health::State& state, const config::Check& check, Time now) {
  const auto rules = rules_of(check);
  return std::tuple(state.verdict, health::share(state, rules, now), ttl_max(state, check));
}

}  // namespace

Model::Seen Model::apply_probe(const HealthKey& key, const health::ProbeResult& result, Time now) {
  const auto found = health_.find(key);
  if (found == health_.end()) return {};
  Watched& watched = found->second;
  Seen seen;
  set_trouble(watched, {});
  if (in_trouble_ == 0) seen.trouble = trouble_.over(now);
  const auto& check = *config_.find_check(key.check);
  seen.lateness = lateness_.note(result.late, check.interval, now);
  const bool held = suspect(key, watched, result, now, seen);
  auto step = health::step(watched.state, rules_of(check), result, now);
  if (held || has_to_wait(key, watched, step.state, now, seen)) {
    watched.state.last = result;
    watched.state.last_at = now;
    return seen;
  }
  seen.changed = step.changed;
  seen.why = std::move(step.why);
  take_step(key, watched, std::move(step.state), now, seen);
  return seen;
}

// The next state, by a result.
void Model::take_step(const HealthKey& key, Watched& watched, health::State state, Time now, Seen& seen) {
  const auto& check = *config_.find_check(key.check);
  if (visible(watched.state, check, now) != visible(state, check, now)) seen.to_publish.push_back(key);
  take_state(key, watched, std::move(state), now);
}

namespace {

// A connection that was taken says nothing about our network when that may have gone since.
bool is_outdated(const health::Suspicion& suspicion, const health::ProbeResult& result, Time now) {
  return result.quiet > Duration{} && suspicion.is_outdated(now - result.quiet, now);
}

}  // namespace

// What answers from here, although its address does not say so, crosses no network: it is on no side.
std::optional<Side> Model::side_of(const HealthKey& key, const Watched& watched) const {
  const auto side = control::side_of(key.destination, config_.find_check(key.check)->type);
  return side == Side::away && watched.own ? std::nullopt : side;
}

// An address may come to this machine, and leave it again; and so may the addresses of a host.
void Model::note_origin(const HealthKey& key, Watched& watched, const health::ProbeResult& result, Time now,
                        Seen& seen) {
  if (!result.answered || result.own == watched.own) return;
  const auto side = side_of(key, watched);
  watched.own = result.own;
  if (side != Side::away) return;
  seen.suspicion = suspicion_of(*side).leave(watched.id, now);
  Question& question = question_of(*side);
  question.waiting.erase(key);
  if (question.asked.erase(key) > 0) miss_asked(*side, now, seen);
}

// One of those who were asked cannot say anything.
void Model::miss_asked(Side side, Time now, Seen& seen) {
  Question& question = question_of(side);
  question.in_vain = true;
  if (!question.waiting.empty() && question.asked.empty()) conclude(side, now, seen);
}

std::optional<Time> Model::suspected_since() const {
  std::optional<Time> since;
  for (const auto& suspicion : suspicions_)
    if (const auto its = suspicion.suspected_since(); its && (!since || *its < *since)) since = its;
  return since;
}

std::size_t Model::held() const {
  return static_cast<std::size_t>(std::count_if(health_.begin(), health_.end(),
                                                [&](const auto& entry) { return is_held(entry.second); }));
}

bool Model::is_held(const Watched& watched) const {
  return std::any_of(suspicions_.begin(), suspicions_.end(), [&](const health::Suspicion& suspicion) {
    return suspicion.suspected_since() && suspicion.failed().contains(watched.id);
  });
}

// Takes the result as evidence for or against ourselves; true: it is to change no verdict.
bool Model::suspect(const HealthKey& key, Watched& watched, const health::ProbeResult& result, Time now,
                    Seen& seen) {
  note_origin(key, watched, result, now, seen);
  const auto side = side_of(key, watched);
  if (!side) return false;
  const auto& suspicion = suspicion_of(*side);
  const bool silent = is_silence(result);
  if (silent && suspicion.is_late(now - result.took, now)) return true;
  if (is_outdated(suspicion, result, now)) return true;
  take_evidence(*side, key, watched, evidence_of(result), now, seen);
  return silent && suspicion.suspected_since();
}

void Model::take_evidence(Side side, const HealthKey& key, Watched& watched, health::Evidence evidence,
                          Time now, Seen& seen) {
  auto& suspicion = suspicion_of(side);
  const bool silent = evidence == health::Evidence::silence;
  if (silent && !suspicion.failed().contains(watched.id)) watched.before = watched.state;
  seen.suspicion = suspicion.result(watched.id, evidence, now);
  if (seen.suspicion == health::Turn::began) restore_failed(side, now, seen);
  if (silent) return;
  question_of(side).waiting.erase(key);  // what it says itself takes the place of its silence
  let_fall(question_of(side), now, seen);
}

// Before a silence takes a target down while nobody has answered since its first one, others are asked: ours
// may be the network that is gone. One question at a time is enough for all of a side.
bool Model::has_to_wait(const HealthKey& key, const Watched& watched, const health::State& next, Time now,
                        Seen& seen) {
  const auto side = side_of(key, watched);
  const bool falls = health::serves(watched.state.verdict) && !health::serves(next.verdict);
  if (!side || !falls || !is_silence(next.last)) return false;
  auto& question = question_of(*side);
  if (!suspicion_of(*side).failed().contains(watched.id)) return false;
  if (question.waiting.empty()) {
    const auto others = suspicion_of(*side).whom_to_ask(watched.id);
    if (others.empty()) return false;
    ask(question, others, now, seen);
    question.patience_end = question.end + shortest_intervals_[static_cast<std::size_t>(*side)];
  }
  question.waiting[key] = next.last;
  return true;
}

void Model::ask(Question& question, const std::vector<health::Suspicion::Id>& others, Time now, Seen& seen) {
  Duration longest{};
  question.asked.clear();
  question.in_vain = false;
  for (const auto id : others) {
    const HealthKey& key = *targets_[id];
    longest = std::max(longest, config_.find_check(key.check)->timeout);
    question.asked.insert(key);
    seen.to_ask.push_back(key);
  }
  question.end = now + longest + asked_grace;
}

// Whoever is probed seldom would leave us suspected for as long; so it is asked as often as others are
// probed.
void Model::ask_again(Side side, Time now, Seen& seen) {
  Question& question = question_of(side);
  ask(question, suspicion_of(side).whom_to_ask_again(), now, seen);
  question.end = std::max(question.end, now + shortest_intervals_[static_cast<std::size_t>(side)]);
}

// One has answered, or nobody is left to be asked: those who have waited are dead by themselves.
void Model::let_fall(Question& question, Time now, Seen& seen) {
  const auto ended = std::exchange(question, {});
  for (const auto& [key, silence] : ended.waiting) {
    Watched& watched = health_.at(key);
    auto step = health::step(watched.state, rules_of(*config_.find_check(key.check)), silence, now);
    step.state.last_at = watched.state.last_at;
    if (step.changed) seen.fallen.emplace_back(key, std::move(step.why));
    take_step(key, watched, std::move(step.state), now, seen);
  }
}

Model::Seen Model::apply_asked(const HealthKey& key, const Result<health::ProbeResult>& result, Time now) {
  Seen seen;
  const auto found = health_.find(key);
  if (found == health_.end()) return seen;
  if (result) note_origin(key, found->second, *result, now, seen);
  const auto side = side_of(key, found->second);
  if (!side) return seen;
  // It was asked by an earlier question; of this one it will say something yet, or the question ends.
  if (result && is_outdated(suspicion_of(*side), *result, now)) return seen;
  Question& question = question_of(*side);
  const bool was_asked = question.asked.erase(key) > 0;
  const auto evidence = result ? std::optional(evidence_of(*result)) : std::nullopt;
  const bool answered = evidence && *evidence != health::Evidence::silence;
  // A silence that comes after another one's answer is older than that, most likely.
  if (!was_asked && !answered) return seen;
  if (evidence)
    take_evidence(*side, key, found->second, *evidence, now, seen);
  else
    question.in_vain = true;
  if (!question.waiting.empty() && question.asked.empty()) conclude(*side, now, seen);
  return seen;
}

// Nobody has answered. Should that be for lack of places, these are given a moment to become free.
void Model::conclude(Side side, Time now, Seen& seen) {
  Question& question = question_of(side);
  if (question.in_vain)
    question.end = std::min(question.end, now + asked_grace);
  else
    suspect_ourselves(side, now, seen);
}

Model::Seen Model::end_question(Side side, Time now) {
  Seen seen;
  Question& question = question_of(side);
  if (!is_open(side) || question.end > now) return seen;
  if (question.waiting.empty())
    ask_again(side, now, seen);
  else if (question.in_vain)
    ask_others_instead(side, now, seen);
  else
    suspect_ourselves(side, now, seen);
  return seen;
}

// Of those who could not be probed, for so long; who waits would be about to fall for ever if they never can.
void Model::ask_others_instead(Side side, Time now, Seen& seen) {
  Question& question = question_of(side);
  const auto others = suspicion_of(side).whom_to_ask(health_.at(question.waiting.begin()->first).id);
  if (others.empty()) return let_fall(question, now, seen);
  if (question.patience_end <= now) return suspect_ourselves(side, now, seen);
  ask(question, others, now, seen);
}

bool Model::is_open(Side side) const {
  const auto i = static_cast<std::size_t>(side);
  return !questions_[i].waiting.empty() || suspicions_[i].suspected_since();
}

std::optional<Time> Model::next_question_end() const {
  std::optional<Time> next;
  for (const auto side : sides) {
    const Time end = questions_[static_cast<std::size_t>(side)].end;
    if (is_open(side) && (!next || end < *next)) next = end;
  }
  return next;
}

probe::Target Model::target(const HealthKey& key) const {
  return probe::target_of(*health_.at(key).endpoint, *config_.find_check(key.check));
}

void Model::suspect_ourselves(Side side, Time now, Seen& seen) {
  seen.suspicion = suspicion_of(side).nobody_answered(now);
  if (seen.suspicion == health::Turn::began) restore_failed(side, now, seen);
}

// The state, and what follows from it at `now`.
void Model::take_state(const HealthKey& key, Watched& watched, health::State state, Time now) {
  const auto rules = rules_of(*config_.find_check(key.check));
  if (state.verdict != watched.state.verdict) watched.verdict_before = watched.state.verdict;
  watched.state = std::move(state);
  watched.share = health::share(watched.state, rules, now);
  const auto next = health::next_share(watched.state, rules, now);
  if (next == watched.next_share) return;
  if (watched.next_share) warming_.erase({*watched.next_share, key});
  if (next) warming_.emplace(*next, key);
  watched.next_share = next;
}

// As they were before the failures that are suspected to be our own; what the last probe brought is kept for
// whoever looks. Whose fall has waited waits no more.
void Model::restore_failed(Side side, Time now, Seen& seen) {
  question_of(side) = {};
  question_of(side).end = now + shortest_intervals_[static_cast<std::size_t>(side)];
  for (const auto id : suspicion_of(side).failed()) {
    const HealthKey& key = *targets_[id];
    Watched& watched = health_.at(key);
    auto state = watched.before;
    if (state.verdict != watched.state.verdict) seen.taken_back.push_back(key);
    state.last = std::move(watched.state.last);
    state.last_at = watched.state.last_at;
    take_state(key, watched, std::move(state), now);
    seen.to_publish.push_back(key);
  }
}

namespace {

std::string trouble_text(const HealthKey& key, const Watched& watched) {
  const auto& endpoint = watched.endpoints.front();
  const auto others = watched.endpoints.size() - 1 + watched.endpoints_more;
  const auto asked =
      endpoint == key.destination ? "" : fmt::format(", which asks {},", to_text(key.destination));
  return fmt::format("check '{}' of {}{}{} could not be run: {}", key.check, to_text(endpoint),
                     others == 0 ? "" : fmt::format(" and {} more", others), asked, watched.trouble);
}

}  // namespace

Model::Seen Model::apply_trouble(const HealthKey& key, const std::string& reason, Time now) {
  Seen seen;
  const auto found = health_.find(key);
  if (found == health_.end()) return seen;
  set_trouble(found->second, reason);
  seen.trouble = trouble_.met(trouble_text(key, found->second), now);
  return seen;
}

void Model::set_trouble(Watched& watched, std::string reason) {
  if (!watched.trouble.empty()) --in_trouble_;
  watched.trouble = std::move(reason);
  if (!watched.trouble.empty()) ++in_trouble_;
}

std::vector<HealthKey> Model::warmed(Time now) {
  std::vector<HealthKey> keys;
  for (const auto& [step, key] : warming_) {
    if (step > now) break;
    keys.push_back(key);
  }
  for (const auto& key : keys) {
    Watched& watched = health_.at(key);
    take_state(key, watched, std::move(watched.state), now);
  }
  return keys;
}

bool Model::restore_health(const store::HealthSeen& seen, Time now) {
  const auto found = health_.find({seen.destination, seen.port, seen.host, seen.check});
  if (found == health_.end()) return false;
  take_state(found->first, found->second, seen.state, now);
  const auto side = side_of(found->first, found->second);
  if (side && health::serves(seen.state.verdict)) suspicion_of(*side).assume_sound(found->second.id);
  return true;
}

namespace {

void add_endpoint(Watched& target, const wire::Destination& endpoint) {
  if (target.endpoints.size() < watched_endpoints_max)
    target.endpoints.push_back(endpoint);
  else
    ++target.endpoints_more;
}

}  // namespace

// Keeps what is known of targets that stay, and forgets the others.
void Model::watch_targets(const std::map<HealthKey, HealthKey>& taken_over, Time now, Seen& seen) {
  std::map<HealthKey, Watched> watched;
  std::set<std::pair<const Watched*, wire::Destination>> known;
  targets_.clear();
  watched_.assign(config_.pools.size(), {});
  in_trouble_ = 0;
  for (std::size_t i = 0; i < config_.pools.size(); ++i) {
    const auto& pool = config_.pools[i];
    if (!pool.check) continue;
    for (const auto& endpoint : pool.endpoints) {
      auto [entry, is_new] =
          watched.try_emplace(health_key(probe::target_of(endpoint, *config_.find_check(*pool.check))));
      auto& [key, target] = *entry;
      watched_[i].push_back(&target);
      if (is_new) {
        if (const auto before = health_.find(key); before != health_.end()) {
          target.state = before->second.state;
          target.before = before->second.before;
          target.own = before->second.own;
          set_trouble(target, before->second.trouble);
        }
        target.id = static_cast<health::Suspicion::Id>(targets_.size());
        target.endpoint = &endpoint;
        targets_.push_back(&key);
      }
      if (target.pools.empty() || target.pools.back() != &pool) target.pools.push_back(&pool);
      if (known.emplace(&target, endpoint.destination).second) add_endpoint(target, endpoint.destination);
    }
  }
  for (const auto& [key, predecessor] : taken_over) watched.at(key).state = inherited_state(predecessor);
  std::swap(health_, watched);
  warming_.clear();
  for (auto& [key, target] : health_) take_state(key, target, std::move(target.state), now);
  seen.left = std::any_of(watched.begin(), watched.end(),
                          [&](const auto& entry) { return !health_.contains(entry.first); });
  watch_sides(watched, seen);
  keep_questions(now);
}

// Of targets that have left, or have changed sides, nothing is waited for; whom a question has lost, it has
// asked in vain.
void Model::keep_questions(Time now) {
  for (const auto side : sides) {
    const auto is_gone = [&](const HealthKey& key) {
      const auto found = health_.find(key);
      return found == health_.end() || side_of(key, found->second) != side;
    };
    auto& question = question_of(side);
    std::erase_if(question.waiting, [&](const auto& entry) { return is_gone(entry.first); });
    if (std::erase_if(question.asked, is_gone) == 0) continue;
    question.in_vain = true;
    if (question.asked.empty()) question.end = now;
  }
}

// What that has found out, but for its last result, which was of another question.
health::State Model::inherited_state(const HealthKey& predecessor) const {
  health::State state = health_.at(predecessor).state;
  state.last = {};
  state.last_at = {};
  return state;
}

namespace {

HealthKey key_for(const config::Endpoint& endpoint, const config::Check& check) {
  return health_key(probe::target_of(endpoint, check));
}

// What is probed for each endpoint of a pool.
std::map<wire::Destination, HealthKey> probed_for(const config::Config& config, const config::Pool& pool) {
  std::map<wire::Destination, HealthKey> keys;
  if (!pool.check) return keys;
  for (const auto& endpoint : pool.endpoints)
    keys.emplace(endpoint.destination, key_for(endpoint, *config.find_check(*pool.check)));
  return keys;
}

}  // namespace

// Which target each new one of the next config takes the place of: the one that the same endpoint has in the
// same pool. A check that got another name or port goes on from there until it has results of its own, so
// that a reload empties no pool; what was found out about the address for others says nothing about it.
std::map<HealthKey, HealthKey> Model::predecessors(const config::Config& next) const {
  std::map<HealthKey, HealthKey> found;
  for (const auto& pool : next.pools) {
    const auto* old_pool = config_.find_pool(pool.name);
    if (old_pool == nullptr) continue;
    const auto old_keys = probed_for(config_, *old_pool);
    for (const auto& [endpoint, key] : probed_for(next, pool))
      if (const auto old = old_keys.find(endpoint); old != old_keys.end() && !health_.contains(key))
        found.emplace(key, old->second);
  }
  return found;
}

std::set<HealthKey> Model::unknown_in(const config::Config& config) const {
  const auto known = predecessors(config);
  const auto is_unknown = [&](const HealthKey& key) {
    if (health_.contains(key)) return false;
    const auto old = known.find(key);
    return old == known.end() || inherited_state(old->second).verdict == health::Verdict::unknown;
  };
  std::set<HealthKey> unknown;
  for (const auto& pool : config.pools)
    for (const auto& endpoint : pool.endpoints)
      if (pool.check)
        if (auto key = key_for(endpoint, *config.find_check(*pool.check)); is_unknown(key))
          unknown.insert(std::move(key));
  return unknown;
}

// Each side has its part of each pool. What has failed stays so where the target stays on its side.
void Model::watch_sides(const std::map<HealthKey, Watched>& before, Seen& seen) {
  for (const auto side : sides) {
    auto& suspicion = suspicion_of(side);
    const auto failed_before = suspicion.failed();
    std::vector<std::vector<health::Suspicion::Id>> pools(config_.pools.size());
    // Also of what is this machine's own now: it may move to another one.
    const auto belongs = [&](const HealthKey& key) {
      return control::side_of(key.destination, config_.find_check(key.check)->type) == side;
    };
    for (const auto& [key, target] : health_)
      if (belongs(key))
        for (const auto* pool : target.pools)
          pools[static_cast<std::size_t>(pool - config_.pools.data())].push_back(target.id);
    if (suspicion.set_pools(targets_.size(), pools) == health::Turn::ended)
      seen.suspicion = health::Turn::ended;
    auto& shortest = shortest_intervals_[static_cast<std::size_t>(side)];
    shortest = Duration::max();
    for (const auto& [key, target] : health_) {
      if (!belongs(key)) continue;
      shortest = std::min(shortest, config_.find_check(key.check)->interval);
      if (side_of(key, target) != side) continue;
      const auto old = before.find(key);
      if (old != before.end() && failed_before.contains(old->second.id))
        suspicion.assume_failed(target.id);
      else if (health::serves(target.state.verdict))
        suspicion.assume_sound(target.id);
    }
  }
}

bool Model::probes_any() const {
  return std::any_of(health_.begin(), health_.end(), [&](const auto& entry) {
    return config_.find_check(entry.first.check)->type != config::CheckType::push;
  });
}

Model::Seen Model::replace_config(config::Config config, Time now) {
  Seen seen;
  const auto taken_over = predecessors(config);
  config_ = std::move(config);
  watch_targets(taken_over, now, seen);
  if (in_trouble_ == 0) seen.trouble = trouble_.end();
  if (!probes_any()) seen.lateness = lateness_.end();
  const auto ended = health::Turn::ended;
  seen.idle = seen.suspicion == ended || seen.trouble == ended || seen.lateness == ended;
  return seen;
}

Result<Decision> set_weights(const Model& model, const Request& request, Time now) {
  const auto steer = find_steer(model, request);
  if (!steer) return steer.error();
  if (auto why = version_objection(model, request, (*steer)->name)) return *std::move(why);
  if (auto why = rollout_in_the_way(model, **steer)) return *std::move(why);
  auto after = model.weights(**steer);
  for (const auto& [pool, weight] : request.arguments.at("weights").as_object()) {
    const auto place = (*steer)->place_of(pool);
    if (!place) return unknown_pool(**steer, pool);
    after[*place] = weight.to_number<double>();
  }
  store::WeightOverride set{(*steer)->name.text(), {}, request.who, now};
  std::vector<config::PoolWeight> to_check;
  for (std::size_t i = 0; i < after.size(); ++i) {
    const auto& name = (*steer)->pools[i].pool;
    set.pools.push_back({name, after[i]});
    to_check.push_back({name, after[i]});
  }
  if (const auto checked = config::check_weights(to_check); !checked) return checked.error();
  return change_weights(model, **steer, after, std::move(set), request, "weight.set", now);
}

Result<Decision> reset_weights(const Model& model, const Request& request, Time now) {
  const auto steer = find_steer(model, request);
  if (!steer) return steer.error();
  const auto name = (*steer)->name;
  if (auto why = version_objection(model, request, name)) return *std::move(why);
  if (auto why = rollout_in_the_way(model, **steer)) return *std::move(why);
  if (!model.steerings().contains(name) || !model.steerings().at(name).weights)
    return unchanged_weights(model, **steer);
  return change_weights(model, **steer, weights_under(**steer, nullptr), store::WeightReset{name.text()},
                        request, "weight.reset", now);
}

std::vector<double> weights_under(const config::Steer& steer, const store::WeightOverride* said) {
  std::vector<double> configured;
  for (const auto& part : steer.pools) configured.push_back(part.weight);
  if (said == nullptr) return configured;
  auto effective = configured;
  for (const auto& set : said->pools)
    if (const auto place = steer.place_of(set.pool)) effective[*place] = set.weight;
  const bool all_zero =
      std::all_of(effective.begin(), effective.end(), [](double weight) { return weight == 0; });
  return all_zero ? configured : effective;
}

Decision settle_layouts(const Model& model, Time now) {
  Decision decision;
  for (const auto& steer : model.config().steers) {
    if (steer.preview_of) continue;  // follows from another name's weights
    auto text = steer::to_text(model.layout(steer), steer.pool_names());
    const auto found = model.steerings().find(steer.name);
    const auto stored = found == model.steerings().end() ? std::string() : found->second.layout;
    if (stored == text) continue;
    // One that was laid out before has other weights by another config.
    if (!stored.empty())
      decision.changes.push_back(next_version(model, steer.name, "config", "other weights or pools", now));
    decision.changes.push_back(store::LayoutChange{steer.name.text(), std::move(text)});
  }
  return decision;
}

}  // namespace sluice::control
