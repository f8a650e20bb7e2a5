#include "store/store.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/chance.hpp"
#include "store/sqlite.hpp"

namespace sluice::store {
namespace {

// In the database's header: tells our files from other programs' databases, and versions of ours apart.
constexpr std::int64_t application_id = 0x536C7563;  // "Sluc"
constexpr std::int64_t schema_version = 10;

// When the log is copied into the database, and what is the most that it takes of the disk. While it is
// copied, commits wait for the disk some milliseconds: four times as seldom as by SQLite's own 1,000, and 16
// MiB are read within some 10 ms when a store is opened. While another program reads the database the log
// grows beyond its most, as what came after the reader's beginning has to stay. When the reader is gone, it
// is cut to `log_octets_max` again.
constexpr int log_pages_due = 4000, log_pages_max = 2 * log_pages_due;
constexpr int page_octets = 4096;  // SQLite's default, too
constexpr int log_octets_max = log_pages_max * page_octets;

// The log has this length from the start. A commit that makes a file longer syncs its inode, too: 0.30
// against 0.20 ms here.
constexpr int frame_octets = page_octets + 24, log_octets_least = 32 + log_pages_due * frame_octets;

// Of an older file, what came after its version is carried out when it is opened.
struct SchemaStep {
  std::int64_t since;
  const char* statement;
};
constexpr SchemaStep schema[] = {
    {1, "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID"},
    {1,
     "CREATE TABLE weights (steer TEXT NOT NULL, position INTEGER NOT NULL, pool TEXT NOT NULL, weight REAL "
     "NOT NULL,"
     " who TEXT NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (steer, position)) STRICT, WITHOUT ROWID"},
    {1, "CREATE TABLE layouts (steer TEXT PRIMARY KEY, layout TEXT NOT NULL) STRICT, WITHOUT ROWID"},
    {1,
     "CREATE TABLE words (address TEXT PRIMARY KEY, word TEXT NOT NULL, who TEXT NOT NULL, reason TEXT NOT "
     "NULL,"
     " since INTEGER NOT NULL, until INTEGER) STRICT, WITHOUT ROWID"},
    {2,
     "CREATE TABLE health (address TEXT NOT NULL, port INTEGER NOT NULL, host TEXT NOT NULL, probe TEXT NOT "
     "NULL, verdict TEXT NOT NULL,"
     " since INTEGER NOT NULL, serving_since INTEGER NOT NULL, successes INTEGER NOT NULL, failures INTEGER "
     "NOT NULL,"
     " falls INTEGER NOT NULL, held_until INTEGER NOT NULL, warm_since INTEGER NOT NULL, share REAL NOT NULL,"
     " success INTEGER NOT NULL, detail TEXT NOT NULL, took INTEGER NOT NULL, at INTEGER NOT NULL,"
     " PRIMARY KEY (address, port, host, probe)) STRICT, WITHOUT ROWID"},
    {2,
     "CREATE TABLE schedule (address TEXT NOT NULL, at INTEGER NOT NULL, word TEXT NOT NULL, who TEXT NOT "
     "NULL,"
     " reason TEXT NOT NULL, since INTEGER NOT NULL, length INTEGER, PRIMARY KEY (address, at)) STRICT, "
     "WITHOUT "
     "ROWID"},
    {1,
     "CREATE TABLE events (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, kind TEXT NOT "
     "NULL,"
     " subject TEXT NOT NULL, text TEXT NOT NULL) STRICT"},
    {3, "CREATE TABLE rollouts (id INTEGER PRIMARY KEY, steer TEXT NOT NULL, record TEXT NOT NULL) STRICT"},
    {3, "CREATE INDEX rollouts_of_steer ON rollouts (steer, id)"},
    {4, "CREATE INDEX health_events ON events (id) WHERE who = 'health'"},
    {5, "CREATE TABLE rollings (id INTEGER PRIMARY KEY, pool TEXT NOT NULL, record TEXT NOT NULL) STRICT"},
    {5, "CREATE INDEX rollings_of_pool ON rollings (pool, id)"},
    {6, "ALTER TABLE events ADD COLUMN details TEXT NOT NULL DEFAULT ''"},
    {6, "CREATE TABLE receivers (name TEXT PRIMARY KEY, event INTEGER NOT NULL) STRICT, WITHOUT ROWID"},
    {7,
     "CREATE TABLE versions (steer TEXT PRIMARY KEY, version INTEGER NOT NULL, who TEXT NOT NULL, at INTEGER "
     "NOT NULL,"
     " text TEXT NOT NULL) STRICT, WITHOUT ROWID"},
    {8,
     "CREATE TABLE routes (steer TEXT NOT NULL, class TEXT NOT NULL, pool TEXT NOT NULL, who TEXT NOT NULL,"
     " since INTEGER NOT NULL, PRIMARY KEY (steer, class)) STRICT, WITHOUT ROWID"},
    {9,
     "CREATE TABLE beneath (address TEXT NOT NULL, position INTEGER NOT NULL, word TEXT NOT NULL, who TEXT "
     "NOT NULL,"
     " reason TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER, PRIMARY KEY (address, position)) STRICT, "
     "WITHOUT ROWID"},
    {10,
     "CREATE TABLE ttls (steer TEXT NOT NULL, ttl INTEGER NOT NULL, until INTEGER, PRIMARY KEY (steer, ttl))"
     " STRICT, WITHOUT ROWID"},
};

std::string system_words(int number) { return std::generic_category().message(number); }

Error unavailable(std::string message) { return {ErrorCode::unavailable, std::move(message)}; }

// ---- Files
// -----------------------------------------------------------------------------------------------------

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  int get() const { return number_; }

