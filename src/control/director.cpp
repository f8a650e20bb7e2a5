#include "control/director.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <deque>
#include <filesystem>
#include <limits>
#include <list>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/system_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/chance.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "control/analyses.hpp"
#include "control/arguments.hpp"
#include "control/check_run.hpp"
#include "control/explain.hpp"
#include "control/journal.hpp"
#include "control/model.hpp"
#include "control/notifier.hpp"
#include "control/policy.hpp"
#include "control/publisher.hpp"
#include "control/reports.hpp"
#include "control/rollings.hpp"
#include "control/rollouts.hpp"
#include "control/status.hpp"
#include "control/words.hpp"
#include "probe/cadence.hpp"

namespace sluice::control {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

// A first probe has its timeout, and the prober this much to say so.
constexpr Duration first_round_grace = 100ms;

// Plain records and other names do not wait longer for a server that hangs: its address then counts as down.
constexpr Duration first_round_max = 5s;

// Health that was seen longer ago than this says nothing any more.
constexpr Duration health_age_max = 10min;

// By less the wall clock is slewed, or read at another moment; it is not set.
constexpr Duration clock_step_least = 1s;

// Of what probes bring, the least time from one publication to the next.
constexpr Duration publish_interval = 20ms;

// How often it is written that we were there to see it.
constexpr Duration heartbeat_interval = 10s;

// More would read the same files.
constexpr std::size_t reloads_max = 4;

// Of `check run` at once; and what each may take beside the timeouts of its probes, which wait for a place
// while many others are open.
constexpr std::size_t check_runs_max = 16;
constexpr Duration check_run_grace = 10s;

// Transitions of rollings in one go; what is left follows after a moment.
constexpr int rolling_turns_max = 64;

constexpr std::size_t events_by_default = 50;
constexpr std::size_t history_by_default = 20;
constexpr Duration wait_max = 60s;

std::vector<probe::Target> targets_of(const config::Config& config) {
  std::vector<probe::Target> targets;
  std::set<HealthKey> seen;
  for (const auto& pool : config.pools) {
    if (!pool.check) continue;
    const auto& check = *config.find_check(*pool.check);
    if (check.type == config::CheckType::push) continue;  // it reports by itself
    for (const auto& endpoint : pool.endpoints) {
      auto target = probe::target_of(endpoint, check);
      if (seen.insert(health_key(target)).second) targets.push_back(std::move(target));
    }
  }
  return targets;
}

// Whether the target is one of this check's, as the check is now; port and Host field may be an endpoint's
// own.
bool is_probe_of(const probe::Target& target, const config::Check& check) {
  auto probed = target.check;
  probed.port = check.port;
  probed.host = check.host;
  return probed == check;
}

Error stopping_error() { return {ErrorCode::unavailable, "the daemon is stopping"}; }

std::uint64_t draw_chance() {
  std::array<std::uint8_t, sizeof(std::uint64_t)> octets{};
  if (!fill_with_chance(octets)) return 0;  // an order like any other
  return std::bit_cast<std::uint64_t>(octets);
}

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

// A zone that is loaded must not take the CPU from queries; but on a machine that they keep busy, a reload
// has to come to an end all the same: a tenth of a core is left to it.
void yield_to_others() {
  constexpr int niceness = 10;
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()),
              niceness);  // of this thread alone (setpriority(2), notes)
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
        notifier_(executor_, journal_),
        measurements_([this](const wire::Name& name, const std::string& pool) {
          return publisher_.answers(name, pool);
        }),
        rollout_timer_(executor_),
        analysis_timer_(executor_),
        rolling_timer_(executor_),
        first_round_timer_(executor_),
        new_targets_timer_(executor_),
        heartbeat_timer_(executor_),
        question_timer_(executor_),
        warm_timer_(executor_),
        publish_timer_(executor_),
        expiry_timer_(executor_),
        report_timer_(executor_),
        cookie_secrets_(std::move(loaded.cookie_secrets)),
        rotation_timer_(executor_) {
    for (const auto& set : saved.weights) model_.apply(set);
    for (const auto& laid : saved.layouts) model_.apply(laid);
    for (const auto& word : saved.words) model_.apply(word);
    restore_health(saved);
    for (const auto& word : saved.scheduled) model_.apply(word);
    for (const auto& rollout : saved.rollouts) model_.apply(rollout);
    for (const auto& rolling : saved.rollings) model_.apply(rolling);
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
  struct Reload {
    Request request;
    ReplyHandler handler;
  };
  // What the first of reloads_ has loaded, until its new targets have had their first round: what is served
  // in the meantime knows nothing of them.
  struct Preparing {
    LoadResult result;
    std::set<HealthKey> awaited;
    std::vector<std::pair<probe::Target, health::ProbeResult>> first_results;
  };
  // Until its handler has been called.
  struct Running {
    CheckRun run;
    ReplyHandler handler;
    asio::steady_timer deadline;
  };

  // What decides about health goes by its own clock, operators' words by the wall's.
  Time deciding_now() const { return outlets_.deciding_now(); }

  // deciding and acting
  Reply execute_change(const Request& request, Result<Decision> decision);
  Result<void> carry_out(const Decision& decision);
  void put_in_force(const Decision& decision);
  void settle();
  void expire();
  void arm_expiry();

  void run_rollouts();
  Result<Decision> tell_rollout(const Request& request, rollout::Word word, Time now);
  Reply rollouts_reply(const Request& request);
  void arm_rollouts();
  Reply rollout_history(const Request& request);

  RollingSight rolling_sight() { return {proofs_, hooks_}; }
  void run_rollings();
  void arm_rollings();
  void run_hook(const HookRun& run);
  void end_hook(const HookRun& run, const Result<probe::ProgramEnd>& end);
  Reply tell_rolling(const Request& request, rolling::Word word, Time now);
  Reply rollings_reply(const Request& request);
  void run_analyses();
  void take_finding(const DueAnalysis& due, rollout::Finding finding);
  void arm_analyses();

  Reply take_report(const Request& request);
  void await_reports();
  void miss_reports();

  void set_policy();
  void rotate_cookie_secret();
  void arm_rotation();
  void publish_effects(const std::vector<store::Change>& changes);
  void start_probing();
  void await_first_round();
  Duration first_round_limit(const std::vector<probe::Target>& targets) const;
  void first_publication();
  void restore_health(const store::Saved& saved);
  void keep_health();
  void beat();
  bool is_watched(const probe::Target& target) const;
  void apply_probe(const HealthKey& key, const health::ProbeResult& result);
  void take_seen(const Model::Seen& seen);
  void ask(const std::vector<HealthKey>& keys);
  void await_question();
  void note_verdict(const HealthKey& key, const std::string& why);
  void note_taken_back(const HealthKey& key);
  void note_endpoint(const HealthKey& key, const std::string& how);
  void await_no_more(const HealthKey& key);
  void publish_soon(const std::vector<HealthKey>& keys);
  void publish_changed_pools();
  void arm_warming();
  void notify();

  // reading
  void list_events(const Request& request, ReplyHandler handler);
  void reload(const Request& request, ReplyHandler handler);
  void load_next();
  void refuse_reloads();
  void prepare(LoadResult result);
  void await_new_targets();
  void finish_reload();
  Reply take_over(Preparing preparing, const Request& request);
  void run_checks(const Request& request, ReplyHandler handler);
  void take_check_result(Running& running, std::size_t probe, Result<health::ProbeResult> result);
  void finish_check_run(Running& running);
  void refuse_check_runs();
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
  Notifier notifier_;
  const Time started_ = wall_now();
  Duration clock_shift_{};  // the wall clock's, against deciding_now()

  Measurements measurements_;
  asio::system_timer rollout_timer_;  // of the next one that is due
  Analyses analyses_;
  asio::system_timer analysis_timer_;  // of the next one that is due

  Proofs proofs_;
  Hooks hooks_;                // that run
  bool rollings_run_ = false;  // carry_out() is called by it, and calls it
  asio::system_timer rolling_timer_;

  std::set<HealthKey> awaited_;  // targets without a verdict, and without trouble that keeps it away
  asio::steady_timer first_round_timer_;
  asio::steady_timer new_targets_timer_;  // of the first round of what a reload brings
  asio::steady_timer heartbeat_timer_;
  asio::steady_timer
      question_timer_;  // of the end of what is asked before a target falls, or until one answers
  std::optional<Time> question_timer_end_;
  asio::steady_timer warm_timer_;  // of the next step of a slow start
  std::optional<Time> warm_timer_end_;
  std::set<const config::Pool*> changed_pools_;  // to be published
  asio::steady_timer publish_timer_;
  std::chrono::steady_clock::time_point pools_published_{};
  asio::system_timer expiry_timer_;  // of the next operator's word that ends
  Reports reports_;
  asio::steady_timer report_timer_;  // of the next report that may be missing
  std::list<std::shared_ptr<Running>> check_runs_;
  PolicyMaker policy_maker_;
  std::vector<answer::CookieSecret> cookie_secrets_;  // the config's
  asio::steady_timer rotation_timer_;
  std::vector<std::string> warnings_;  // the last reload's
  std::deque<Reload> reloads_;         // the first one is under way
  std::optional<Preparing> preparing_;
  bool stopped_ = false;
  asio::thread_pool loader_{1};  // zones take their time; the control thread goes on meanwhile
};

