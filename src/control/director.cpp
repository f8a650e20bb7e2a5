#include "control/director.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <list>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/system_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/log.hpp"
#include "base/text.hpp"
#include "control/model.hpp"
#include "control/status.hpp"

namespace sluice::control {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

// Health may change for thousands of endpoints at once; what happened is written together, this much later at
// the latest.
constexpr auto event_delay = 100ms;

// How often replaced snapshots are looked at; an idle worker lets go of its own within a second.
constexpr auto release_interval = 1s;

// A first probe has its timeout, and the prober this much to say so.
constexpr Duration first_round_grace = 1s;

constexpr std::size_t events_by_default = 50;
constexpr Duration wait_max = 60s;

std::vector<probe::Target> targets_of(const config::Config& config) {
  std::vector<probe::Target> targets;
  std::set<HealthKey> seen;
  for (const auto& pool : config.pools) {
    if (!pool.check) continue;
    for (const auto& endpoint : pool.endpoints)
      if (seen.emplace(endpoint.address, *pool.check).second)
        targets.push_back({endpoint.address, *config.find_check(*pool.check)});
  }
  return targets;
}

std::optional<Duration> duration_argument(const Request& request, std::string_view name) {
  const auto* value = request.arguments.if_contains(name);
  if (value == nullptr) return {};
  return parse_duration(value->get_string()).value();
}

std::optional<std::uint64_t> number_argument(const Request& request, std::string_view name) {
  const auto* value = request.arguments.if_contains(name);
  if (value == nullptr) return {};
  return value->to_number<std::uint64_t>();
}

// What a running daemon cannot take over from a new config.
std::vector<std::string> needs_restart(const config::Config& old, const config::Config& now) {
  std::vector<std::string> keys;
  auto compare = [&](const auto& a, const auto& b, const char* key) {
    if (a != b) keys.emplace_back(key);
  };
  compare(old.server.listen, now.server.listen, "server.listen");
  compare(old.server.workers, now.server.workers, "server.workers");
  compare(old.server.state, now.server.state, "server.state");
  compare(old.server.user, now.server.user, "server.user");
  compare(old.admin.socket, now.admin.socket, "admin.socket");
  compare(old.admin.http, now.admin.http, "admin.http");
  return keys;
}

}  // namespace