 private:
  int number_;
};

// Opens a regular file of ours, created when it is missing. A symbolic link in its place is refused: with a
// daemon that starts as root it could lead anywhere.
Result<Descriptor> open_file(const std::string& path) {
  Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600));
  if (file.get() < 0 && errno == ELOOP)
    return Error{ErrorCode::refused, fmt::format("'{}' is a symbolic link; remove it", path)};
  if (file.get() < 0) return unavailable(fmt::format("cannot open '{}': {}", path, system_words(errno)));
  struct stat status {};
  if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode))
    return Error{ErrorCode::refused, fmt::format("'{}' is not a regular file; move it away", path)};
  return file;
}

// Makes the folder's entries durable: without it a new file may be gone after a power failure.
Result<void> sync_folder(const std::string& folder) {
  const Descriptor opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() < 0 || fsync(opened.get()) != 0)
    return unavailable(fmt::format("cannot sync the folder '{}': {}", folder, system_words(errno)));
  return {};
}

// Returns the folder's path without symbolic links: SQLite refuses them anywhere in a path, but a link to the
// folder is the operator's choice.
Result<std::string> make_folder(const std::string& folder) {
  const bool made = mkdir(folder.c_str(), 0700) == 0;
  if (!made && errno != EEXIST)
    return unavailable(fmt::format("cannot create the state folder '{}': {}", folder, system_words(errno)));
  std::error_code failure;
  const auto path = std::filesystem::canonical(folder, failure);
  if (failure)
    return unavailable(fmt::format("cannot open the state folder '{}': {}", folder, failure.message()));
  if (made) {
    if (auto synced = sync_folder(path.parent_path().string()); !synced) return synced.error();
  }
  return path.string();
}

// The lock ends with the process, however it ends.
Result<Descriptor> lock_folder(const std::string& folder) {
  auto file = open_file(folder + "/lock");
  if (!file) return file;
  if (flock(file->get(), LOCK_EX | LOCK_NB) == 0) return file;
  if (errno != EWOULDBLOCK)
    return unavailable(fmt::format("cannot lock '{}/lock': {}", folder, system_words(errno)));
  return Error{
      ErrorCode::refused,
      fmt::format("the state folder '{}' is in use by another daemon (it holds the lock on '{}/lock')",
                  folder, folder)};
}

// ---- The database as a whole
// -----------------------------------------------------------------------------------

std::int64_t read_integer(const Database& database, std::string_view sql) {
  Statement row(database, sql);
  return row.next() ? row.integer(0) : 0;
}

std::string read_text(const Database& database, std::string_view sql) {
  Statement row(database, sql);
  return row.next() ? row.text(0) : std::string();
}

std::array<std::uint8_t, sizeof(HashKey)> random_key() {
  std::array<std::uint8_t, sizeof(HashKey)> octets{};
  if (!fill_with_chance(octets))
    throw Failure{SQLITE_IOERR, "no random numbers from the system: " + system_words(errno)};
  return octets;
}

void set_schema_version(const Database& database) {
  execute(database, fmt::format("PRAGMA user_version = {}", schema_version).c_str());
}

// In WAL mode only FULL syncs each commit.
void sync_each_commit(const Database& database) { execute(database, "PRAGMA synchronous = FULL"); }

