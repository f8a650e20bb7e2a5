// What was decided at run time and has to outlive the process: a small SQLite database in the state folder
// (WAL, synchronous=FULL). A commit that returned is on the disk; one that failed changed nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "base/hash.hpp"
#include "base/result.hpp"
#include "health/endpoint.hpp"
#include "wire/destination.hpp"

namespace sluice::store {

// Weights that win over the config's until they are reset. All pools of the steer are listed.
struct WeightOverride {
  std::string steer;  // the name's text form, with the final dot
  struct Pool {
    std::string pool;
    double weight;
  };
  std::vector<Pool> pools;
  std::string by;
  Time since{};
};
struct WeightReset {
  std::string steer;
};

// Where a steer leads a class of clients; wins over the config's until it is reset.
struct RouteOverride {
  std::string steer;
  std::string client_class;
  std::string pool;  // empty: nowhere, they are answered like all others
  std::string by;
  Time since{};
};
struct RouteReset {
  std::string steer;
  std::string client_class;
};

// Which slots a steer's pools hold now (steer/layout.hpp's text form).
struct LayoutChange {
  std::string steer;
  std::string layout;
};

// How often the weights of a steered name have been changed, or what leads them; and by whom last. Never
// deleted, so that no number comes twice.
struct SteerVersion {
  std::string steer;
  std::int64_t version = 0;
  std::string by;
  Time at{};
  std::string text;  // what was done
};

// A TTL with which a steered name is handed out. One of these takes the place of the one before of the same
// name and TTL.
struct KeptTtl {
  std::string steer;
  Duration ttl{};
  std::optional<Time> until{};  // it is so no more, and no cache holds it from then on
};
struct KeptTtlOver {
  std::string steer;
  Duration ttl{};
};

// The operator's word about an endpoint. `drain`: no new answers. `up`, `down`: whatever the checks say.
enum class Word : std::uint8_t { drain, up, down };
const char* to_text(Word word);

struct EndpointWord {
  wire::Destination destination;
  Word word = Word::drain;
  std::string by, reason;
  Time since{};
  std::optional<Time> until;  // none: until it is taken back
  // What holds again then, the next one first: each for longer than the one before, and with none of its own.
  std::vector<EndpointWord> beneath{};
  friend bool operator==(const EndpointWord&, const EndpointWord&) = default;
};
struct EndpointWordTaken {
  wire::Destination destination;
};

// A word that is to be said later. There is one for an endpoint and a moment: another one takes its place.
struct ScheduledWord {
  wire::Destination destination;
  Time at{};
  std::optional<Word> word;  // none: the word that is in force then is taken back
  std::string by, reason;
  Time since{};                    // when it was scheduled
  std::optional<Duration> length;  // from `at` on; none: until it is taken back
  bool only_drain = false;         // without `word`: takes back a drain, and nothing else
};
// "drain", "up", "down"; "auto" or "undrain" for one that takes back.
const char* to_text(const ScheduledWord& scheduled);

// It was carried out.
struct ScheduledWordDone {
  wire::Destination destination;
  Time at{};
};
// All that were scheduled for an endpoint are taken back.
struct ScheduleTaken {
  wire::Destination destination;
};
// The health of what is probed; one of these takes the place of the one before.
struct HealthSeen {
  wire::Destination destination;
  std::uint16_t port = 0;
  std::string host, check;
  health::State state;
};
// Of all that is probed.
struct HealthForgotten {};
// Until when the daemon was there to see it, at least.
struct HealthSeenUntil {
  Time at{};
};

// A rollout as it stands now (rollout/record.hpp's text form); the newest of a name is the one that counts.
struct RolloutRecord {
  std::int64_t id = 0;
  std::string steer;
  std::string record;
};
inline constexpr std::int64_t rollouts_max = 10'000;  // that are kept

// A rolling upgrade as it stands now (rollout/rolling_record.hpp's text form); the newest of a pool counts.
struct RollingRecord {
  std::int64_t id = 0;
  std::string pool;
  std::string record;
};

// The event up to which a receiver has been told all that it wants to know; none: it is one no more.
struct ReceiverCursor {
  std::string receiver;
  std::optional<std::int64_t> event;
};

// Something that happened. Ids grow by one. Of health, what is among the newest `health_events_max` ids is
// kept, of all else what is among the newest `events_max`: thousands of endpoints that flap do not push out
// what operators did.
struct Event {
  std::int64_t id = 0;  // set by commit()
  Time at{};
  std::string who;      // "config", "health", or the user who gave the command
  std::string kind;     // "weight.set", "endpoint.down", ...
  std::string subject;  // steer, endpoint or pool
  std::string text;     // one sentence
  // What of it programs want to know, as a JSON object: rollout, step, from, to ... Empty: nothing.
  std::string details{};
};
inline constexpr std::int64_t events_max = 100'000, health_events_max = 10'000;
// The others are deleted by so many ids at once, so that there may be nearly as many more of either.
inline constexpr std::int64_t events_pruned_at_once = 64;
inline constexpr char who_health[] = "health";  // of the events of health; stands in the schema, too

using Change = std::variant<WeightOverride, WeightReset, RouteOverride, RouteReset, LayoutChange,
                            EndpointWord, EndpointWordTaken, ScheduledWord, ScheduledWordDone, ScheduleTaken,
                            HealthSeen, HealthForgotten, HealthSeenUntil, RolloutRecord, RollingRecord,
                            ReceiverCursor, SteerVersion, KeptTtl, KeptTtlOver>;

struct Saved {
  std::vector<WeightOverride> weights;
  std::vector<RouteOverride> routes;
  std::vector<LayoutChange> layouts;
  std::vector<EndpointWord> words;
  std::vector<ScheduledWord> scheduled;  // by endpoint, and then by time
  std::vector<HealthSeen> health;
  std::vector<RolloutRecord> rollouts;  // the newest of each name
  std::vector<RollingRecord> rollings;  // the newest of each pool
  std::vector<ReceiverCursor> receivers;
  std::vector<SteerVersion> versions;
  std::vector<KeptTtl> ttls;
  Time health_until{};
  HashKey sticky_key{};  // made at random when the store was created
};

// Not thread-safe: the control thread's.
class Store {
 public:
  // Opens or creates FOLDER/sluice.db; the folder is created with mode 0700 when it is missing. Fails when
  // another daemon has the store open (an exclusive lock on FOLDER/lock that ends with the process), when the
  // database is damaged, or was written by a newer version. One of an older version is brought up to date.
  static Result<Store> open(const std::string& folder);

  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  Result<Saved> load();