class Director::Implementation : public std::enable_shared_from_this<Implementation> {
 public:
  Implementation(asio::any_io_executor executor, Loaded loaded, store::Store store, const store::Saved& saved,
                 Outlets outlets)
      : executor_(std::move(executor)),
        model_(std::move(loaded.config)),
        zones_(std::move(loaded.zones)),
        store_(std::move(store)),
        outlets_(std::move(outlets)),
        sticky_key_(saved.sticky_key),
        started_(wall_now()),
        first_round_timer_(executor_),
        release_timer_(executor_),
        event_timer_(executor_),
        expiry_timer_(executor_) {
    for (const auto& set : saved.weights) model_.apply(set);
    for (const auto& laid : saved.layouts) model_.apply(laid);
    for (const auto& word : saved.words) model_.apply(word);
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

 private:
  struct CounterUse {
    AnswerCounter id;
    std::uint64_t at_change = 0;  // the count when the weights changed last
  };
  struct Waiter {
    std::uint64_t after;
    std::size_t limit;
    ReplyHandler handler;
    asio::steady_timer timer;
  };

  // deciding and acting
  Reply execute_change(const Request& request, Result<Decision> decision);
  Result<void> carry_out(const Decision& decision);
  void settle();
  void expire();
  void arm_expiry();

  // publishing
  void publish_everything();
  void release_replaced();
  std::shared_ptr<steer::Block> build_block();
  void publish_effects(const std::vector<store::Change>& changes);
  void publish_steer(const config::Steer& steer);
  void publish_pool(const config::Pool& pool);
  void publish_pools_with(const Address& address);
  steer::SteerInput steer_input(const config::Steer& steer);
  void start_probing();
  void first_publication();

  // events
  void note(std::string who, std::string kind, std::string subject, std::string text);
  void write_events();
  void arm_event_timer();
  void wake_waiters();
  void list_events(const Request& request, ReplyHandler handler);
  Reply events_reply(std::uint64_t after, std::size_t limit);

  // reading
  void reload(const Request& request, ReplyHandler handler);
  Reply take_over(LoadResult result, const Request& request);
  Surroundings surroundings();
  Reply status_reply(const Request& request);
  boost::json::object version_reply() const;
  CounterUse& counter(const wire::Name& name, const std::string& pool);

  asio::any_io_executor executor_;
  Model model_;
  zone::ZoneSet zones_;
  store::Store store_;
  Outlets outlets_;
  HashKey sticky_key_;
  Time started_;

  std::shared_ptr<steer::Block> block_;          // null until the first publication
  std::map<wire::Name, steer::Offset> entries_;  // of the names in the block
  std::shared_ptr<steer::PairTable> pairs_ = std::make_shared<steer::PairTable>();
  std::map<std::pair<wire::Name, std::string>, CounterUse> counters_;

  std::set<HealthKey> awaited_;  // targets without a first result
  asio::steady_timer first_round_timer_;

  std::vector<std::shared_ptr<const answer::Snapshot>> replaced_;  // until no worker uses them
  asio::steady_timer release_timer_;

  std::vector<store::Event> unwritten_;
  bool event_timer_armed_ = false;
  asio::steady_timer event_timer_;
  std::list<Waiter> waiters_;

  asio::system_timer expiry_timer_;
  std::vector<std::string> warnings_;  // the last reload's
  std::string store_warning_;          // why events could not be written; empty: they could
  bool loading_ = false;
  bool stopped_ = false;
  asio::thread_pool loader_{1};  // zones take their time; the control thread goes on meanwhile
};

// --- deciding and acting
// --------------------------------------------------------------------------------------------

void Director::Implementation::start() {
  note("sluiced", "daemon.start", "sluiced",
       fmt::format("sluiced {} started with {}", SLUICE_VERSION, model_.config().file));
  settle();
  expire();
  start_probing();
  if (awaited_.empty()) return first_publication();
  Duration longest{};
  for (const auto& check : model_.config().checks) longest = std::max(longest, check.timeout);
  first_round_timer_.expires_after(longest + first_round_grace);
  first_round_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->first_publication();
  });
}

void Director::Implementation::stop() {
  if (std::exchange(stopped_, true)) return;
  note("sluiced", "daemon.stop", "sluiced", "sluiced stopped");
  write_events();
  first_round_timer_.cancel();
  release_timer_.cancel();
  event_timer_.cancel();
  expiry_timer_.cancel();
  for (auto& waiter : waiters_) waiter.timer.cancel();
  loader_.join();
}

void Director::Implementation::execute(const Request& request, ReplyHandler handler) {
  if (stopped_) return handler(Error{ErrorCode::unavailable, "the daemon is stopping"});
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
  auto events = unwritten_;
  events.insert(events.end(), decision.events.begin(), decision.events.end());
  if (const auto stored = store_.commit(decision.changes, events); !stored) {
    store_warning_ = stored.error().message;
    return stored.error();
  }
  store_warning_.clear();
  unwritten_.clear();
  for (const auto& event : decision.events) logger().info("{} by {}: {}", event.kind, event.who, event.text);
  for (const auto& change : decision.changes) model_.apply(change);
  publish_effects(decision.changes);
  arm_expiry();
  wake_waiters();
  return {};
}

// Lays out what has to be laid out anew. The layouts hold even when they cannot be written: a restart makes
// them again.
void Director::Implementation::settle() {
  const auto decision = settle_layouts(model_);
  if (decision.changes.empty()) return;
  std::vector<store::Event> none;
  if (const auto stored = store_.commit(decision.changes, none); !stored)
    logger().warn("the layout of slots could not be stored: {}", stored.error().message);
  for (const auto& change : decision.changes) model_.apply(change);
}