// One transaction: a process that is killed in here leaves an empty database, and that is created again.
void create_schema(const Database& database) {
  execute(database, "BEGIN IMMEDIATE");
  for (const auto& step : schema) execute(database, step.statement);
  const auto key = random_key();
  execute(database, "INSERT INTO meta VALUES ('sticky_key', ?)", std::span<const std::uint8_t>(key));
  // A pragma takes no bound values.
  execute(database, fmt::format("PRAGMA application_id = {}", application_id).c_str());
  set_schema_version(database);
  execute(database, "COMMIT");
}

void upgrade_schema(const Database& database, std::int64_t from) {
  execute(database, "BEGIN IMMEDIATE");
  for (const auto& step : schema)
    if (step.since > from) execute(database, step.statement);
  set_schema_version(database);
  execute(database, "COMMIT");
}

enum class Origin : std::uint8_t { empty, ours, older, newer, foreign };

Origin origin_of(const Database& database) {
  const auto application = read_integer(database, "PRAGMA application_id");
  const auto version = read_integer(database, "PRAGMA user_version");
  if (application == application_id && version > schema_version) return Origin::newer;
  if (application == application_id && version == schema_version) return Origin::ours;
  if (application == application_id && version > 0) return Origin::older;
  const bool empty =
      application == 0 && version == 0 && read_integer(database, "SELECT count(*) FROM sqlite_schema") == 0;
  return empty ? Origin::empty : Origin::foreign;
}

void set_up(const Database& database) {
  if (read_text(database, "PRAGMA journal_mode = WAL") != "wal")
    throw Failure{SQLITE_IOERR, "the file system does not allow a write-ahead log"};
  sync_each_commit(database);
  execute(database, fmt::format("PRAGMA journal_size_limit = {}", log_octets_max).c_str());
}

Error damaged(const std::string& path, const std::string& reason) {
  return unavailable(
      fmt::format("'{}' is damaged ({}); restore it from a backup, or move it away to start with the "
                  "weights and words of the config",
                  path, reason));
}

Error to_error(const Failure& failure, const std::string& path, const char* deed) {
  if (failure.code == SQLITE_CORRUPT || failure.code == SQLITE_NOTADB) return damaged(path, failure.reason);
  if (failure.code == SQLITE_BUSY)
    return unavailable(fmt::format("cannot {} '{}': another program holds it ({}); try again when it is done",
                                   deed, path, failure.reason));
  return unavailable(fmt::format("cannot {} '{}': {}", deed, path, failure.reason));
}

// Nothing is written before the file is known to be ours.
Result<Database> prepare(const std::string& path) {
  try {
    Database database = open_database(path);
    const Origin origin = origin_of(database);
    switch (origin) {
      case Origin::empty:
      case Origin::ours:
      case Origin::older:
        break;
      case Origin::newer:
        return Error{
            ErrorCode::refused,
            fmt::format(
                "'{}' was written by a newer version (its schema is {}, this one knows {}); start that "
                "version, or move the file away",
                path, read_integer(database, "PRAGMA user_version"), schema_version)};
      case Origin::foreign:
        return Error{ErrorCode::refused,
                     fmt::format("'{}' is a database of another program; move it away", path)};
    }
    const auto health = read_text(database, "PRAGMA quick_check(1)");
    if (health != "ok") return damaged(path, health);
    set_up(database);
    if (origin == Origin::empty) create_schema(database);
    if (origin == Origin::older) upgrade_schema(database, read_integer(database, "PRAGMA user_version"));
    execute(database, "BEGIN IMMEDIATE");
    lengthen_log(database, log_octets_least);
    watch_log(database);
    execute(database, "COMMIT");
    return database;
  } catch (const Failure& failure) {
    return to_error(failure, path, "open");
  }
}

// A second connection to what prepare() has found to be in order.
Result<Database> open_beside(const std::string& path) {
  try {
    Database database = open_database(path);
    read_integer(database, "PRAGMA user_version");  // what opens the log, too
    return database;
  } catch (const Failure& failure) {
    return to_error(failure, path, "open");
  }
}

// ---- Values
// ----------------------------------------------------------------------------------------------------

std::int64_t to_number(Time time) { return time.time_since_epoch().count(); }
Time to_time(std::int64_t number) { return Time(Duration(number)); }

std::optional<std::int64_t> to_number(std::optional<Time> time) {
  return time ? std::optional(to_number(*time)) : std::nullopt;
}

Word to_word(const std::string& text) {
  for (const Word word : {Word::drain, Word::up, Word::down})
    if (text == to_text(word)) return word;
  throw Failure{SQLITE_CORRUPT, fmt::format("unknown word '{}' about an endpoint", text)};
}

