// All mutable truth, and the decisions over it. Pure: no I/O, no clock, no threads.
//
//   Model --decide(request or probe result, now)--> Decision { what to store, what happened, what to say }
//   Model --apply(stored change)--> Model           the same for a change that was just made and for one read
//   at start
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/json/value.hpp>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "config/config.hpp"
#include "control/commands.hpp"
#include "health/endpoint.hpp"
#include "health/lateness.hpp"
#include "health/suspicion.hpp"
#include "probe/fetch.hpp"
#include "probe/program.hpp"
#include "probe/target.hpp"
#include "rollout/rolling.hpp"
#include "rollout/rollout.hpp"
#include "steer/layout.hpp"
#include "steer/select.hpp"
#include "store/store.hpp"

namespace sluice::control {

// What is known of one steered name beyond its config.
struct Steering {
  std::optional<store::WeightOverride> weights;        // set at run time
  std::string layout;                                  // as stored; empty: never laid out
  std::map<std::string, store::RouteOverride> routes;  // set at run time, by class
  std::optional<store::SteerVersion> version;          // none: never changed
  std::map<Duration, std::optional<Time>> ttls;        // handed out; until when caches hold it, if no more
};

using Steerings = std::unordered_map<wire::Name, Steering, wire::NameHash>;

// Where a name leads a class of clients, or could.
struct Routing {
  std::string client_class;
  std::string pool;                           // empty: nowhere
  std::string configured;                     // the pool that the config says; empty: none
  const store::RouteOverride* set = nullptr;  // at run time; null: it is as the config says
};

// What is probed once, however many pools ask for it.
struct HealthKey {
  wire::Destination destination;  // the endpoint's, or what its check asks in its stead
  std::uint16_t port = 0;
  std::string host, check;  // the Host field, where it tells targets apart; the check's name
  friend auto operator<=>(const HealthKey&, const HealthKey&) = default;
  friend bool operator==(const HealthKey&, const HealthKey&) = default;
};
HealthKey health_key(const probe::Target& target);

// What is known of one of them.
struct Watched {
  health::State state;
  health::Verdict verdict_before = health::Verdict::unknown;
  double share = 0;                // of the weight, at the last result or step of a slow start
  std::optional<Time> next_share;  // when a slow start climbs its next step
  health::State before;            // its first silence since any target answered last
  bool own = false;                // its last answer came from an address of this machine's own
  std::string trouble;             // why its last probe could not be run; empty: it could
  health::Suspicion::Id id = 0;
  const config::Endpoint* endpoint = nullptr;  // of one of them
  std::vector<const config::Pool*> pools;
  std::vector<wire::Destination> endpoints;  // that are answered by its health, each once; the first of them
  std::size_t endpoints_more = 0;            // behind the first watched_endpoints_max
};

// An event of health tells of so many endpoints that share a target, and counts the others.
inline constexpr std::size_t watched_endpoints_max = 8;

// Whether our network is well, asked of others before silent targets of the same side fall; and again and
// again while it is suspected.
struct Question {
  std::map<HealthKey, health::ProbeResult> waiting;  // to fall, each by this silence
  std::set<HealthKey> asked;                         // who has not said anything yet
  bool in_vain = false;  // some could not be probed: that is no silence, and others are asked in their stead
  Time end{};            // who says nothing by then is silent, too
  Time patience_end{};   // from then on, who cannot be probed is, too
};

health::Rules rules_of(const config::Check& check);

// Targets that are silent together for one cause of ours: each group has a suspicion of its own, as an answer
// from this machine says nothing about the network.
enum class Side : std::uint8_t {
  here,  // loopback
  away
};
inline constexpr std::array sides{Side::here, Side::away};

// None: the check's results do not come over a network of ours (exec, push).
std::optional<Side> side_of(const wire::Destination& destination, config::CheckType type);

// The operator's words about one endpoint that are to be said later, by when.
using Schedule = std::map<Time, store::ScheduledWord>;

class Model {
 public:
  explicit Model(config::Config config) : config_(std::move(config)) {
    Seen nothing;
    watch_targets({}, {}, nothing);
  }
  // It points into its own maps and vectors: they move as a whole, and are not copied.
  Model(Model&&) = default;
  Model& operator=(Model&&) = delete;