  // All or nothing, durable when it returns. Sets the events' ids. Waits a moment for another program that
  // writes to the database, but once for each that does so for long.
  //
  // `written`, if given, is called before it is durable, when it outlives the process, but neither a power
  // failure nor a failure of the commit, which may still come. It must not throw. It is not called when
  // nothing has to be synced, or the system's files are not what we know.
  Result<void> commit(const std::vector<Change>& changes, std::vector<Event>& events,
                      const std::function<void()>& written = {});

  // Whether the write-ahead log has grown so far that it should be brought into the database: work of some
  // milliseconds with several syncs, which no commit should wait for. Both may be called by another thread
  // than the rest. When nobody does, a commit does it, when the log is eight times as long. While another
  // program reads the database, neither can shorten the log: it grows until the reader is gone.
  bool checkpoint_due() const;
  void checkpoint();

  // The newest `limit` rollouts of a name, newest first.
  Result<std::vector<RolloutRecord>> rollouts(const std::string& steer, std::size_t limit);

  // The same of the rolling upgrades of a pool; none: of all pools.
  Result<std::vector<RollingRecord>> rollings(const std::optional<std::string>& pool, std::size_t limit);

  // The newest `limit` events with an id above `after`, oldest first.
  Result<std::vector<Event>> events(std::int64_t after, std::size_t limit);

  // The same of the oldest ones.
  Result<std::vector<Event>> oldest_events(std::int64_t after, std::size_t limit);

 private:
  struct Data;
  explicit Store(std::unique_ptr<Data> data);
  std::unique_ptr<Data> data_;
};

}  // namespace sluice::store