wire::Destination to_destination(const std::string& text) {
  auto destination = wire::parse_destination(text);
  if (!destination) throw Failure{SQLITE_CORRUPT, destination.error().message};
  return *std::move(destination);
}

// ---- Reading
// ---------------------------------------------------------------------------------------------------

std::vector<WeightOverride> load_weights(const Database& database) {
  std::vector<WeightOverride> weights;
  Statement row(database, "SELECT steer, pool, weight, who, since FROM weights ORDER BY steer, position");
  while (row.next()) {
    auto steer = row.text(0);
    if (weights.empty() || weights.back().steer != steer)
      weights.push_back({std::move(steer), {}, row.text(3), to_time(row.integer(4))});
    weights.back().pools.push_back({row.text(1), row.real(2)});
  }
  return weights;
}

std::vector<RouteOverride> load_routes(const Database& database) {
  std::vector<RouteOverride> routes;
  Statement row(database, "SELECT steer, class, pool, who, since FROM routes ORDER BY steer, class");
  while (row.next())
    routes.push_back({row.text(0), row.text(1), row.text(2), row.text(3), to_time(row.integer(4))});
  return routes;
}

std::vector<LayoutChange> load_layouts(const Database& database) {
  std::vector<LayoutChange> layouts;
  Statement row(database, "SELECT steer, layout FROM layouts ORDER BY steer");
  while (row.next()) layouts.push_back({row.text(0), row.text(1)});
  return layouts;
}

EndpointWord read_word(const Statement& row) {
  const auto until = row.optional_integer(5);
  return {to_destination(row.text(0)),
          to_word(row.text(1)),
          row.text(2),
          row.text(3),
          to_time(row.integer(4)),
          until ? std::optional(to_time(*until)) : std::nullopt};
}

std::vector<EndpointWord> load_words(const Database& database) {
  std::vector<EndpointWord> words;
  Statement row(database, "SELECT address, word, who, reason, since, until FROM words ORDER BY address");
  while (row.next()) words.push_back(read_word(row));
  // In the same order; nothing lies beneath no word.
  Statement below(database,
                  "SELECT address, word, who, reason, since, until FROM beneath ORDER BY address, position");
  for (auto over = words.begin(); below.next();) {
    auto word = read_word(below);
    over = std::find_if(over, words.end(),
                        [&](const EndpointWord& one) { return one.destination == word.destination; });
    if (over == words.end()) throw Failure{SQLITE_CORRUPT, "a word lies beneath none"};
    over->beneath.push_back(std::move(word));
  }
  return words;
}

health::Verdict to_verdict(const std::string& text) {
  const auto verdict = health::parse_verdict(text);
  if (!verdict) throw Failure{SQLITE_CORRUPT, fmt::format("unknown verdict '{}' of an endpoint", text)};
  return *verdict;
}

std::vector<HealthSeen> load_health(const Database& database) {
  std::vector<HealthSeen> all;
  Statement row(database,
                "SELECT address, port, host, probe, verdict, since, serving_since, successes, failures, "
                "falls, held_until,"
                " warm_since, share, success, detail, took, at FROM health");
  while (row.next()) {
    HealthSeen seen{to_destination(row.text(0)),
                    static_cast<std::uint16_t>(row.integer(1)),
                    row.text(2),
                    row.text(3),
                    {}};
    auto& state = seen.state;
    state.verdict = to_verdict(row.text(4));
    state.since = to_time(row.integer(5));
    state.serving_since = to_time(row.integer(6));
    state.successes = static_cast<unsigned>(row.integer(7));
    state.failures = static_cast<unsigned>(row.integer(8));
    state.falls = static_cast<unsigned>(row.integer(9));
    state.held_until = to_time(row.integer(10));
    state.warm_since = to_time(row.integer(11));
    state.share = row.real(12);
    state.last.success = row.integer(13) != 0;
    state.last.detail = row.text(14);
    state.last.took = Duration(row.integer(15));
    state.last_at = to_time(row.integer(16));
    all.push_back(std::move(seen));
  }
  return all;
}

Time load_health_until(const Database& database) {
  Statement row(database, "SELECT value FROM meta WHERE key = 'health_until'");
  std::int64_t number = 0;
  const auto octets = row.next() ? row.text(0) : std::string();
  if (octets.size() == sizeof number) std::memcpy(&number, octets.data(), sizeof number);
  return to_time(number);
}

