#include "control/director.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <limits>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/post.hpp>

#include "base/log.hpp"
#include "base/text.hpp"
#include "control/alarm.hpp"
#include "control/arguments.hpp"
#include "control/check_runner.hpp"
#include "control/courier.hpp"
#include "control/explain.hpp"
#include "control/hands.hpp"
#include "control/journal.hpp"
#include "control/kept_ttls.hpp"
#include "control/lease_status.hpp"
#include "control/model.hpp"
#include "control/notifier.hpp"
#include "control/planned_ttls.hpp"
#include "control/policy.hpp"
#include "control/publisher.hpp"
#include "control/reloader.hpp"
#include "control/reports.hpp"
#include "control/rolling_runner.hpp"
#include "control/rollout_runner.hpp"
#include "control/rollout_status.hpp"
#include "control/rollouts.hpp"
#include "control/routes.hpp"
#include "control/status.hpp"
#include "control/targets.hpp"
#include "control/words.hpp"
#include "probe/runner_client.hpp"

namespace sluice::control {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

// Health that was seen longer ago than this says nothing any more.
constexpr Duration health_age_max = 10min;

// By so much the wall clock may have been set back over a restart: then what was seen last is taken for new.
constexpr Duration health_ahead_max = 1min;

// By less the wall clock is slewed, or read at another moment; it is not set.
constexpr Duration clock_step_least = 1s;

// Of what probes bring, the least time from one publication to the next.
constexpr Duration publish_interval = 20ms;

// How often it is written that we were there to see it.
constexpr Duration heartbeat_interval = 10s;

constexpr std::size_t events_by_default = 50;
constexpr std::size_t history_by_default = 20;
constexpr Duration wait_max = 60s;

// 0 would say that there has been none.
Result<std::size_t> history_limit(const Request& request) {
  const auto limit = number_argument(request, "limit").value_or(history_by_default);
  if (limit == 0) return Error{ErrorCode::invalid, "'limit' has to be at least 1"};
  return std::min<std::uint64_t>(limit, store::rollouts_max);
}

Error stopping_error() { return {ErrorCode::unavailable, "the daemon is stopping"}; }

std::vector<SocketAddress> listen_of(const std::optional<config::Tls>& tls) {
  return tls ? tls->listen : std::vector<SocketAddress>{};
}

// What a reload does not change.
struct AtStart {
  explicit AtStart(const config::Config& config)
      : server(config.server), admin(config.admin), tcp(config.tcp), tls_listen(listen_of(config.tls)) {}
  const config::Server server;
  const config::Admin admin;
  const config::Tcp tcp;
  const std::vector<SocketAddress> tls_listen;
};

// What a running daemon cannot take over from a new config.
std::vector<std::string> needs_restart(const AtStart& start, const config::Config& now) {
  const auto& [server, admin, tcp, tls_listen] = start;
  std::vector<std::string> keys;
  auto compare = [&](const auto& a, const auto& b, const char* key) {
    if (a != b) keys.emplace_back(key);
  };
  compare(server.listen, now.server.listen, "server.listen");
  compare(server.workers, now.server.workers, "server.workers");
  compare(server.state, now.server.state, "server.state");
  compare(server.user, now.server.user, "server.user");
  compare(admin.socket, now.admin.socket, "admin.socket");
  compare(admin.http, now.admin.http, "admin.http");
  compare(tcp, now.tcp, "[tcp]");
  compare(tls_listen, listen_of(now.tls), "tls.listen");
  return keys;
}

}  // namespace