void Director::Implementation::expire() {
  const auto decision = expire_words(model_, wall_now());
  if (const auto done = carry_out(decision); !done) {
    // The word is over all the same; the next start finds it expired again.
    logger().warn("an expired word could not be taken out of the store: {}", done.error().message);
    for (const auto& change : decision.changes) model_.apply(change);
    publish_effects(decision.changes);
  }
  arm_expiry();
}

void Director::Implementation::arm_expiry() {
  const auto next = model_.next_expiry();
  if (!next || stopped_) return;
  expiry_timer_.expires_at(*next);
  expiry_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->expire();
  });
}

void Director::Implementation::take_probe(const probe::Target& target, const health::ProbeResult& result) {
  if (stopped_) return;
  const auto* check = model_.config().find_check(target.check.name);
  const HealthKey key{target.address, target.check.name};
  // A result that was under way while the config changed.
  if (check == nullptr || *check != target.check) return;

  if (model_.apply_probe(target.address, *check, result, wall_now())) {
    const auto verdict = model_.health().at(key).verdict;
    note("health", fmt::format("endpoint.{}", health::to_text(verdict)), to_text(target.address),
         fmt::format("{} is {} by check {}: {}", to_text(target.address), health::to_text(verdict),
                     check->name, result.detail));
    publish_pools_with(target.address);
  }
  awaited_.erase(key);
  if (awaited_.empty() && !block_) first_publication();
}

// --- publishing
// -----------------------------------------------------------------------------------------------------

void Director::Implementation::start_probing() {
  const auto targets = targets_of(model_.config());
  awaited_.clear();
  for (const auto& target : targets)
    if (!model_.health().contains({target.address, target.check.name}))
      awaited_.emplace(target.address, target.check.name);
  outlets_.set_targets(targets);
}

void Director::Implementation::first_publication() {
  if (block_) return;
  first_round_timer_.cancel();
  publish_everything();
  outlets_.ready();
}

void Director::Implementation::publish_everything() {
  block_ = build_block();
  auto snapshot = std::make_shared<answer::Snapshot>();
  snapshot->zones = zones_;
  snapshot->block = block_;
  snapshot->sticky_key = sticky_key_;
  snapshot->pairs = pairs_;
  if (auto old = outlets_.published.load()) replaced_.push_back(std::move(old));
  outlets_.published.publish(std::move(snapshot));
  release_replaced();
}

// A big zone takes its time to be freed: that is done here and not by the worker that happens to let go of it
// last.
void Director::Implementation::release_replaced() {
  std::erase_if(replaced_, [](const auto& snapshot) { return snapshot.use_count() == 1; });
  if (replaced_.empty() || stopped_) return;
  release_timer_.expires_after(release_interval);
  release_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->release_replaced();
  });
}

std::shared_ptr<steer::Block> Director::Implementation::build_block() {
  const auto& config = model_.config();
  auto block = std::make_shared<steer::Block>(outlets_.quiescence, config.steers.size());
  entries_.clear();
  for (const auto& steer : config.steers) entries_[steer.name] = block->add_name(steer.name);
  bool fits = true;
  for (const auto& pool : config.pools)
    fits = block->publish_pool(pool.name, model_.candidates(pool)) && fits;
  for (const auto& steer : config.steers)
    fits = block->publish_table(entries_.at(steer.name), steer_input(steer)) && fits;
  if (!fits) throw std::bad_alloc();  // a new block has room for what it is made for
  return block;
}

steer::SteerInput Director::Implementation::steer_input(const config::Steer& steer) {
  steer::SteerInput input;
  input.name = steer.name;
  for (const auto& part : steer.pools) input.pools.push_back({part.pool, counter(steer.name, part.pool).id});
  input.layout = model_.layout(steer);
  input.ttl = static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(steer.ttl).count());
  input.answers = steer.answers;
  input.method = steer.method;
  input.subnet_v4 = steer.subnet_v4;
  input.subnet_v6 = steer.subnet_v6;
  return input;
}