// --- deciding and acting ---

void Director::Implementation::start() {
  journal_.note("sluiced", "daemon.start", "sluiced",
                fmt::format("sluiced {} started with {}", SLUICE_VERSION, model_.config().file));
  settle();
  expire();
  set_policy();
  arm_rotation();
  start_probing();
  beat();
  if (awaited_.empty()) return first_publication();
  await_first_round();
}

// No answer depends on a target before its probe has had its time, as long as that is bearable.
Duration Director::Implementation::first_round_limit(const std::vector<probe::Target>& targets) const {
  const auto whole = probe::first_round_time(targets) + first_round_grace;
  const auto limit = std::min(whole, first_round_max);
  if (whole > limit)
    logger().info(
        "the first round of checks, of {} endpoints, may take {}; answers wait for {} of it, then who has no "
        "result counts as down",
        targets.size(), to_text(whole), to_text(limit));
  return limit;
}

void Director::Implementation::await_first_round() {
  auto targets = targets_of(model_.config());
  std::erase_if(targets, [this](const auto& target) { return !awaited_.contains(health_key(target)); });
  const auto time = first_round_limit(targets);
  if (outlets_.waits) outlets_.waits(time);
  first_round_timer_.expires_after(time);
  first_round_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->first_publication();
  });
}

void Director::Implementation::stop() {
  if (std::exchange(stopped_, true)) return;
  keep_health();
  journal_.note("sluiced", "daemon.stop", "sluiced", "sluiced stopped");
  journal_.stop();
  publisher_.stop();
  notifier_.stop();
  first_round_timer_.cancel();
  new_targets_timer_.cancel();
  heartbeat_timer_.cancel();
  question_timer_.cancel();
  warm_timer_.cancel();
  publish_timer_.cancel();
  expiry_timer_.cancel();
  rollout_timer_.cancel();
  rolling_timer_.cancel();
  analysis_timer_.cancel();
  report_timer_.cancel();
  refuse_check_runs();
  if (std::exchange(preparing_, std::nullopt)) refuse_reloads();  // nothing is being loaded that would do so
  rotation_timer_.cancel();
  loader_.join();
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
      return run_checks(request, std::move(handler));
    case CommandId::check_report:
      return handler(take_report(request));
    case CommandId::canary_start:
      return handler(execute_change(request, start_rollout(model_, request, rollout::Strategy::canary, now)));
    case CommandId::bluegreen_switch:
      return handler(
          execute_change(request, start_rollout(model_, request, rollout::Strategy::bluegreen, now)));
    case CommandId::rollout_pause:
      return handler(execute_change(request, tell_rollout(request, rollout::Word::pause, now)));
    case CommandId::rollout_resume:
      return handler(execute_change(request, tell_rollout(request, rollout::Word::resume, now)));
    case CommandId::rollout_promote:
      return handler(execute_change(request, tell_rollout(request, rollout::Word::promote, now)));
    case CommandId::rollout_abort:
      return handler(execute_change(request, tell_rollout(request, rollout::Word::abort, now)));
    case CommandId::rollout_undo:
      return handler(execute_change(request, tell_rollout(request, rollout::Word::undo, now)));
    case CommandId::rollout_status:
      return handler(rollouts_reply(request));
    case CommandId::rollout_history:
      return handler(rollout_history(request));
    case CommandId::rolling_start:
      return handler(
          execute_change(request, start_rolling(model_, request, rolling_sight(), draw_chance(), now)));
    case CommandId::rolling_pause:
      return handler(tell_rolling(request, rolling::Word::pause, now));
    case CommandId::rolling_resume:
      return handler(tell_rolling(request, rolling::Word::resume, now));
    case CommandId::rolling_abort:
      return handler(tell_rolling(request, rolling::Word::abort, now));
    case CommandId::rolling_status:
      return handler(rollings_reply(request));
    case CommandId::events:
      return list_events(request, std::move(handler));
    case CommandId::reload:
      return reload(request, std::move(handler));
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
  // Counted from now, after the publication: a moment ago the old answer may have gone out.
  if (decision->cached_for) reply["cached_until"] = to_text(wall_now() + *decision->cached_for);
  return boost::json::value(std::move(reply));
}