// What scheduled words are called that take back another.
constexpr const char *word_auto = "auto", *word_undrain = "undrain";

std::vector<ScheduledWord> load_schedule(const Database& database) {
  std::vector<ScheduledWord> scheduled;
  Statement row(database,
                "SELECT address, at, word, who, reason, since, length FROM schedule ORDER BY address, at");
  while (row.next()) {
    const auto word = row.text(2);
    const bool only_drain = word == word_undrain;
    const auto length = row.optional_integer(6);
    scheduled.push_back({to_destination(row.text(0)), to_time(row.integer(1)),
                         only_drain || word == word_auto ? std::nullopt : std::optional(to_word(word)),
                         row.text(3), row.text(4), to_time(row.integer(5)),
                         length ? std::optional(Duration(*length)) : std::nullopt, only_drain});
  }
  return scheduled;
}

RolloutRecord read_rollout(const Statement& row) { return {row.integer(0), row.text(1), row.text(2)}; }

std::vector<RolloutRecord> load_rollouts(const Database& database) {
  std::vector<RolloutRecord> result;
  Statement rows(
      database,
      "SELECT id, steer, record FROM rollouts WHERE id IN (SELECT max(id) FROM rollouts GROUP BY steer)");
  while (rows.next()) result.push_back(read_rollout(rows));
  return result;
}

std::vector<RolloutRecord> load_rollouts_of(const Database& database, const std::string& steer,
                                            std::size_t limit) {
  std::vector<RolloutRecord> result;
  Statement rows(database, "SELECT id, steer, record FROM rollouts WHERE steer = ? ORDER BY id DESC LIMIT ?",
                 steer, static_cast<std::int64_t>(limit));
  while (rows.next()) result.push_back(read_rollout(rows));
  return result;
}

std::vector<RollingRecord> read_rollings(Statement rows) {
  std::vector<RollingRecord> result;
  while (rows.next()) result.push_back({rows.integer(0), rows.text(1), rows.text(2)});
  return result;
}

std::vector<RollingRecord> load_rollings(const Database& database) {
  return read_rollings(Statement(
      database,
      "SELECT id, pool, record FROM rollings WHERE id IN (SELECT max(id) FROM rollings GROUP BY pool)"));
}

std::vector<RollingRecord> load_rollings_of(const Database& database, const std::optional<std::string>& pool,
                                            std::size_t limit) {
  const auto most = static_cast<std::int64_t>(limit);
  if (!pool)
    return read_rollings(
        Statement(database, "SELECT id, pool, record FROM rollings ORDER BY id DESC LIMIT ?", most));
  return read_rollings(
      Statement(database, "SELECT id, pool, record FROM rollings WHERE pool = ? ORDER BY id DESC LIMIT ?",
                *pool, most));
}

std::vector<SteerVersion> load_versions(const Database& database) {
  std::vector<SteerVersion> versions;
  Statement row(database, "SELECT steer, version, who, at, text FROM versions");
  while (row.next())
    versions.push_back({row.text(0), row.integer(1), row.text(2), to_time(row.integer(3)), row.text(4)});
  return versions;
}

std::vector<KeptTtl> load_ttls(const Database& database) {
  std::vector<KeptTtl> ttls;
  Statement row(database, "SELECT steer, ttl, until FROM ttls");
  while (row.next()) {
    const auto until = row.optional_integer(2);
    ttls.push_back(
        {row.text(0), Duration(row.integer(1)), until ? std::optional(to_time(*until)) : std::nullopt});
  }
  return ttls;
}

HashKey load_sticky_key(const Database& database) {
  const auto octets = read_text(database, "SELECT value FROM meta WHERE key = 'sticky_key'");
  HashKey key{};
  if (octets.size() != sizeof key) throw Failure{SQLITE_CORRUPT, "the key of sticky steers is missing"};
  std::memcpy(key.data(), octets.data(), sizeof key);
  return key;
}

std::vector<ReceiverCursor> load_receivers(const Database& database) {
  std::vector<ReceiverCursor> receivers;
  Statement row(database, "SELECT name, event FROM receivers");
  while (row.next()) receivers.push_back({row.text(0), row.integer(1)});
  return receivers;
}