void Director::Implementation::publish_effects(const std::vector<store::Change>& changes) {
  std::set<wire::Name> names;
  std::set<Address> addresses;
  auto name_of = [](const std::string& text) { return wire::Name::parse(text).value(); };
  for (const auto& change : changes) {
    if (const auto* set = std::get_if<store::WeightOverride>(&change)) names.insert(name_of(set->steer));
    if (const auto* reset = std::get_if<store::WeightReset>(&change)) names.insert(name_of(reset->steer));
    if (const auto* word = std::get_if<store::EndpointWord>(&change)) addresses.insert(word->address);
    if (const auto* taken = std::get_if<store::EndpointWordTaken>(&change)) addresses.insert(taken->address);
  }
  for (const auto& name : names)
    if (const auto* steer = model_.config().find_steer(name)) publish_steer(*steer);
  for (const auto& address : addresses) publish_pools_with(address);
}

void Director::Implementation::publish_steer(const config::Steer& steer) {
  if (!block_) return;
  if (!block_->publish_table(entries_.at(steer.name), steer_input(steer))) publish_everything();
  for (const auto& part : steer.pools) {
    auto& use = counter(steer.name, part.pool);
    use.at_change = outlets_.counters.answers(use.id);
  }
}

void Director::Implementation::publish_pool(const config::Pool& pool) {
  if (block_ && !block_->publish_pool(pool.name, model_.candidates(pool))) publish_everything();
}

void Director::Implementation::publish_pools_with(const Address& address) {
  for (const auto* pool : pools_with(model_.config(), address)) publish_pool(*pool);
}

// Ids are never given back: a counter belongs to a name and a pool for the life of the process. Should they
// run out, the last one is shared.
Director::Implementation::CounterUse& Director::Implementation::counter(const wire::Name& name,
                                                                        const std::string& pool) {
  const auto next =
      static_cast<AnswerCounter>(std::min<std::size_t>(counters_.size(), answer_counters_max - 1));
  return counters_.try_emplace({name, pool}, CounterUse{next}).first->second;
}

// --- events
// ---------------------------------------------------------------------------------------------------------

// For what happens by itself. It is in force already, so it is written when there is time.
void Director::Implementation::note(std::string who, std::string kind, std::string subject,
                                    std::string text) {
  logger().info("{} by {}: {}", kind, who, text);
  unwritten_.push_back({0, wall_now(), std::move(who), std::move(kind), std::move(subject), std::move(text)});
  if (unwritten_.size() > static_cast<std::size_t>(store::events_max)) unwritten_.erase(unwritten_.begin());
  arm_event_timer();
}

void Director::Implementation::arm_event_timer() {
  if (std::exchange(event_timer_armed_, true)) return;
  event_timer_.expires_after(event_delay);
  event_timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    self->event_timer_armed_ = false;
    if (!error) self->write_events();
  });
}

void Director::Implementation::write_events() {
  if (unwritten_.empty()) return;
  if (const auto stored = store_.commit({}, unwritten_); !stored) {
    if (store_warning_.empty()) logger().warn("events could not be stored: {}", stored.error().message);
    store_warning_ = stored.error().message;
    return;  // with the next event, or the next change
  }
  store_warning_.clear();
  unwritten_.clear();
  wake_waiters();
}

void Director::Implementation::list_events(const Request& request, ReplyHandler handler) {
  write_events();
  const auto after = number_argument(request, "after").value_or(0);
  const auto limit =
      std::min<std::size_t>(number_argument(request, "limit").value_or(events_by_default), store::events_max);
  const auto wait = std::min(duration_argument(request, "wait").value_or(0ms), wait_max);
  auto reply = events_reply(after, limit);
  if (!reply || wait == 0ms || !reply->at("events").as_array().empty()) return handler(std::move(reply));

  auto waiter = waiters_.insert(waiters_.end(),
                                Waiter{after, limit, std::move(handler), asio::steady_timer(executor_)});
  waiter->timer.expires_after(wait);
  waiter->timer.async_wait([self = shared_from_this(), waiter](boost::system::error_code) {
    // By time, or woken: either way the newest state is the answer.
    const auto done = std::move(*waiter);
    self->waiters_.erase(waiter);
    done.handler(self->events_reply(done.after, done.limit));
  });
}