// Persisted, then applied, then published: a crash in between is made good by reading the store.
Result<void> Director::Implementation::carry_out(const Decision& decision) {
  if (decision.changes.empty()) return {};
  if (const auto stored = journal_.commit(decision.changes, decision.events); !stored) return stored;
  put_in_force(decision);
  return {};
}

void Director::Implementation::put_in_force(const Decision& decision) {
  for (const auto& change : decision.changes) model_.apply(change);
  if (decision.in_answers) publish_effects(decision.changes);
  journal_.announce(decision.events);
  arm_expiry();
  arm_rollouts();
  for (const auto& hook : decision.hooks) run_hook(hook);
  run_rollings();
}

// --- rollouts ---

// What is due now; and what that has brought about by now.
void Director::Implementation::run_rollouts() {
  if (stopped_ || !publisher_.has_published() || model_.running_rollouts().empty()) return;
  const auto decision = due_rollouts(model_, measurements_, wall_now());
  if (const auto done = carry_out(decision); !done)
    logger().warn("a step of a rollout that was due could not be stored, and is put off: {}",
                  done.error().message);
  arm_rollouts();
}

void Director::Implementation::arm_rollouts() {
  arm_analyses();
  const auto next = next_rollout(model_, wall_now());
  if (!next || stopped_) return;
  rollout_timer_.expires_at(*next);
  rollout_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->run_rollouts();
  });
}