  const config::Config& config() const { return config_; }
  const Steerings& steerings() const { return steerings_; }
  // The running one of each name, or the last.
  const std::map<wire::Name, rollout::Rollout>& rollouts() const { return rollouts_; }
  const std::set<wire::Name>& running_rollouts() const { return running_rollouts_; }
  std::int64_t next_rollout_id() const { return rollout_id_max_ + 1; }
  // The same of each pool.
  const std::map<std::string, rolling::Rolling>& rollings() const { return rollings_; }
  const std::set<std::string>& running_rollings() const { return running_rollings_; }
  std::int64_t next_rolling_id() const { return rolling_id_max_ + 1; }
  const std::map<wire::Destination, store::EndpointWord>& words() const { return words_; }
  const std::map<wire::Destination, Schedule>& schedule() const { return schedule_; }  // none is empty
  const std::map<HealthKey, Watched>& health() const { return health_; }
  const health::Trouble& trouble() const { return trouble_; }
  const health::Lateness& lateness() const { return lateness_; }
  std::optional<Time> suspected_since() const;  // of one side or both
  std::size_t held() const;                     // targets
  // The target would have another verdict, or soon, were its silence not suspected to be ours.
  bool is_held(const Watched& watched) const;

  // --- what follows from the state ---

  // In the order of the steer's pools. A run-time weight wins; should all of them have come to 0 because
  // pools left the config, the config's weights hold. Of a preview name all are 0 but the idle side's; all
  // of them when there is none: the layout's slots are nobody's then.
  std::vector<double> weights(const config::Steer& steer) const;
  steer::Layout layout(const config::Steer& steer) const;
  std::string weights_by(const config::Steer& steer) const;  // who set them at run time; empty: the config
  // Of the classes that config or run time say something about, in the config's order. What was set at run
  // time for a pool that the name has no more does not hold.
  std::vector<Routing> routings(const config::Steer& steer) const;
  // The config's, or what a rollout of the name asks for, or a rolling of one of its pools.
  Duration ttl(const config::Steer& steer) const;
  std::vector<steer::Candidate> candidates(const config::Pool& pool) const;
  steer::PoolRules pool_rules(const config::Pool& pool) const;
  // Of an endpoint of a pool of config(); null: the pool has no check.
  const Watched* watched(const config::Endpoint& endpoint, const config::Pool& pool) const;
  std::optional<Time> next_share() const;  // when a slow start climbs a step
  const store::EndpointWord* word(const wire::Destination& destination) const;
  const Schedule& scheduled(const wire::Destination& destination) const;
  std::optional<Time> next_expiry() const;  // of an operator's word, or when one is to be said

  // --- what changes it ---

  // Takes a stored change into the state; one about a name or address that the config lacks is kept all the
  // same: it may come back with the next config.
  void apply(const store::Change& change);

  // What there is of all that the changes are about, to be restored when they fail after they were applied;
  // none: one of them cannot be taken back.
  struct Before {
    std::map<wire::Name, Steering> steerings;
    std::map<wire::Destination, std::optional<store::EndpointWord>> words;
    std::map<wire::Destination, Schedule> schedules;
  };
  std::optional<Before> before(const std::vector<store::Change>& changes) const;
  void restore(Before before);

  // What the result of a probe has come to.
  struct Seen {
    bool changed = false;               // the verdict
    std::string why;                    // it is
    std::vector<HealthKey> to_publish;  // whose share, or whose least time to a change, is another one
    std::vector<HealthKey> taken_back;  // whose verdict a suspicion has made what it was before
    std::vector<std::pair<HealthKey, std::string>>
        fallen;                     // others that have waited for it, and why they fall
    std::vector<HealthKey> to_ask;  // to be probed at once, for apply_asked()
    health::Turn suspicion{};
    health::Turn trouble{};
    health::Turn lateness{};
    bool idle = false;  // turns have ended because nothing is probed any more that they were about
    bool left = false;  // some targets are watched no more
  };
  // A result of something that is not watched changes nothing.
  Seen apply_probe(const HealthKey& key, const health::ProbeResult& result, Time now);
  // The target's probe could not be run.
  Seen apply_trouble(const HealthKey& key, const std::string& reason, Time now);

  // What became of a probe out of to_ask; an error: it could not be run. It is evidence for or against our
  // network, and changes nothing else about the one who was asked.
  Seen apply_asked(const HealthKey& key, const Result<health::ProbeResult>& result, Time now);
  // Ends the side's question when nobody has answered it in time, or asks it again.
  Seen end_question(Side side, Time now);
  std::optional<Time> next_question_end() const;

  // Those of the config's targets whose verdict would be unknown, were it taken over.
  std::set<HealthKey> unknown_in(const config::Config& config) const;

  // What is probed by that name; it has to be one of health().
  probe::Target target(const HealthKey& key) const;

  // Whose slow start is at another step at `now`.
  std::vector<HealthKey> warmed(Time now);

  // From the store. False when nothing is watched by that name any more.
  bool restore_health(const store::HealthSeen& seen, Time now);

  // Forgets the health of endpoints that no pool has any more, and what nothing is left to end.
  Seen replace_config(config::Config config, Time now);