class Director::Implementation : public std::enable_shared_from_this<Implementation> {
 public:
  Implementation(asio::any_io_executor executor, Loaded loaded, store::Store store, const store::Saved& saved,
                 Outlets outlets)
      : executor_(std::move(executor)),
        model_(std::move(loaded.config)),
        at_start_(model_.config()),
        outlets_(std::move(outlets)),
        journal_(executor_, std::move(store)),
        publisher_(executor_, model_, std::move(loaded.zones), saved.sticky_key, outlets_.published,
                   outlets_.quiescence, outlets_.counters),
        planned_ttls_(executor_, model_, publisher_),
        notifier_(executor_, journal_),
        courier_(executor_, journal_,
                 [this](probe::WebRequest request, auto done) { tell(std::move(request), std::move(done)); }),
        rollouts_(
            hands(),
            [this](const wire::Name& name, const std::string& pool) {
              return publisher_.answers().answers(name, pool);
            },
            {.before_change =
                 [this](const wire::Name& name) { return publisher_.answers().leased_before_change(name); },
             .answered_last =
                 [this](const wire::Name& name) {
                   return publisher_.answers().name_lease(name).answered_last;
                 },
             .until_now =
                 [this](const wire::Name& name) { return publisher_.answers().name_lease(name).end; },
             .since = wall_now()},
            outlets_.measure),
        rollings_(
            hands(), [this](const wire::Destination& endpoint) { return leased_out(endpoint); },
            [this](const wire::Destination& endpoint) { return lease_of(endpoint); }, outlets_.run_program,
            outlets_.call_hook),
        check_runs_(hands(), outlets_.probe_now),
        reloads_(hands(), outlets_.set_targets,
                 [this](Reloader::Prepared prepared, const Request& request) {
                   return take_over(std::move(prepared), request);
                 }),
        first_round_alarm_(executor_, [this] { first_publication(); }),
        heartbeat_alarm_(executor_, [this] { beat(); }),
        question_alarm_(executor_, [this] { end_questions(); }),
        warm_alarm_(executor_, [this] { warm(); }),
        publish_alarm_(executor_, [this] { publish_changed_pools(); }),
        expiry_alarm_(executor_, [this] { expire(); }),
        report_alarm_(executor_, [this] { miss_reports(); }),
        cookie_secrets_(std::move(loaded.cookie_secrets)),
        rotation_alarm_(executor_, [this] { rotate_cookie_secret(); }) {
    for (const auto& set : saved.weights) model_.apply(set);
    for (const auto& route : saved.routes) model_.apply(route);
    for (const auto& laid : saved.layouts) model_.apply(laid);
    for (const auto& version : saved.versions) model_.apply(version);
    for (const auto& ttl : saved.ttls) model_.apply(ttl);
    for (const auto& word : saved.words) model_.apply(word);
    restore_health(saved);
    for (const auto& word : saved.scheduled) model_.apply(word);
    for (const auto& rollout : saved.rollouts) model_.apply(rollout);
    for (const auto& rolling : saved.rollings) model_.apply(rolling);
    publisher_.answers().inherit();
    courier_.restore(saved.receivers);
  }

  template <class Function>
  void on_control_thread(Function function) {
    asio::post(executor_,
               [self = shared_from_this(), function = std::move(function)]() mutable { function(*self); });
  }

  void start();
  void stop();
  void execute(const Request& request, ReplyHandler handler);
  void take_probe(const probe::Target& target, const health::ProbeResult& result);
  void take_trouble(const probe::Target& target, const std::string& reason);
  void take_asked(const probe::Target& target, const Result<health::ProbeResult>& result);

 private:
  Hands hands() {
    return {executor_, model_, [this] { return !stopped_ && publisher_.has_published(); },
            [this](const Decision& decision) { return carry_out(decision); },
            [this] { return shared_from_this(); }};
  }

  // What decides about health goes by its own clock, operators' words by the wall's.
  Time deciding_now() const { return outlets_.deciding_now(); }

  // deciding and acting
  Reply execute_change(const Request& request, Result<Decision> decision);
  Result<void> carry_out(const Decision& decision);
  void put_in_force(const Decision& decision);
  void apply(const Decision& decision);
  void follow_up(const Decision& decision);
  void add_leases(const Decision& decision, boost::json::object& reply);
  rollout::LeaseEnd lease_of(const wire::Destination& endpoint);
  std::optional<rollout::LeaseEnd> leased_out(const wire::Destination& endpoint);
  void settle();
  void adopt(const std::vector<store::Change>& changes);
  void follow_publication();
  void expire();
  void say_due_words();
  void arm_expiry();

  Reply rollout_history(const Request& request);
  Reply rolling_history(const Request& request);

  Reply take_report(const Request& request);
  void await_reports();
  void miss_reports();

  void set_policy();
  void rotate_cookie_secret();
  void arm_rotation();
  void publish_effects(const std::vector<store::Change>& changes);
  void start_probing();
  void await_first_round();
  void first_publication();
  void restore_health(const store::Saved& saved);
  void keep_only_watched();
  void keep_health();
  void beat();
  bool is_watched(const probe::Target& target) const;
  void apply_probe(const HealthKey& key, const health::ProbeResult& result);
  void take_seen(const Model::Seen& seen);
  void ask(const std::vector<HealthKey>& keys);
  void await_question();
  void end_questions();
  void note_verdict(const HealthKey& key, const std::string& why);
  void note_taken_back(const HealthKey& key);
  void note_endpoint(const HealthKey& key, const std::string& how);
  void await_no_more(const HealthKey& key);
  void publish_soon(const std::vector<HealthKey>& keys);
  void publish_changed_pools();
  void arm_warming();
  void warm();
  void notify();
  void tell(probe::WebRequest request, Courier::Done done);

  // reading
  void list_events(const Request& request, ReplyHandler handler);
  Reply take_over(Reloader::Prepared prepared, const Request& request);
  Surroundings surroundings();
  Reply explain_reply(const Request& request);
  Duration clock_shift();
  Reply status_reply(const Request& request);
  boost::json::object version_reply() const;