void Director::Implementation::run_analyses() {
  if (stopped_ || !publisher_.has_published()) return;
  for (const auto& due : analyses_.begin_due(model_, wall_now())) {
    if (due.finding) {
      take_finding(due, *due.finding);
      continue;
    }
    outlets_.measure(due.question, [self = shared_from_this(), due](rollout::Finding finding) {
      self->on_control_thread([due, finding = std::move(finding)](Implementation& director) mutable {
        director.take_finding(due, std::move(finding));
      });
    });
  }
  arm_analyses();
}

void Director::Implementation::take_finding(const DueAnalysis& due, rollout::Finding finding) {
  if (stopped_) return;
  analyses_.end(due);
  const auto decision = control::take_finding(model_, due, std::move(finding), measurements_, wall_now());
  if (const auto done = carry_out(decision); !done)
    logger().warn("the result of an analysis could not be stored, and does not count: {}",
                  done.error().message);
  arm_analyses();
}

void Director::Implementation::arm_analyses() {
  analyses_.watch(model_);
  const auto next = analyses_.next(model_);
  if (!next || stopped_) return;
  analysis_timer_.expires_at(*next);
  analysis_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->run_analyses();
  });
}

Result<Decision> Director::Implementation::tell_rollout(const Request& request, rollout::Word word,
                                                        Time now) {
  return say_to_rollout(model_, request, word, measurements_, now);
}