// `order`: ASC or DESC, by id.
std::vector<Event> load_events(const Database& database, std::int64_t after, std::size_t limit,
                               std::string_view order) {
  std::vector<Event> events;
  const auto most = static_cast<std::int64_t>(std::min<std::size_t>(limit, events_max));
  const auto query = fmt::format(
      "SELECT id, at, who, kind, subject, text, details FROM events WHERE id > ? ORDER BY id {} LIMIT ?",
      order);
  Statement row(database, query, after, most);
  while (row.next()) {
    events.push_back({row.integer(0), to_time(row.integer(1)), row.text(2), row.text(3), row.text(4),
                      row.text(5), row.text(6)});
  }
  return events;
}

// ---- Writing
// ---------------------------------------------------------------------------------------------------

void write(const Database& database, const WeightReset& change) {
  execute(database, "DELETE FROM weights WHERE steer = ?", change.steer);
}

void write(const Database& database, const WeightOverride& change) {
  write(database, WeightReset{change.steer});
  std::int64_t position = 0;
  for (const auto& [pool, weight] : change.pools) {
    execute(database,
            "INSERT INTO weights (steer, position, pool, weight, who, since) VALUES (?, ?, ?, ?, ?, ?)",
            change.steer, position++, pool, weight, change.by, to_number(change.since));
  }
}

void write(const Database& database, const RouteOverride& change) {
  execute(database, "REPLACE INTO routes (steer, class, pool, who, since) VALUES (?, ?, ?, ?, ?)",
          change.steer, change.client_class, change.pool, change.by, to_number(change.since));
}

void write(const Database& database, const RouteReset& change) {
  execute(database, "DELETE FROM routes WHERE steer = ? AND class = ?", change.steer, change.client_class);
}

void write(const Database& database, const LayoutChange& change) {
  execute(database, "REPLACE INTO layouts (steer, layout) VALUES (?, ?)", change.steer, change.layout);
}

void write(const Database& database, const EndpointWordTaken& change) {
  for (const auto* statement :
       {"DELETE FROM words WHERE address = ?", "DELETE FROM beneath WHERE address = ?"})
    execute(database, statement, wire::to_text(change.destination));
}

void write(const Database& database, const EndpointWord& change) {
  write(database, EndpointWordTaken{change.destination});
  execute(database, "INSERT INTO words (address, word, who, reason, since, until) VALUES (?, ?, ?, ?, ?, ?)",
          wire::to_text(change.destination), std::string_view(to_text(change.word)), change.by, change.reason,
          to_number(change.since), to_number(change.until));
  std::int64_t position = 0;
  for (const auto& word : change.beneath)
    execute(database,
            "INSERT INTO beneath (address, position, word, who, reason, since, until) VALUES (?, ?, ?, ?, ?, "
            "?, ?)",
            wire::to_text(change.destination), position++, std::string_view(to_text(word.word)), word.by,
            word.reason, to_number(word.since), to_number(word.until));
}

void write(const Database& database, const HealthSeen& seen) {
  const auto& state = seen.state;
  execute(database,
          "REPLACE INTO health (address, port, host, probe, verdict, since, serving_since, successes, "
          "failures, falls,"
          " held_until, warm_since, share, success, detail, took, at)"
          " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
          wire::to_text(seen.destination), std::int64_t{seen.port}, seen.host, seen.check,
          std::string_view(health::to_text(state.verdict)), to_number(state.since),
          to_number(state.serving_since), std::int64_t{state.successes}, std::int64_t{state.failures},
          std::int64_t{state.falls}, to_number(state.held_until), to_number(state.warm_since), state.share,
          std::int64_t{state.last.success ? 1 : 0}, state.last.detail, state.last.took.count(),
          to_number(state.last_at));
}

void write(const Database& database, const HealthForgotten&) { execute(database, "DELETE FROM health"); }

void write(const Database& database, const HealthSeenUntil& seen) {
  const auto number = to_number(seen.at);
  std::array<std::uint8_t, sizeof number> octets;
  std::memcpy(octets.data(), &number, sizeof number);
  execute(database, "REPLACE INTO meta VALUES ('health_until', ?)", std::span<const std::uint8_t>(octets));
}

void write(const Database& database, const ScheduledWord& change) {
  const auto length = change.length ? std::optional<std::int64_t>(change.length->count()) : std::nullopt;
  execute(
      database,
      "REPLACE INTO schedule (address, at, word, who, reason, since, length) VALUES (?, ?, ?, ?, ?, ?, ?)",
      wire::to_text(change.destination), to_number(change.at), std::string_view(to_text(change)), change.by,
      change.reason, to_number(change.since), length);
}

void write(const Database& database, const ScheduledWordDone& change) {
  execute(database, "DELETE FROM schedule WHERE address = ? AND at = ?", wire::to_text(change.destination),
          to_number(change.at));
}

