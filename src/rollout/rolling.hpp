// A rolling upgrade: the endpoints of a pool are taken out, worked on and put back, batch by batch, on DNS
// time. Pure: time and what is seen of the world are arguments.
//
//    start --> arming: the TTL of the names that use the pool is lowered; answers with the old one are still
//                 |    in caches. Where it is low enough, it begins with `holding`
//                 v
//              holding --> draining --> emptying --> working --+--> holding ...         next batch
//                 ^           |            | caches    |       +--> done                after the last one
//                 |           |            | run out   |       +--> failed --resume--> working
//                 '-- too little is left --'           |       '--> rolled_back
//                                                      v
//                        aborted <---- by an abort, once the hooks that run have ended
//
// An endpoint of the batch that is worked on:
//
//    waiting --> drained --> hooking --> proving --> returned
//                             |   ^         |
//                             v   |         '--> failed       not healthy in time
//                           resting ---> failed               the hook has failed as often as it may
//
// From each of them to `left`: somebody else said a word about the endpoint (drain, up, down, or took ours
// back), or the pool has it no more. That word wins, and the endpoint is left to whoever said it: nobody
// knows when they will be done with it, and the others should not wait for that.
//
// A transition is one commit of the record and of the words that it wants (Effect); hooks are run after it. A
// director that was killed anywhere goes on where it was: a hook whose end was not seen is run again.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "rollout/rollout.hpp"