Reply Director::Implementation::rollouts_reply(const Request& request) {
  auto status = rollouts_status(model_, request, measurements_, wall_now());
  if (!status) return status.error();
  return boost::json::value(*std::move(status));
}

Reply Director::Implementation::rollout_history(const Request& request) {
  const auto steer = find_steer(model_, request);
  if (!steer) return steer.error();
  const auto limit = std::min<std::uint64_t>(number_argument(request, "limit").value_or(history_by_default),
                                             store::rollouts_max);
  const auto records = journal_.rollouts((*steer)->name.text(), limit);
  if (!records) return records.error();
  return boost::json::value(history_status(*records, wall_now()));
}

// --- rollings ---

// Each transition is carried out before the next one is decided.
void Director::Implementation::run_rollings() {
  if (stopped_ || !publisher_.has_published() || model_.running_rollings().empty() || rollings_run_) return;
  rollings_run_ = true;
  for (int turn = 0; turn < rolling_turns_max; ++turn) {
    const auto decision = due_rollings(model_, rolling_sight(), wall_now());
    if (decision.changes.empty()) break;
    if (const auto done = carry_out(decision); done) continue;
    logger().warn("a step of a rolling that was due could not be stored, and is put off");
    break;
  }
  rollings_run_ = false;
  arm_rollings();
}

void Director::Implementation::arm_rollings() {
  const auto next = next_rolling(model_, wall_now());
  if (!next || stopped_) return;
  rolling_timer_.expires_at(*next);
  rolling_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->run_rollings();
  });
}

void Director::Implementation::run_hook(const HookRun& run) {
  hooks_.insert(key_of(run));
  outlets_.run_program(run.program, [self = shared_from_this(), run](Result<probe::ProgramEnd> end) {
    self->on_control_thread([run, end = std::move(end)](Implementation& director) {
      if (!director.stopped_) director.end_hook(run, end);
    });
  });
}

// When its end cannot be stored it is as good as not seen, and the hook is run again when that can be.
void Director::Implementation::end_hook(const HookRun& run, const Result<probe::ProgramEnd>& end) {
  hooks_.erase(key_of(run));
  if (const auto done = carry_out(take_hook_end(model_, run, end, wall_now())); !done)
    logger().warn("the end of a hook could not be stored: {}", done.error().message);
}

Reply Director::Implementation::tell_rolling(const Request& request, rolling::Word word, Time now) {
  return execute_change(request, say_to_rolling(model_, request, word, rolling_sight(), now));
}

Reply Director::Implementation::rollings_reply(const Request& request) {
  auto status = rollings_status(model_, request, rolling_sight(), wall_now());
  if (!status) return status.error();
  return boost::json::value(*std::move(status));
}

// Lays out what has to be laid out anew. The layouts hold even when they cannot be written yet.
void Director::Implementation::settle() {
  const auto decision = settle_layouts(model_);
  if (decision.changes.empty()) return;
  if (const auto stored = journal_.insist(decision.changes, {}); !stored)
    logger().warn("the layout of slots could not be stored: {}", stored.error().message);
  for (const auto& change : decision.changes) model_.apply(change);
}