 private:
  std::vector<double> preview_weights(const config::Steer& preview) const;
  void take_rollout(const store::RolloutRecord& record);
  void take_rolling(const store::RollingRecord& record);
  std::map<HealthKey, HealthKey> predecessors(const config::Config& next) const;
  void watch_targets(const std::map<HealthKey, HealthKey>& taken_over, Time now, Seen& seen);
  bool probes_any() const;
  void set_trouble(Watched& watched, std::string reason);
  health::State inherited_state(const HealthKey& predecessor) const;
  void take_state(const HealthKey& key, Watched& watched, health::State state, Time now);
  std::optional<Side> side_of(const HealthKey& key, const Watched& watched) const;
  void note_origin(const HealthKey& key, Watched& watched, const health::ProbeResult& result, Time now,
                   Seen& seen);
  health::Suspicion& suspicion_of(Side side) { return suspicions_[static_cast<std::size_t>(side)]; }
  Question& question_of(Side side) { return questions_[static_cast<std::size_t>(side)]; }
  bool suspect(const HealthKey& key, Watched& watched, const health::ProbeResult& result, Time now,
               Seen& seen);
  void take_evidence(Side side, const HealthKey& key, Watched& watched, health::Evidence evidence, Time now,
                     Seen& seen);
  bool has_to_wait(const HealthKey& key, const Watched& watched, const health::State& next, Time now,
                   Seen& seen);
  void ask(Question& question, const std::vector<health::Suspicion::Id>& others, Time now, Seen& seen);
  void ask_again(Side side, Time now, Seen& seen);
  bool is_open(Side side) const;
  void let_fall(Question& question, Time now, Seen& seen);
  void take_step(const HealthKey& key, Watched& watched, health::State state, Time now, Seen& seen);
  void miss_asked(Side side, Time now, Seen& seen);
  void conclude(Side side, Time now, Seen& seen);
  void ask_others_instead(Side side, Time now, Seen& seen);
  void suspect_ourselves(Side side, Time now, Seen& seen);
  void restore_failed(Side side, Time now, Seen& seen);
  void keep_questions(Time now);
  void watch_sides(const std::map<HealthKey, Watched>& before, Seen& seen);

  config::Config config_;
  Steerings steerings_;
  std::map<wire::Name, rollout::Rollout> rollouts_;
  std::set<wire::Name> running_rollouts_;
  std::int64_t rollout_id_max_ = 0;
  std::map<std::string, rolling::Rolling> rollings_;
  std::set<std::string> running_rollings_;
  std::int64_t rolling_id_max_ = 0;
  std::map<wire::Destination, store::EndpointWord> words_;
  std::map<wire::Destination, Schedule> schedule_;
  std::map<HealthKey, Watched> health_;
  std::vector<const HealthKey*> targets_;             // by Id
  std::vector<std::vector<const Watched*>> watched_;  // by pool and endpoint of config_
  std::set<std::pair<Time, HealthKey>> warming_;      // by Watched::next_share
  std::array<health::Suspicion, 2> suspicions_;       // by Side
  std::array<Question, 2> questions_;                 // by Side
  std::array<Duration, 2> shortest_intervals_{};      // by Side
  health::Trouble trouble_;
  std::size_t in_trouble_ = 0;  // targets
  health::Lateness lateness_;
};

// A hook of a rolling that is to be run.
struct HookRun {
  std::int64_t rolling = 0;
  std::string pool, address;
  std::int64_t attempt = 0;
  probe::Program program;
  // In place of the program; an error when the config does not say where to.
  std::optional<Result<probe::WebRequest>> request{};
};

// What a request comes to. With nothing in `changes` the state stays as it is.
struct Decision {
  std::vector<store::Change> changes;
  std::vector<store::Event> events;
  boost::json::object reply;
  // When the decision takes endpoints out of answers: which, and how long a cache may hold one that is handed
  // out at the last moment.
  std::vector<wire::Destination> taken_out;
  std::optional<Duration> cached_for;
  std::vector<HookRun> hooks;  // once the changes are in force
  bool in_answers = true;      // whether they may be others afterwards
};

Result<Decision> set_weights(const Model& model, const Request& request, Time now);
Result<Decision> reset_weights(const Model& model, const Request& request, Time now);

// Lays out all names whose stored layout does not fit their weights, which makes a new version of those that
// had one: after start and reload.
Decision settle_layouts(const Model& model, Time now);

// The weights of a name's pools under what is said at run time (null: nothing): the config's for pools that
// it does not speak of, and for all when it leaves nothing.
std::vector<double> weights_under(const config::Steer& steer, const store::WeightOverride* said);

// The steer that the request's argument `name` names; refused for a preview name, which follows another.
Result<const config::Steer*> find_steer(const Model& model, const Request& request);
// The same for who only wants to look: preview names, too.
Result<const config::Steer*> find_shown(const Model& model, const Request& request);

Result<const config::Pool*> find_pool(const Model& model, const std::string& name);

// The endpoint, of some pool, that a text names.
Result<wire::Destination> find_endpoint(const Model& model, std::string_view text);

}  // namespace sluice::control