namespace sluice::rolling {

using rollout::Note;

enum class Phase : std::uint8_t {
  arming,    // until caches hold answers of the pool for no longer than it gives them out now
  holding,   // before a batch: until enough would be left without it
  draining,  // its words are said, and not known to be published
  emptying,  // until no cache holds its addresses
  working,   // hooks and proofs
  failed,    // waits for an operator
  done,
  aborted,
  rolled_back
};
const char* to_text(Phase phase);

enum class Place : std::uint8_t {
  waiting,   // for its turn
  drained,   // by a word of ours, as in all up to `proving`
  hooking,   // the hook runs; without one, the operator works
  resting,   // between two attempts
  proving,   // until it is healthy
  returned,  // the drain is taken back
  left,      // to whoever else said a word about it
  failed     // stays drained
};
const char* to_text(Place place);

enum class OnFailure : std::uint8_t { stop, rollback };
const char* to_text(OnFailure on_failure);

// The least that has to be healthy and not drained: a count of endpoints, or a part of the pool's weight.
struct Least {
  double value = 0;  // of 1, when it is a part
  bool is_part = false;
  friend bool operator==(const Least&, const Least&) = default;
};

// What was asked for; does not change.
struct Plan {
  std::string pool;
  std::string hook;            // empty: a person does the work, and says `resume`
  bool hook_is_url = false;    // that is posted to; else a shell command
  std::size_t batch = 1;       // endpoints at once
  std::optional<Least> least;  // none: all that are not in the batch, and one of them at least
  Duration grace{};            // beyond the TTL, for caches that keep answers longer
  Duration hook_timeout{};
  Duration health_timeout{};
  std::optional<Duration> ttl;  // of answers while it runs, at most; none: the usual one
  unsigned attempts = 1;        // of the hook, by endpoint
  OnFailure on_failure = OnFailure::stop;
  friend bool operator==(const Plan&, const Plan&) = default;
};

struct Endpoint {
  std::string address;
  Place place = Place::waiting;
  Time since{};              // of the place
  std::int64_t attempt = 0;  // of the hook, the last that was begun
  unsigned failures = 0;     // that count
  std::string detail;        // how the hook ended; why it was left, or has failed
  std::string output;        // of the last hook that has ended; the beginning
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// Of a hook's output, so many octets are kept.
inline constexpr std::size_t output_kept_max = 512;

// Where it stands.
struct State {
  Phase phase = Phase::holding;
  Time since{};                     // of the phase
  std::size_t first = 0;            // of the batch, in `endpoints`
  Time caches_until{};              // of the batch's addresses; arming: when it is armed, as far as is known
  std::optional<Time> paused;       // since when
  bool told = false;                // why it waits
  std::optional<Phase> ending;      // aborted, rolled_back: no batch comes after this one
  std::string reason;               // of its end, or why it waits for an operator
  std::string ended_by{};           // the operator who has; empty: it has itself
  std::vector<Endpoint> endpoints;  // in their order
  Time unfrozen_until{};            // until then an operator's word goes before freeze windows
  friend bool operator==(const State&, const State&) = default;
};

struct Rolling {
  std::int64_t id = 0;
  std::string by;  // who started it
  Time started{};
  Plan plan;
  State state;
  std::string why{};  // in the words of who started it
  friend bool operator==(const Rolling&, const Rolling&) = default;
};

// What is seen of one endpoint.
struct Seen {
  bool exists = false;     // in the pool
  double weight = 0;       // the config's
  bool available = false;  // healthy, not taken out, and not in its slow start
  std::string condition;   // "down", for a person
  bool ours = false;       // it is drained by this rolling
  bool climbs = false;     // in its slow start
  std::string word;        // somebody else's about it: "drained by root"; empty: none
  bool proven = false;     // healthy, by enough probes that began since its `since`
  Time watched_since{};    // when we began to look for that
  bool hook_runs = false;  // by this process
  // From then on no cache holds it when it goes out of answers now; none: not known, or not asked for.
  std::optional<Time> leased_until{};
};

struct View {
  std::map<std::string, Seen, std::less<>> endpoints;  // by address: the rolling's, and all of the pool's
  // How long a cache may hold one of the batch that is handed out now; and from when on none does, by what
  // was really handed out; none: not known. Both are looked at in Phase::draining alone.
  Duration cached_for{};
  std::optional<Time> leased_until{};
  // From then on caches hold answers of the pool for no longer than those of now; none: they do. Looked at
  // while it is armed, once the time for that has come.
  std::optional<Time> armed_at{};
  std::string forbidden{};  // why no batch may be taken now, whatever is left of the pool; empty: one may
};

enum class Deed : std::uint8_t { drain, take_back, run_hook };

// What is to be done about an endpoint: words together with the record, hooks after it.
struct Effect {
  Deed deed = Deed::drain;
  std::string address;
  std::int64_t attempt = 0;  // run_hook
  friend bool operator==(const Effect&, const Effect&) = default;
};

struct Turn {
  State state;
  std::vector<Note> notes;
  std::vector<Effect> effects;
};

// How a hook has ended.
struct HookEnd {
  std::string address;
  std::int64_t attempt = 0;
  bool success = false;
  std::string detail;  // "exit status 1"
  std::string output;
};

enum class Word : std::uint8_t { pause, resume, abort };
const char* to_text(Word word);

struct Command {
  Word word = Word::pause;
  std::string reason{}, by{};
  Time unfrozen_until{};  // resume: until then it goes before freeze windows
};

// What the passing of time, and what is seen, have come to: one transition. To be asked again until nothing
// changes.
Turn tick(const Rolling& rolling, const View& view, Time now);

// The end of a hook. One that is not waited for changes nothing.
Turn take(const Rolling& rolling, const HookEnd& end, Time now);

// What an operator's word comes to; refused where it makes no sense.
Result<Turn> obey(const Rolling& rolling, const Command& command, const View& view, Time now);

// When tick() may find something to do at the latest; nothing once it is over.
std::optional<Time> next_tick(const Rolling& rolling, Time now);

bool is_running(Phase phase);

// Why the present batch cannot be taken now; nothing when it can.
std::optional<std::string> shortage(const Rolling& rolling, const View& view);

// The same, or that it is forbidden.
std::optional<std::string> obstacle(const Rolling& rolling, const View& view);

// Why a rolling cannot be begun: too little would be left at one of its batches.
std::optional<Error> objection(const Rolling& rolling, const View& view);

// What is left of the pool while a batch is out.
struct Capacity {
  std::size_t endpoints = 0, available = 0;  // of the pool; of those that are left
  double total = 0, batch = 0, left = 0;     // their weights
  std::vector<std::string> unavailable{};    // beside the batch: "192.0.2.1 is down"
};
Capacity capacity_without_batch(const Rolling& rolling, const View& view);

// When each batch can be taken at the earliest, if `allowed` lets it, and when the last one is done, for a
// rolling that begins now: when the work takes no time, and endpoints are asked for as they are now. One that
// nobody asks for is not waited for.
std::vector<Time> earliest_times(const Rolling& rolling, const View& view, const rollout::Allowed& allowed,
                                 Time now);

// The addresses of the present batch.
std::vector<std::string> batch(const Rolling& rolling);

// From 1 on, of so many.
std::size_t batch_number(const Rolling& rolling);
std::size_t batches(const Rolling& rolling);

// "2" endpoints, "50%" of the weight.
Result<Least> parse_least(std::string_view text);

// "2", or "25%" of `count`: at least one, and rounded down.
Result<std::size_t> parse_batch(std::string_view text, std::size_t count);

}  // namespace sluice::rolling