void write(const Database& database, const ScheduleTaken& change) {
  execute(database, "DELETE FROM schedule WHERE address = ?", wire::to_text(change.destination));
}

void write(const Database& database, const RolloutRecord& change) {
  execute(database, "REPLACE INTO rollouts (id, steer, record) VALUES (?, ?, ?)", change.id, change.steer,
          change.record);
  // The newest of each name stays, however old it is.
  execute(
      database,
      "DELETE FROM rollouts WHERE id <= ? - ? AND id NOT IN (SELECT max(id) FROM rollouts GROUP BY steer)",
      change.id, rollouts_max);
}

void write(const Database& database, const RollingRecord& change) {
  execute(database, "REPLACE INTO rollings (id, pool, record) VALUES (?, ?, ?)", change.id, change.pool,
          change.record);
  // The newest of each pool stays, however old it is.
  execute(database,
          "DELETE FROM rollings WHERE id <= ? - ? AND id NOT IN (SELECT max(id) FROM rollings GROUP BY pool)",
          change.id, rollouts_max);
}

void write(const Database& database, const ReceiverCursor& change) {
  if (change.event)
    execute(database, "REPLACE INTO receivers (name, event) VALUES (?, ?)", change.receiver, *change.event);
  else
    execute(database, "DELETE FROM receivers WHERE name = ?", change.receiver);
}

void write(const Database& database, const SteerVersion& change) {
  execute(database, "REPLACE INTO versions (steer, version, who, at, text) VALUES (?, ?, ?, ?, ?)",
          change.steer, change.version, change.by, to_number(change.at), change.text);
}

void write(const Database& database, const KeptTtl& change) {
  execute(database, "REPLACE INTO ttls (steer, ttl, until) VALUES (?, ?, ?)", change.steer,
          std::int64_t{change.ttl.count()}, to_number(change.until));
}

void write(const Database& database, const KeptTtlOver& change) {
  execute(database, "DELETE FROM ttls WHERE steer = ? AND ttl = ?", change.steer,
          std::int64_t{change.ttl.count()});
}

// By ids alone, so that it does not matter who has written the ones before.
bool is_prune_due(std::int64_t last_id, std::size_t added) {
  return last_id / events_pruned_at_once !=
         (last_id - static_cast<std::int64_t>(added)) / events_pruned_at_once;
}

void append(const Database& database, const std::vector<Event>& events) {
  for (const auto& event : events) {
    execute(database, "INSERT INTO events (at, who, kind, subject, text, details) VALUES (?, ?, ?, ?, ?, ?)",
            to_number(event.at), event.who, event.kind, event.subject, event.text, event.details);
  }
  const std::int64_t last_id = sqlite3_last_insert_rowid(database.get());
  if (!is_prune_due(last_id, events.size())) return;
  // Ids are without gaps: the oldest ones are a range at the start of the table.
  execute(database, "DELETE FROM events WHERE id <= ?", last_id - events_max);
  // By the index, which has the oldest of health at its start: before them may be many of others.
  execute(database,
          "DELETE FROM events INDEXED BY health_events"
          " WHERE who = 'health' AND id <= ?",
          last_id - health_events_max);
}

// Ends a transaction that failed. When it was the sync that failed, the log may hold all of it already, and
// would bring it back after a crash. A transaction that changes nothing takes its place in the log; NORMAL,
// so that it needs no sync itself.
void take_back(const Database& database) noexcept {
  try {
    if (sqlite3_get_autocommit(database.get()) == 0) execute(database, "ROLLBACK");
    execute(database, "PRAGMA synchronous = NORMAL");
    set_schema_version(database);
  } catch (const Failure&) {
    // No space even for this: then there was none for the end of the failed one either.
  }
}

void checkpoint_log(sqlite3* database) {
  sqlite3_wal_checkpoint_v2(database, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
}

// SQLite's own hook would checkpoint in the commit that makes the log too long. What fails here is tried
// again, and the commit has succeeded all the same.
int note_log(void* log_pages, sqlite3* database, const char*, int pages) {
  if (pages >= log_pages_max) checkpoint_log(database);
  static_cast<std::atomic<int>*>(log_pages)->store(pages, std::memory_order_relaxed);
  return SQLITE_OK;
}

}  // namespace

const char* to_text(Word word) {
  switch (word) {
    case Word::drain:
      return "drain";
    case Word::up:
      return "up";
    case Word::down:
      return "down";
  }
  return "";
}