  asio::any_io_executor executor_;
  Model model_;
  const AtStart at_start_;
  Outlets outlets_;
  Journal journal_;
  Publisher publisher_;
  PlannedTtls planned_ttls_;
  Notifier notifier_;
  Courier courier_;
  const Time started_ = wall_now();
  Duration clock_shift_{};  // the wall clock's, against deciding_now()

  RolloutRunner rollouts_;
  RollingRunner rollings_;
  CheckRunner check_runs_;
  Reloader reloads_;

  std::set<HealthKey> awaited_;  // targets without a verdict, and without trouble that keeps it away
  SteadyAlarm first_round_alarm_;
  SteadyAlarm heartbeat_alarm_;
  SteadyAlarm question_alarm_;  // of the end of what is asked before a target falls, or until one answers
  std::optional<Time> question_end_;
  SteadyAlarm warm_alarm_;  // of the next step of a slow start
  std::optional<Time> warm_time_;
  std::set<const config::Pool*> changed_pools_;  // to be published
  SteadyAlarm publish_alarm_;
  std::chrono::steady_clock::time_point pools_published_{};
  WallAlarm expiry_alarm_;  // of the next operator's word that ends
  Reports reports_;
  SteadyAlarm report_alarm_;  // of the next report that may be missing
  PolicyMaker policy_maker_;
  std::vector<answer::CookieSecret> cookie_secrets_;  // the config's
  SteadyAlarm rotation_alarm_;
  std::vector<std::string> warnings_;  // the last reload's
  bool stopped_ = false;
};

// --- deciding and acting ---

void Director::Implementation::start() {
  journal_.note("sluiced", "daemon.start", "sluiced",
                fmt::format("sluiced {} started with {}", SLUICE_VERSION, model_.config().file));
  courier_.set_receivers(model_.config().receivers);
  settle();
  set_policy();
  arm_rotation();
  start_probing();
  beat();
  if (awaited_.empty()) return first_publication();
  await_first_round();
}

void Director::Implementation::await_first_round() {
  auto targets = targets_of(model_.config());
  std::erase_if(targets, [this](const auto& target) { return !awaited_.contains(health_key(target)); });
  const auto time = first_round_limit(targets);
  if (outlets_.waits) outlets_.waits(time);
  first_round_alarm_.set_after(time);
}

void Director::Implementation::stop() {
  if (std::exchange(stopped_, true)) return;
  keep_health();
  journal_.note("sluiced", "daemon.stop", "sluiced", "sluiced stopped");
  courier_.stop();
  journal_.stop();
  publisher_.stop();
  planned_ttls_.stop();
  notifier_.stop();
  first_round_alarm_.clear();
  heartbeat_alarm_.clear();
  question_alarm_.clear();
  warm_alarm_.clear();
  publish_alarm_.clear();
  expiry_alarm_.clear();
  report_alarm_.clear();
  rotation_alarm_.clear();
  rollouts_.stop();
  rollings_.stop();
  check_runs_.stop(stopping_error());
  reloads_.stop(stopping_error());
}

void Director::Implementation::execute(const Request& request, ReplyHandler handler) {
  if (stopped_) return handler(stopping_error());
  publish_changed_pools();  // what the reply tells of is in answers
  const Time now = wall_now();
  switch (request.id) {
    case CommandId::status:
      return handler(status_reply(request));
    case CommandId::weight_set:
      return handler(execute_change(request, set_weights(model_, request, now)));
    case CommandId::weight_reset:
      return handler(execute_change(request, reset_weights(model_, request, now)));
    case CommandId::class_route:
      return handler(execute_change(request, route_class(model_, request, now)));
    case CommandId::class_unroute:
      return handler(execute_change(request, unroute_class(model_, request, now)));
    case CommandId::endpoint_drain:
      return handler(execute_change(request, say_word(model_, request, store::Word::drain, now)));
    case CommandId::endpoint_up:
      return handler(execute_change(request, say_word(model_, request, store::Word::up, now)));
    case CommandId::endpoint_down:
      return handler(execute_change(request, say_word(model_, request, store::Word::down, now)));
    case CommandId::endpoint_undrain:
      return handler(execute_change(request, take_word(model_, request, store::Word::drain, now)));
    case CommandId::endpoint_auto:
      return handler(execute_change(request, take_word(model_, request, {}, now)));
    case CommandId::explain:
      return handler(explain_reply(request));
    case CommandId::check_run:
      return check_runs_.run(request, std::move(handler));
    case CommandId::check_report:
      return handler(take_report(request));
    case CommandId::canary_start:
    case CommandId::bluegreen_switch:
    case CommandId::rollout_pause:
    case CommandId::rollout_resume:
    case CommandId::rollout_promote:
    case CommandId::rollout_abort:
    case CommandId::rollout_undo:
      return handler(execute_change(request, rollouts_.obey(request, now)));
    case CommandId::rollout_status:
      return handler(rollouts_.status(request));
    case CommandId::rollout_history:
      return handler(rollout_history(request));
    case CommandId::rolling_history:
      return handler(rolling_history(request));
    case CommandId::rolling_start:
    case CommandId::rolling_pause:
    case CommandId::rolling_resume:
    case CommandId::rolling_abort:
      return handler(execute_change(request, rollings_.obey(request, now)));
    case CommandId::rolling_status:
      return handler(rollings_.status(request));
    case CommandId::events:
      return list_events(request, std::move(handler));
    case CommandId::reload:
      return reloads_.reload(request, std::move(handler));
    case CommandId::version:
      return handler(version_reply());
    case CommandId::metrics:
      return handler(boost::json::value(metrics_text(model_, surroundings(), outlets_.counters)));
  }
}