void Director::Implementation::expire() {
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
  expiry_timer_.expires_at(*next);
  expiry_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->expire();
  });
}

// --- health ---

void Director::Implementation::restore_health(const store::Saved& saved) {
  const Time now = wall_now();
  // Of the future: by a clock that has been set back since.
  if (saved.health_until > now || now - saved.health_until > health_age_max)
    return journal_.keep(store::HealthForgotten{});
  bool all_known = true;
  for (auto seen : saved.health) {
    seen.state = health::shifted(std::move(seen.state), -clock_shift());
    all_known = model_.restore_health(seen, deciding_now()) && all_known;
  }
  if (all_known) return;
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
  heartbeat_timer_.expires_after(heartbeat_interval);
  heartbeat_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->beat();
  });
}

// Not so: a result that was under way while the config changed.
bool Director::Implementation::is_watched(const probe::Target& target) const {
  const auto* check = model_.config().find_check(target.check.name);
  return check != nullptr && is_probe_of(target, *check);
}

void Director::Implementation::take_probe(const probe::Target& target, const health::ProbeResult& result) {
  if (stopped_) return;
  const auto key = health_key(target);
  if (preparing_ && preparing_->awaited.contains(key)) {
    preparing_->first_results.emplace_back(target, result);
    return await_no_more(key);
  }
  if (!is_watched(target)) return;
  apply_probe(key, result);
  if (proofs_.take(key, result.success)) run_rollings();
}

void Director::Implementation::apply_probe(const HealthKey& key, const health::ProbeResult& result) {
  const auto seen = model_.apply_probe(key, result, deciding_now());
  if (const auto watched = model_.health().find(key); watched != model_.health().end())
    analyses_.take_probe(watched->second.pools, result);
  take_seen(seen);
  if (seen.changed) note_verdict(key, seen.why);
  await_no_more(key);
}

// The first round is over with the last target that it waited for.
void Director::Implementation::await_no_more(const HealthKey& key) {
  awaited_.erase(key);
  if (awaited_.empty()) first_publication();
  if (preparing_ && preparing_->awaited.erase(key) > 0 && preparing_->awaited.empty()) finish_reload();
}

void Director::Implementation::take_trouble(const probe::Target& target, const std::string& reason) {
  if (stopped_) return;
  take_seen(model_.apply_trouble(fmt::format("check '{}' of {} could not be run: {}", target.check.name,
                                             to_text(target.destination), reason),
                                 deciding_now()));
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
  if (!end || stopped_ || question_timer_end_ == end) return;
  question_timer_end_ = end;
  question_timer_.expires_after(*end - deciding_now());
  question_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (error || self->stopped_) return;
    self->question_timer_end_.reset();
    for (const auto side : sides) self->take_seen(self->model_.end_question(side, self->deciding_now()));
    self->await_question();
  });
}

void Director::Implementation::take_seen(const Model::Seen& seen) {
  using health::Turn;
  const auto why_ended = [&](const char* why) {
    return seen.idle ? "nothing is probed any more that could tell" : why;
  };
  if (seen.suspicion == Turn::began)
    journal_.note(
        store::who_health, "checker.suspected", "checker",
        "targets that were well are silent at once, and nobody answers in several pools: the checker itself "
        "is the suspect, most likely its network; their verdicts are held until one of them answers");
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
    journal_.note(store::who_health, "checker.late", "checker",
                  fmt::format("probes begin later than a whole interval after they were due, up to {}: more "
                              "targets are silent until their timeout than can be waited for at once",
                              to_text(model_.lateness().greatest(deciding_now()))));
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
  const auto state = health::shifted(model_.health().at(key).state, clock_shift());
  const auto* verdict = health::to_text(state.verdict);
  const auto address = to_text(key.destination);
  journal_.note(store::who_health, fmt::format("endpoint.{}", verdict), address,
                fmt::format("{} is {} {}", address, verdict, how));
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
  publish_timer_.expires_at(pools_published_ + publish_interval);
  publish_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->publish_changed_pools();
  });
}