const char* to_text(const ScheduledWord& scheduled) {
  if (scheduled.word) return to_text(*scheduled.word);
  return scheduled.only_drain ? word_undrain : word_auto;
}

struct Store::Data {
  Descriptor lock;  // first: given up last
  std::string path;
  Database database;
  Database beside;                 // checkpoint()'s own: one connection is for one thread at a time
  bool relaxed = false;            // take_back() has made commits that are not synced
  std::atomic<int> log_pages = 0;  // as the last commit left it
};

Store::Store(std::unique_ptr<Data> data) : data_(std::move(data)) {
  sqlite3_wal_hook(data_->database.get(), note_log, &data_->log_pages);
}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Result<Store> Store::open(const std::string& folder) {
  const auto path = make_folder(folder);
  if (!path) return path.error();
  auto lock = lock_folder(*path);
  if (!lock) return lock.error();
  const std::string file = *path + "/sluice.db";
  // Created here and not by SQLite: with mode 0600, and never through a symbolic link.
  if (const auto created = open_file(file); !created) return created.error();
  auto database = prepare(file);
  if (!database) return database.error();
  auto beside = open_beside(file);
  if (!beside) return beside.error();
  if (const auto synced = sync_folder(*path); !synced) return synced.error();
  // Brace-initialised in place: the atomic cannot be moved.
  return Store(
      std::unique_ptr<Data>(new Data{std::move(*lock), file, std::move(*database), std::move(*beside)}));
}

Result<Saved> Store::load() {
  try {
    const auto& database = data_->database;
    return Saved{load_weights(database),   load_routes(database),   load_layouts(database),
                 load_words(database),     load_schedule(database), load_health(database),
                 load_rollouts(database),  load_rollings(database), load_receivers(database),
                 load_versions(database),  load_ttls(database),     load_health_until(database),
                 load_sticky_key(database)};
  } catch (const Failure& failure) {
    return to_error(failure, data_->path, "read");
  }
}

Result<void> Store::commit(const std::vector<Change>& changes, std::vector<Event>& events,
                           const std::function<void()>& written) {
  if (changes.empty() && events.empty()) return {};
  const auto& database = data_->database;
  try {
    if (data_->relaxed) sync_each_commit(database);
    data_->relaxed = false;
    execute(database, "BEGIN IMMEDIATE");
    for (const auto& change : changes) std::visit([&](const auto& one) { write(database, one); }, change);
    if (!events.empty()) append(database, events);
    const WhenWritten telling(written);
    execute(database, "COMMIT");
    wait_when_busy(database, true);
  } catch (const Failure& failure) {
    // Who holds it for long is waited for once: much may be tried meanwhile that is to be stored.
    wait_when_busy(database, failure.code != SQLITE_BUSY);
    take_back(database);
    data_->relaxed = true;
    return to_error(failure, data_->path, "write to");
  }
  std::int64_t id = sqlite3_last_insert_rowid(database.get());
  for (auto event = events.rbegin(); event != events.rend(); ++event) event->id = id--;
  return {};
}

bool Store::checkpoint_due() const {
  return data_->log_pages.load(std::memory_order_relaxed) >= log_pages_due;
}

void Store::checkpoint() {
  // Not without commits meanwhile, perhaps: then the log goes on, and this is due again with the next one.
  checkpoint_log(data_->beside.get());
  data_->log_pages.store(0, std::memory_order_relaxed);
}

Result<std::vector<RolloutRecord>> Store::rollouts(const std::string& steer, std::size_t limit) {
  try {
    return load_rollouts_of(data_->database, steer, limit);
  } catch (const Failure& failure) {
    return to_error(failure, data_->path, "read");
  }
}

Result<std::vector<RollingRecord>> Store::rollings(const std::optional<std::string>& pool,
                                                   std::size_t limit) {
  try {
    return load_rollings_of(data_->database, pool, limit);
  } catch (const Failure& failure) {
    return to_error(failure, data_->path, "read");
  }
}

Result<std::vector<Event>> Store::events(std::int64_t after, std::size_t limit) {
  try {
    auto events = load_events(data_->database, after, limit, "DESC");
    std::reverse(events.begin(), events.end());
    return events;
  } catch (const Failure& failure) {
    return to_error(failure, data_->path, "read");
  }
}

Result<std::vector<Event>> Store::oldest_events(std::int64_t after, std::size_t limit) {
  try {
    return load_events(data_->database, after, limit, "ASC");
  } catch (const Failure& failure) {
    return to_error(failure, data_->path, "read");
  }
}

}  // namespace sluice::store