Reply Director::Implementation::execute_change(const Request& request, Result<Decision> decision) {
  if (!decision) return decision.error();
  if (!request.dry_run)
    if (const auto done = carry_out(*decision); !done) return done.error();
  auto reply = std::move(decision->reply);
  reply["dry_run"] = request.dry_run;
  if (decision->cached_for) add_leases(*decision, reply);
  return boost::json::value(std::move(reply));
}

// Of what is still in answers, because there is nothing else or nothing was done, as if the last one went out
// now; but what it was handed out for before, under a longer TTL, may end later.
void Director::Implementation::add_leases(const Decision& decision, boost::json::object& reply) {
  const Time now = wall_now();
  auto end =
      all_leased_out([this](const auto& endpoint) { return leased_out(endpoint); }, decision.taken_out);
  if (!end) {
    end = {now + *decision.cached_for, ttl_of(model_, decision.taken_out)};
    for (const auto& endpoint : decision.taken_out) end = rollout::later(*end, lease_of(endpoint));
  }
  reply["leases"] = leases_status(end);
  reply["cached_until"] = to_text(std::max(now, end->at));
}

rollout::LeaseEnd Director::Implementation::lease_of(const wire::Destination& endpoint) {
  return publisher_.answers().endpoint_lease(endpoint);
}

std::optional<rollout::LeaseEnd> Director::Implementation::leased_out(const wire::Destination& endpoint) {
  if (publisher_.answers().is_in_answers(endpoint)) return {};
  return lease_of(endpoint);
}

// Persisted, then applied, then published: a crash in between is made good by reading the store. What can be
// taken back is in answers already while the disk syncs it, which takes as long as all the rest: it outlives
// the process then. Should the sync fail, answers are again what they were; nothing was acknowledged.
Result<void> Director::Implementation::carry_out(const Decision& decision) {
  if (decision.changes.empty()) return {};
  auto before = model_.before(decision.changes);
  bool is_applied = false;
  const auto apply_once = [&] {
    if (!std::exchange(is_applied, true)) apply(decision);
  };
  const auto stored = before ? journal_.commit(decision.changes, decision.events, apply_once)
                             : journal_.commit(decision.changes, decision.events);
  if (stored) {
    apply_once();
    follow_up(decision);
  } else if (is_applied) {
    model_.restore(*std::move(before));
    if (decision.in_answers) publish_effects(decision.changes);
  }
  return stored;
}

void Director::Implementation::put_in_force(const Decision& decision) {
  apply(decision);
  follow_up(decision);
}

void Director::Implementation::apply(const Decision& decision) {
  for (const auto& change : decision.changes) model_.apply(change);
  if (decision.in_answers) publish_effects(decision.changes);
}

void Director::Implementation::follow_up(const Decision& decision) {
  journal_.announce(decision.events);
  planned_ttls_.look();
  arm_expiry();
  rollouts_.arm();
  rollings_.go_on(decision.hooks);
}

Reply Director::Implementation::rollout_history(const Request& request) {
  const auto steer = find_steer(model_, request);
  if (!steer) return steer.error();
  const auto limit = history_limit(request);
  if (!limit) return limit.error();
  const auto records = journal_.rollouts((*steer)->name.text(), *limit);
  if (!records) return records.error();
  return boost::json::value(history_status(*records, wall_now()));
}

Reply Director::Implementation::rolling_history(const Request& request) {
  const auto pool = pool_of_history(model_, request);
  if (!pool) return pool.error();
  const auto limit = history_limit(request);
  if (!limit) return limit.error();
  const auto records = journal_.rollings(*pool, *limit);
  if (!records) return records.error();
  return boost::json::value(rolling_history_status(*records, wall_now()));
}

// Lays out what has to be laid out anew, before it is published.
void Director::Implementation::settle() {
  auto changes = settle_layouts(model_, wall_now()).changes;
  std::ranges::move(new_ttls(model_), std::back_inserter(changes));
  adopt(changes);
}

// What follows from the config holds even when it cannot be written yet.
void Director::Implementation::adopt(const std::vector<store::Change>& changes) {
  if (changes.empty()) return;
  if (const auto stored = journal_.insist(changes, {}); !stored)
    logger().warn("what follows from the config could not be stored yet: {}", stored.error().message);
  for (const auto& change : changes) model_.apply(change);
}