void Director::Implementation::publish_changed_pools() {
  if (changed_pools_.empty()) return;
  for (const auto* pool : std::exchange(changed_pools_, {})) publisher_.publish_pool(*pool);
  pools_published_ = std::chrono::steady_clock::now();
  run_rollouts();
}

void Director::Implementation::arm_warming() {
  const auto next = model_.next_share();
  if (!next || stopped_ || warm_timer_end_ == next) return;
  warm_timer_end_ = next;
  warm_timer_.expires_after(*next - deciding_now());
  warm_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (error) return;
    self->warm_timer_end_.reset();
    self->publish_soon(self->model_.warmed(self->deciding_now()));
    self->arm_warming();
  });
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
  report_timer_.expires_at(*next);
  report_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->miss_reports();
  });
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

void Director::Implementation::arm_rotation() {
  rotation_timer_.expires_after(cookie_rotation);
  rotation_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->rotate_cookie_secret();
  });
}

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
  first_round_timer_.cancel();
  publisher_.publish_everything();
  outlets_.ready();
  notify();
  run_rollouts();
  run_rollings();
}

void Director::Implementation::notify() {
  notifier_.announce(model_.config(), publisher_.zones(), keyring(model_.config()));
}

void Director::Implementation::publish_effects(const std::vector<store::Change>& changes) {
  std::set<wire::Name> names;
  std::set<wire::Destination> endpoints;
  auto name_of = [](const std::string& text) { return wire::Name::parse(text).value(); };
  for (const auto& change : changes) {
    if (const auto* set = std::get_if<store::WeightOverride>(&change)) names.insert(name_of(set->steer));
    if (const auto* reset = std::get_if<store::WeightReset>(&change)) names.insert(name_of(reset->steer));
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

// One after the other: whoever edits a file and asks again while a load is under way gets what the file says
// now.
void Director::Implementation::reload(const Request& request, ReplyHandler handler) {
  if (reloads_.size() == reloads_max)
    return handler(
        Error{ErrorCode::refused, "several reloads are waiting already, and will read the newest files"});
  reloads_.push_back({request, std::move(handler)});
  if (reloads_.size() == 1) load_next();
}

void Director::Implementation::load_next() {
  asio::post(loader_, [self = shared_from_this(), file = model_.config().file] {
    yield_to_others();
    auto result = load(file, block_steer_ids);
    self->on_control_thread([result = std::move(result)](Implementation& director) mutable {
      if (director.stopped_) return director.refuse_reloads();
      director.prepare(std::move(result));
    });
  });
}

// What is served goes on being served until the targets that come anew have been probed: none of them is to
// be handed out unseen. Before the first publication, all wait together.
void Director::Implementation::prepare(LoadResult result) {
  preparing_ = {std::move(result), {}, {}};
  const bool is_taken = preparing_->result.loaded && !reloads_.front().request.dry_run;
  if (is_taken && publisher_.has_published()) await_new_targets();
  if (preparing_->awaited.empty()) finish_reload();
}

void Director::Implementation::await_new_targets() {
  const auto& config = preparing_->result.loaded->config;
  const auto unknown = model_.unknown_in(config);
  auto targets = targets_of(config);
  std::erase_if(targets, [&](const auto& target) { return !unknown.contains(health_key(target)); });
  if (targets.empty()) return;
  for (const auto& target : targets) preparing_->awaited.insert(health_key(target));
  new_targets_timer_.expires_after(first_round_limit(targets));
  new_targets_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    const bool is_due = self->new_targets_timer_.expiry() <= std::chrono::steady_clock::now();
    if (!error && is_due && self->preparing_) self->finish_reload();
  });
  const auto before = targets_of(model_.config());
  targets.insert(targets.end(), before.begin(), before.end());
  outlets_.set_targets(targets);
}