void Director::Implementation::wake_waiters() {
  for (auto& waiter : waiters_) waiter.timer.cancel();
}

Reply Director::Implementation::events_reply(std::uint64_t after, std::size_t limit) {
  const auto events = store_.events(static_cast<std::int64_t>(after), limit);
  if (!events) return events.error();
  boost::json::array list;
  for (const auto& event : *events) list.push_back(to_json(event));
  return boost::json::value(boost::json::object{{"events", std::move(list)}});
}

// --- reading
// --------------------------------------------------------------------------------------------------------

void Director::Implementation::reload(const Request& request, ReplyHandler handler) {
  if (std::exchange(loading_, true))
    return handler(Error{ErrorCode::refused, "a reload is under way already"});
  asio::post(loader_, [self = shared_from_this(), request, handler = std::move(handler),
                       file = model_.config().file]() mutable {
    auto result = load(file, block_steer_ids);
    self->on_control_thread([request = std::move(request), handler = std::move(handler),
                             result = std::move(result)](Implementation& director) mutable {
      director.loading_ = false;
      handler(director.take_over(std::move(result), request));
    });
  });
}

Reply Director::Implementation::take_over(LoadResult result, const Request& request) {
  if (!result.loaded) {
    auto text = to_text(std::move(result.errors));
    text.pop_back();
    if (!request.dry_run) {
      warnings_ = {
          fmt::format("the last reload was refused at {}; what was loaded before goes on being served",
                      to_text(wall_now()))};
      note(request.who, "config.refused", model_.config().file, "the config was refused:\n" + text);
    }
    return Error{ErrorCode::refused, std::move(text)};
  }
  std::string text = fmt::format("loaded: {} zone(s), {} steered name(s)",
                                 result.loaded->zones.zones().size(), result.loaded->config.steers.size());
  const auto restart = needs_restart(model_.config(), result.loaded->config);
  if (!restart.empty()) text += fmt::format("; a change of {} needs a restart", fmt::join(restart, ", "));
  if (!request.dry_run) {
    model_.replace_config(std::move(result.loaded->config));
    zones_ = std::move(result.loaded->zones);
    warnings_.clear();
    if (!restart.empty()) warnings_ = {text};
    note(request.who, "config.loaded", model_.config().file, text);
    settle();
    start_probing();
    if (block_) publish_everything();
  }
  return boost::json::value{{"changed", true}, {"dry_run", request.dry_run}, {"text", text}};
}

Surroundings Director::Implementation::surroundings() {
  Surroundings around;
  around.started = started_;
  around.now = wall_now();
  around.listen = outlets_.listen;
  around.warnings = warnings_;
  if (!store_warning_.empty()) around.warnings.push_back("the state cannot be stored: " + store_warning_);
  around.zones = &zones_;
  around.answers = [this](const wire::Name& name, const std::string& pool) {
    return outlets_.counters.answers(counter(name, pool).id);
  };
  around.answers_since_change = [this](const wire::Name& name, const std::string& pool) {
    const auto& use = counter(name, pool);
    return outlets_.counters.answers(use.id) - use.at_change;
  };
  return around;
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

// --- the outside
// ----------------------------------------------------------------------------------------------------

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

void Director::probe_result(const probe::Target& target, const health::ProbeResult& result) {
  implementation_->on_control_thread(
      [target, result](Implementation& director) { director.take_probe(target, result); });
}

// Offsets depend on the names and their order alone, so that a block built later gives the same ones.
std::vector<zone::SteerId> block_steer_ids(const config::Config& config) {
  Quiescence quiescence;
  steer::Block block(quiescence, config.steers.size());
  std::vector<zone::SteerId> ids;
  for (const auto& steer : config.steers) ids.push_back(block.add_name(steer.name));
  return ids;
}

}  // namespace sluice::control