void Director::Implementation::follow_publication() {
  adopt(past_ttls(model_, wall_now()));
  planned_ttls_.look();
  notify();
  rollouts_.run();
}

// Not before the first round is over: the safety rules ask who else is well, and who is forbidden a word then
// would have lost it for good.
void Director::Implementation::expire() {
  if (publisher_.has_published()) say_due_words();
}

void Director::Implementation::say_due_words() {
  const auto decision = due_words(model_, wall_now(), started_);
  if (decision.changes.empty()) return arm_expiry();
  // It holds all the same; after a crash the next start finds that it is due again.
  if (const auto stored = journal_.insist(decision.changes, decision.events); !stored)
    logger().warn("an endpoint's word that was due could not be stored yet: {}", stored.error().message);
  put_in_force(decision);
}

void Director::Implementation::arm_expiry() {
  const auto next = model_.next_expiry();
  if (!next || stopped_) return;
  expiry_alarm_.set_at(*next);
}

// --- health ---

void Director::Implementation::restore_health(const store::Saved& saved) {
  const Time now = wall_now();
  // Of the future: by a clock that has been set back since. Then it is as old as can be.
  const Duration ahead = std::max(saved.health_until - now, Duration{});
  if (ahead > health_ahead_max || now - saved.health_until > health_age_max)
    return journal_.keep(store::HealthForgotten{});
  bool all_known = true;
  for (auto seen : saved.health) {
    seen.state = health::shifted(std::move(seen.state), -clock_shift() - ahead);
    all_known = model_.restore_health(seen, deciding_now()) && all_known;
  }
  if (!all_known) keep_only_watched();
}

// What is known of others would be of any age when they come back.
void Director::Implementation::keep_only_watched() {
  journal_.keep(store::HealthForgotten{});
  keep_health();
}

void Director::Implementation::keep_health() {
  for (const auto& [key, watched] : model_.health())
    if (watched.state.verdict != health::Verdict::unknown)
      journal_.keep(store::HealthSeen{key.destination, key.port, key.host, key.check,
                                      health::shifted(watched.state, clock_shift())});
  journal_.keep(store::HealthSeenUntil{wall_now()});
}

void Director::Implementation::beat() {
  if (!model_.health().empty()) journal_.keep(store::HealthSeenUntil{wall_now()});
  heartbeat_alarm_.set_after(heartbeat_interval);
}

// Not so: a result that was under way while the config changed.
bool Director::Implementation::is_watched(const probe::Target& target) const {
  const auto* check = model_.config().find_check(target.check.name);
  return check != nullptr && is_probe_of(target, *check);
}

void Director::Implementation::take_probe(const probe::Target& target, const health::ProbeResult& result) {
  if (stopped_) return;
  const auto key = health_key(target);
  if (reloads_.take_probe(target, result)) return await_no_more(key);
  if (!is_watched(target)) return;
  apply_probe(key, result);
  rollings_.take_probe(key, result.success);
}

void Director::Implementation::apply_probe(const HealthKey& key, const health::ProbeResult& result) {
  const auto seen = model_.apply_probe(key, result, deciding_now());
  if (const auto watched = model_.health().find(key); watched != model_.health().end())
    rollouts_.take_probe(watched->second.pools, result);
  take_seen(seen);
  if (seen.changed) note_verdict(key, seen.why);
  await_no_more(key);
}

// The first round is over with the last target that it waited for.
void Director::Implementation::await_no_more(const HealthKey& key) {
  awaited_.erase(key);
  if (awaited_.empty()) first_publication();
  reloads_.await_no_more(key);
}

void Director::Implementation::take_trouble(const probe::Target& target, const std::string& reason) {
  if (stopped_) return;
  take_seen(model_.apply_trouble(health_key(target), reason, deciding_now()));
  await_no_more(health_key(target));
}

void Director::Implementation::ask(const std::vector<HealthKey>& keys) {
  for (const auto& key : keys) {
    const auto target = model_.target(key);
    outlets_.probe_now(target, [self = shared_from_this(), target](Result<health::ProbeResult> result) {
      self->on_control_thread([target, result = std::move(result)](Implementation& director) {
        director.take_asked(target, result);
      });
    });
  }
}

void Director::Implementation::take_asked(const probe::Target& target,
                                          const Result<health::ProbeResult>& result) {
  if (stopped_) return;
  const Result<health::ProbeResult> lost = Error{ErrorCode::refused, "it was of a check that has changed"};
  take_seen(model_.apply_asked(health_key(target), is_watched(target) ? result : lost, deciding_now()));
}

void Director::Implementation::await_question() {
  const auto end = model_.next_question_end();
  if (!end || stopped_ || question_end_ == end) return;
  question_end_ = end;
  question_alarm_.set_after(*end - deciding_now());
}