void Director::Implementation::finish_reload() {
  new_targets_timer_.cancel();
  auto preparing = *std::exchange(preparing_, std::nullopt);
  const auto reload = std::move(reloads_.front());
  reloads_.pop_front();
  if (!reloads_.empty()) load_next();
  reload.handler(take_over(std::move(preparing), reload.request));
}

void Director::Implementation::refuse_reloads() {
  for (const auto& reload : std::exchange(reloads_, {})) reload.handler(stopping_error());
}

Reply Director::Implementation::take_over(Preparing preparing, const Request& request) {
  auto& result = preparing.result;
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
    take_seen(seen);
    settle();
    start_probing();
    // No rolling goes on by them yet: it would publish what is not there before the publication below.
    for (const auto& [target, first] : preparing.first_results) apply_probe(health_key(target), first);
    await_question();  // it may have lost whom it asked
    if (publisher_.has_published()) {
      publisher_.publish_everything();
      notify();
      run_rollouts();
    }
  }
  return boost::json::value{{"changed", true}, {"dry_run", request.dry_run}, {"text", text}};
}

// --- running checks ---

void Director::Implementation::run_checks(const Request& request, ReplyHandler handler) {
  auto run = read_check_run(model_, request);
  if (!run) return handler(run.error());
  if (request.dry_run) return handler(boost::json::value(to_json(*run, true)));
  if (check_runs_.size() >= check_runs_max)
    return handler(Error{ErrorCode::refused, "many checks are being run for others already; try again"});
  const auto limit = longest_timeout(*run) + check_run_grace;
  auto running =
      std::make_shared<Running>(Running{*std::move(run), std::move(handler), asio::steady_timer(executor_)});
  check_runs_.push_back(running);
  running->deadline.expires_after(limit);
  running->deadline.async_wait([self = shared_from_this(), running](boost::system::error_code error) {
    if (!error) self->finish_check_run(*running);
  });
  for (std::size_t i = 0; i < running->run.probes.size(); ++i)
    outlets_.probe_now(running->run.probes[i].target, [self = shared_from_this(), running,
                                                       i](Result<health::ProbeResult> result) {
      self->on_control_thread([running, i, result = std::move(result)](Implementation& director) {
        director.take_check_result(*running, i, result);
      });
    });
}

void Director::Implementation::take_check_result(Running& running, std::size_t probe,
                                                 Result<health::ProbeResult> result) {
  running.run.probes[probe].result = std::move(result);
  running.run.probes[probe].at = wall_now();
  const bool all_there = std::all_of(running.run.probes.begin(), running.run.probes.end(),
                                     [](const auto& one) { return one.result.has_value(); });
  if (all_there) finish_check_run(running);
}

// Nothing when its time was over already.
void Director::Implementation::finish_check_run(Running& running) {
  const auto found = std::find_if(check_runs_.begin(), check_runs_.end(),
                                  [&](const auto& one) { return one.get() == &running; });
  if (found == check_runs_.end()) return;
  const auto kept = *found;
  check_runs_.erase(found);
  kept->deadline.cancel();
  kept->handler(boost::json::value(to_json(kept->run, false)));
}

void Director::Implementation::refuse_check_runs() {
  for (const auto& running : std::exchange(check_runs_, {})) {
    running->deadline.cancel();
    running->handler(stopping_error());
  }
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
  around.zones = &publisher_.zones();
  around.answers = [this](const wire::Name& name, const std::string& pool) {
    return publisher_.answers(name, pool);
  };
  around.answers_since_change = [this](const wire::Name& name, const std::string& pool) {
    return publisher_.answers_since_change(name, pool);
  };
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
  const auto steer = find_steer(model_, request);
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