void Director::Implementation::end_questions() {
  question_end_.reset();
  for (const auto side : sides) take_seen(model_.end_question(side, deciding_now()));
  await_question();
}

void Director::Implementation::take_seen(const Model::Seen& seen) {
  using health::Turn;
  const auto why_ended = [&](const char* why) {
    return seen.idle ? "nothing is probed any more that could tell" : why;
  };
  if (seen.suspicion == Turn::began)
    journal_.note(
        store::who_health, "checker.suspected", "checker",
        "targets that were well are silent at once, and nobody in other pools answers, or can be probed: the "
        "checker itself is the suspect, most likely its network; their verdicts are held until one of them "
        "answers");
  for (const auto& [key, why] : seen.fallen) note_verdict(key, why);
  for (const auto& key : seen.taken_back) note_taken_back(key);
  if (seen.suspicion == Turn::ended)
    journal_.note(store::who_health, "checker.trusted", "checker",
                  why_ended("a target has answered: verdicts change again"));
  if (seen.trouble == Turn::began)
    journal_.note(store::who_health, "checker.trouble", "checker",
                  model_.trouble().reason() + "; its last verdict stands");
  if (seen.trouble == Turn::ended)
    journal_.note(store::who_health, "checker.well", "checker", why_ended("all probes can be run again"));
  if (seen.lateness == Turn::began)
    journal_.note(
        store::who_health, "checker.late", "checker",
        fmt::format("probes begin later than a whole interval after they were due, up to {}: too many "
                    "of the {} connections and {} programs that checks may have open at once wait "
                    "for their end",
                    to_text(model_.lateness().greatest(deciding_now())), probe::probes_open_max,
                    probe::programs_open_max));
  if (seen.lateness == Turn::ended)
    journal_.note(store::who_health, "checker.in_time", "checker",
                  why_ended("probes have been in time again for a minute"));
  publish_soon(seen.to_publish);
  ask(seen.to_ask);
  await_question();
  arm_warming();
}

void Director::Implementation::note_verdict(const HealthKey& key, const std::string& why) {
  const auto state = health::shifted(model_.health().at(key).state, clock_shift());
  auto how = fmt::format("by check {} ({}): {}", key.check, why, state.last.detail);
  if (state.held_until > state.last_at)
    how += fmt::format("; it falls often, and stays down until {} at least", to_text(state.held_until));
  note_endpoint(key, how);
}

void Director::Implementation::note_taken_back(const HealthKey& key) {
  note_endpoint(
      key, fmt::format("again by check {}: what took it down is suspected to be the checker's own failure",
                       key.check));
}

// Its verdict, and how it came to it.
void Director::Implementation::note_endpoint(const HealthKey& key, const std::string& how) {
  const auto& watched = model_.health().at(key);
  const auto state = health::shifted(watched.state, clock_shift());
  const auto kind = fmt::format("endpoint.{}", health::to_text(state.verdict));
  for (auto& [subject, text] : health_sentences(key, watched, how))
    journal_.note(store::who_health, kind, std::move(subject), std::move(text), change_of_health(watched));
  journal_.keep(store::HealthSeen{key.destination, key.port, key.host, key.check, state});
}

// What comes in one turn of the executor, or soon after a publication, is published together: a view holds
// all endpoints of its pool, and thousands of them may change in a second.
void Director::Implementation::publish_soon(const std::vector<HealthKey>& keys) {
  const bool is_due = !changed_pools_.empty();
  for (const auto& key : keys) {
    const auto& pools = model_.health().at(key).pools;
    changed_pools_.insert(pools.begin(), pools.end());
  }
  if (is_due || changed_pools_.empty()) return;
  publish_alarm_.set_at(pools_published_ + publish_interval);
}

void Director::Implementation::publish_changed_pools() {
  if (changed_pools_.empty()) return;
  for (const auto* pool : std::exchange(changed_pools_, {})) publisher_.publish_pool(*pool);
  pools_published_ = std::chrono::steady_clock::now();
  rollouts_.run();
}

void Director::Implementation::arm_warming() {
  const auto next = model_.next_share();
  if (!next || stopped_ || warm_time_ == next) return;
  warm_time_ = next;
  warm_alarm_.set_after(*next - deciding_now());
}

void Director::Implementation::warm() {
  warm_time_.reset();
  publish_soon(model_.warmed(deciding_now()));
  arm_warming();
}

// --- reports ---

// Goes the way of a probe's result.
Reply Director::Implementation::take_report(const Request& request) {
  const auto report = read_report(model_, request);
  if (!report) return report.error();
  const auto& [endpoint, check] = report->reporter;
  if (!request.dry_run) {
    reports_.reported(report->reporter, Reports::Clock::now());
    take_probe(report->target, report->result);
    publish_changed_pools();  // before it is acknowledged
  }
  return boost::json::value{
      {"check", check},
      {"address", to_text(endpoint)},
      {"changed", !request.dry_run},
      {"dry_run", request.dry_run},
      {"text", fmt::format("{}, check {}: {}", to_text(endpoint), check, report->result.detail)}};
}

void Director::Implementation::await_reports() {
  const auto next = reports_.next();
  if (!next || stopped_) return;
  report_alarm_.set_at(*next);
}

void Director::Implementation::miss_reports() {
  for (const auto& [target, result] : reports_.missing(Reports::Clock::now())) take_probe(target, result);
  await_reports();
}

// --- publishing ---

void Director::Implementation::set_policy() {
  publisher_.set_policy(policy_maker_.make(model_.config(), cookie_secrets_));
}

void Director::Implementation::rotate_cookie_secret() {
  policy_maker_.rotate();
  set_policy();
  publisher_.publish_policy();
  arm_rotation();
}

void Director::Implementation::arm_rotation() { rotation_alarm_.set_after(cookie_rotation); }

void Director::Implementation::start_probing() {
  auto targets = targets_of(model_.config());
  awaited_.clear();
  for (const auto& target : targets) {
    const auto key = health_key(target);
    // What the store has kept is a verdict, too: only who has none is waited for.
    if (model_.health().at(key).state.verdict == health::Verdict::unknown) awaited_.insert(key);
  }
  outlets_.set_targets(std::move(targets));
  reports_.set_config(model_.config(), Reports::Clock::now());
  await_reports();
}

void Director::Implementation::first_publication() {
  if (publisher_.has_published()) return;
  first_round_alarm_.clear();
  say_due_words();
  publisher_.publish_everything();
  outlets_.ready();
  follow_publication();
  rollings_.run();
}

void Director::Implementation::notify() {
  notifier_.announce(model_.config(), publisher_.zones(), keyring(model_.config()));
}

void Director::Implementation::tell(probe::WebRequest request, Courier::Done done) {
  outlets_.tell(std::move(request), [self = shared_from_this(), done](Result<probe::WebReply> reply) {
    self->on_control_thread([done, reply = std::move(reply)](Implementation&) { done(reply); });
  });
}

void Director::Implementation::publish_effects(const std::vector<store::Change>& changes) {
  std::set<wire::Name> names;
  std::set<wire::Destination> endpoints;
  auto name_of = [](const std::string& text) { return wire::Name::parse(text).value(); };
  for (const auto& change : changes) {
    if (const auto* set = std::get_if<store::WeightOverride>(&change)) names.insert(name_of(set->steer));
    if (const auto* reset = std::get_if<store::WeightReset>(&change)) names.insert(name_of(reset->steer));
    if (const auto* route = std::get_if<store::RouteOverride>(&change)) names.insert(name_of(route->steer));
    if (const auto* reset = std::get_if<store::RouteReset>(&change)) names.insert(name_of(reset->steer));
    if (const auto* rollout = std::get_if<store::RolloutRecord>(&change))
      names.insert(name_of(rollout->steer));
    if (const auto* word = std::get_if<store::EndpointWord>(&change)) endpoints.insert(word->destination);
    if (const auto* taken = std::get_if<store::EndpointWordTaken>(&change))
      endpoints.insert(taken->destination);
  }
  for (const auto& name : names)
    if (const auto* steer = model_.config().find_steer(name)) publisher_.publish_steer(*steer);
  std::set<const config::Pool*> pools;  // each once, however many of its endpoints are concerned
  for (const auto& endpoint : endpoints) {
    const auto with = model_.config().pools_with(endpoint);
    pools.insert(with.begin(), with.end());
  }
  for (const auto* pool : pools) publisher_.publish_pool(*pool);
}

// --- reading ---

void Director::Implementation::list_events(const Request& request, ReplyHandler handler) {
  // Ids are signed in the store; no event has one beyond that.
  const auto after = std::min<std::uint64_t>(number_argument(request, "after").value_or(0),
                                             std::numeric_limits<std::int64_t>::max());
  const auto limit = std::min<std::uint64_t>(number_argument(request, "limit").value_or(events_by_default),
                                             store::events_max);
  const auto wait = std::min(duration_argument(request, "wait").value_or(0ms), wait_max);
  journal_.list(static_cast<std::int64_t>(after), limit, wait, std::move(handler));
}

Reply Director::Implementation::take_over(Reloader::Prepared prepared, const Request& request) {
  auto& result = prepared.result;
  if (!result.loaded) {
    auto text = to_text(std::move(result.errors));
    text.pop_back();
    if (!request.dry_run) {
      warnings_ = {
          fmt::format("the last reload was refused at {}; what was loaded before goes on being served",
                      to_text(wall_now()))};
      journal_.note(request.who, "config.refused", model_.config().file, "the config was refused:\n" + text);
    }
    return Error{ErrorCode::refused, std::move(text)};
  }
  std::string text = fmt::format("loaded: {} zone(s), {} steered name(s)",
                                 result.loaded->zones.zones().size(), result.loaded->config.steers.size());
  const auto restart = needs_restart(at_start_, result.loaded->config);
  if (!restart.empty()) text += fmt::format("; a change of {} needs a restart", fmt::join(restart, ", "));
  if (!request.dry_run) {
    if (result.loaded->certificate) outlets_.certificate.publish(std::move(result.loaded->certificate));
    changed_pools_.clear();
    const auto seen = model_.replace_config(std::move(result.loaded->config), deciding_now());
    publisher_.replace_zones(std::move(result.loaded->zones));
    cookie_secrets_ = std::move(result.loaded->cookie_secrets);
    set_policy();
    warnings_.clear();
    if (!restart.empty()) warnings_ = {text};
    journal_.note(request.who, "config.loaded", model_.config().file, text);
    courier_.set_receivers(model_.config().receivers);
    if (seen.left) keep_only_watched();
    take_seen(seen);
    settle();
    start_probing();
    // No rolling goes on by them yet: it would publish what is not there before the publication below.
    for (const auto& [target, first] : prepared.first_results) apply_probe(health_key(target), first);
    await_question();  // it may have lost whom it asked
    if (publisher_.has_published()) {
      publisher_.publish_everything();
      follow_publication();
    }
  }
  return boost::json::value{{"changed", true}, {"dry_run", request.dry_run}, {"text", text}};
}

// --- status ---

// Between two steps of the wall clock always the same, so that what is shown does not tremble with how the
// two clocks are read.
Duration Director::Implementation::clock_shift() {
  const auto shift = wall_now() - deciding_now();
  if (std::chrono::abs(shift - clock_shift_) >= clock_step_least) clock_shift_ = shift;
  return clock_shift_;
}

Surroundings Director::Implementation::surroundings() {
  Surroundings around;
  around.started = started_;
  around.now = wall_now();
  around.clock_shift = clock_shift();
  around.listen = outlets_.listen;
  around.warnings = warnings_;
  if (!journal_.trouble().empty())
    around.warnings.push_back("the state cannot be stored: " + journal_.trouble());
  around.receivers = courier_.states();
  around.zones = &publisher_.zones();
  around.answers = [this](const wire::Name& name, const std::string& pool) {
    return publisher_.answers().answers(name, pool);
  };
  around.answers_since_change = [this](const wire::Name& name, const std::string& pool) {
    return publisher_.answers().answers_since_change(name, pool);
  };
  around.answers_by_class = [this](const wire::Name& name, const std::string& client_class) {
    return publisher_.answers().answers_by_class(name, client_class);
  };
  around.leased_out = [this](const wire::Destination& endpoint) { return leased_out(endpoint); };
  return around;
}

Reply Director::Implementation::explain_reply(const Request& request) {
  if (!publisher_.has_published())
    return Error{ErrorCode::unavailable, "nothing is answered yet: the first round of checks is not over"};
  auto explained = explain(model_, surroundings(), {publisher_.block(), publisher_.sticky_key()}, request);
  if (!explained) return explained.error();
  return boost::json::value(*std::move(explained));
}

Reply Director::Implementation::status_reply(const Request& request) {
  const auto* text = request.arguments.if_contains("name");
  if (text == nullptr) return boost::json::value(status(model_, surroundings(), nullptr));
  const auto steer = find_shown(model_, request);
  if (!steer) return steer.error();
  return boost::json::value(status(model_, surroundings(), &(*steer)->name));
}

boost::json::object Director::Implementation::version_reply() const {
  return {{"version", SLUICE_VERSION},
          {"config", std::filesystem::absolute(model_.config().file).string()},
          {"pid", getpid()}};
}

// --- the outside ---

Director::Director(asio::any_io_executor executor, Loaded loaded, store::Store store,
                   const store::Saved& saved, Outlets outlets)
    : implementation_(std::make_shared<Implementation>(std::move(executor), std::move(loaded),
                                                       std::move(store), saved, std::move(outlets))) {}

Director::~Director() = default;

void Director::start() {
  implementation_->on_control_thread([](Implementation& director) { director.start(); });
}

void Director::stop() {
  implementation_->on_control_thread([](Implementation& director) { director.stop(); });
}

void Director::submit(Request request, ReplyHandler handler) {
  implementation_->on_control_thread(
      [request = std::move(request), handler = std::move(handler)](Implementation& director) mutable {
        director.execute(request, std::move(handler));
      });
}

void Director::take_probes(std::vector<Probed> probes) {
  implementation_->on_control_thread([probes = std::move(probes)](Implementation& director) {
    for (const auto& [target, result] : probes)
      result ? director.take_probe(target, *result) : director.take_trouble(target, result.error().message);
  });
}

}  // namespace sluice::control
