// The store against real files: what survives, what is refused, and what a failure or a kill leaves behind.
#include "store/store.hpp"

#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <random>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace sluice;
using namespace sluice::store;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

std::atomic<bool> sync_fails = false;
std::atomic<int> syncs = 0;

}  // namespace

// SQLite's syncs come here: a disk that fails at this moment cannot be had otherwise without being root.
extern "C" int fdatasync(int descriptor) {
  ++syncs;
  if (!sync_fails) return static_cast<int>(syscall(SYS_fdatasync, descriptor));
  errno = EIO;
  return -1;
}

namespace {

// A folder of its own for each test, gone at its end.
class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "sluice-store-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string state() const { return path_ + "/state"; }  // not created yet
  std::string file(const char* name) const { return state() + "/" + name; }
  std::string beside(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

Store open_store(const std::string& folder) {
  auto store = Store::open(folder);
  if (!store) FAIL(store.error().message);
  return std::move(*store);
}

Address address(const char* text) { return *parse_address(text); }
Time at_second(std::int64_t second) { return Time(std::chrono::seconds(1'800'000'000 + second)); }

Event event(std::string text) {
  return {0, at_second(7), "root", "weight.set", "www.shop.example.", std::move(text)};
}

// Commits with an event for each text.
bool commit(Store& store, const std::vector<Change>& changes, const std::vector<std::string>& texts = {}) {
  std::vector<Event> events;
  for (const auto& text : texts) events.push_back(event(text));
  return store.commit(changes, events).has_value();
}

std::string show(const Saved& saved) {
  std::string text;
  for (const auto& [steer, pools, by, since] : saved.weights) {
    text += fmt::format("weights {} by {} since {}:", steer, by, to_text(since));
    for (const auto& [pool, weight] : pools) text += fmt::format(" {}={:a}", pool, weight);
    text += "\n";
  }
  for (const auto& [steer, client_class, pool, by, since] : saved.routes)
    text +=
        fmt::format("route {} {} -> '{}' by {} since {}\n", steer, client_class, pool, by, to_text(since));
  for (const auto& [steer, layout] : saved.layouts) text += fmt::format("layout {}: {}\n", steer, layout);
  for (const auto& [where, word, by, reason, since, until, beneath] : saved.words) {
    text += fmt::format("word {} {} by {} ({}) since {} until {}\n", to_text(where), to_text(word), by,
                        reason, to_text(since), until ? to_text(*until) : "taken back");
    for (const auto& one : beneath)
      text += fmt::format("  then {} by {} ({}) since {} until {}\n", to_text(one.word), one.by, one.reason,
                          to_text(one.since), one.until ? to_text(*one.until) : "taken back");
  }
  for (const auto& one : saved.scheduled) {
    text += fmt::format("at {} {} {} for {} by {} ({}) since {}\n", to_text(one.at), to_text(one.destination),
                        to_text(one), one.length ? to_text(*one.length) : "ever", one.by, one.reason,
                        to_text(one.since));
  }
  for (const auto& [id, steer, record] : saved.rollouts)
    text += fmt::format("rollout {} of {}: {}\n", id, steer, record);
  for (const auto& [id, pool, record] : saved.rollings)
    text += fmt::format("rolling {} of {}: {}\n", id, pool, record);
  for (const auto& [name, last] : saved.receivers) text += fmt::format("{} was told {}\n", name, *last);
  for (const auto& [steer, version, by, at, did] : saved.versions)
    text += fmt::format("version {} of {} by {} at {}: {}\n", version, steer, by, to_text(at), did);
  return text;
}

// All that a store holds, for a comparison.
std::string show(Store& store) {
  const auto saved = store.load();
  if (!saved) return saved.error().message;
  std::string text = show(*saved);
  const auto events = store.events(0, events_max);
  if (!events) return events.error().message;
  for (const auto& [id, at, who, kind, subject, words, details] : *events)
    text += fmt::format("event {} {} {} {} {}: {}{}\n", id, to_text(at), who, kind, subject, words, details);
  return text;
}

void write_file(const std::string& path, const std::string& octets) {
  std::ofstream(path, std::ios::binary) << octets;
}

// Changes a store's database behind its back, while it is closed.
void alter(const std::string& file, const char* sql) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &database) == SQLITE_OK);
  REQUIRE(sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(database);
}

const std::vector<Change> example_changes = {
    WeightOverride{
        "www.shop.example.", {{"zeta", 0.1}, {"alpha", 1.0 / 3}, {"mid", 0}}, "root", at_second(1)},
    WeightOverride{
        "api.shop.example.",
        {{"a", 5e-324}, {"b", std::numeric_limits<double>::max()}, {"c", std::nextafter(1.0, 2.0)}},
        "ana",
        at_second(2)},
    LayoutChange{"www.shop.example.", "zeta:0-99 alpha:100-127"},
    EndpointWord{address("192.0.2.10"), Word::drain, "root", "disk swap – 50 %", at_second(3), std::nullopt},
    EndpointWord{address("192.0.2.11"), Word::up, "root", "", at_second(4), at_second(4) + 1ms},
    EndpointWord{address("2001:db8::10"), Word::down, "", "it's \"odd\"; DROP TABLE words", at_second(5),
                 at_second(9)},
    ScheduledWord{address("192.0.2.10"), at_second(90), Word::down, "root", "disk swap", at_second(6), 10min},
    ScheduledWord{address("192.0.2.10"), at_second(80) + 1ms, std::nullopt, "ana", "", at_second(6),
                  std::nullopt},
    ScheduledWord{address("2001:db8::10"), at_second(80), Word::drain, "root", "", at_second(6),
                  std::nullopt},
    RolloutRecord{1, "www.shop.example.", "{\"phase\": \"arming\"}"},
    RolloutRecord{2, "api.shop.example.", "{}"},
    RollingRecord{1, "v1", "{\"phase\": \"holding\"}"},
    SteerVersion{"www.shop.example.", 3, "ana", at_second(7), "v2 5 -> 10"},
    RouteOverride{"www.shop.example.", "testers", "alpha", "root", at_second(1)},
    RouteOverride{"www.shop.example.", "partners", "", "ana", at_second(2)},
};

}  // namespace

TEST_CASE("everything survives reopening") {
  const Folder folder;
  std::string before;
  HashKey key{};
  {
    auto store = open_store(folder.state());
    std::vector<Event> events = {event("first"), event("second")};
    REQUIRE(store.commit(example_changes, events).has_value());
    CHECK(events[0].id == 1);
    CHECK(events[1].id == 2);
    before = show(store);
    key = store.load()->sticky_key;
    CHECK(key != HashKey{});
  }
  auto store = open_store(folder.state());
  CHECK(show(store) == before);
  CHECK(store.load()->sticky_key == key);

  const auto weights = store.load()->weights;
  REQUIRE(weights.size() == 2);
  CHECK(weights[0].steer == "api.shop.example.");
  CHECK(weights[0].pools[0].weight == 5e-324);
  CHECK(weights[0].pools[1].weight == std::numeric_limits<double>::max());
  CHECK(weights[0].pools[2].weight == std::nextafter(1.0, 2.0));
  CHECK(weights[1].pools[0].pool == "zeta");
  CHECK(weights[1].pools[1].weight == 1.0 / 3);
  CHECK(weights[1].since == at_second(1));
  const auto words = store.load()->words;
  REQUIRE(words.size() == 3);
  CHECK(words[0].reason == "disk swap – 50 %");
  CHECK_FALSE(words[0].until.has_value());
  CHECK(words[1].until == at_second(4) + 1ms);
  CHECK(words[2].destination == address("2001:db8::10"));
  CHECK(words[2].word == Word::down);
}

TEST_CASE("words about hosts are kept beside those about addresses, and taken back") {
  const Folder folder;
  const auto host = wire::parse_host("edge.cdn.example").value();
  {
    auto store = open_store(folder.state());
    REQUIRE(commit(store,
                   {EndpointWord{host, Word::drain, "root", "", at_second(1), std::nullopt},
                    EndpointWord{address("192.0.2.1"), Word::down, "root", "", at_second(2), std::nullopt}}));
  }
  auto store = open_store(folder.state());
  const auto words = store.load()->words;
  REQUIRE(words.size() == 2);
  CHECK(words[0].destination == address("192.0.2.1"));
  CHECK(words[1].destination == host);
  CHECK(words[1].word == Word::drain);
  REQUIRE(commit(store, {EndpointWordTaken{host}}));
  CHECK(store.load()->words.size() == 1);
}

TEST_CASE("words that lie beneath another are kept in their order, and go with it") {
  const Folder folder;
  const EndpointWord drained{address("192.0.2.10"), Word::drain, "ana", "disk", at_second(1), std::nullopt};
  const EndpointWord down{address("192.0.2.10"), Word::down, "root", "", at_second(2), at_second(90)};
  EndpointWord up{address("192.0.2.10"), Word::up,      "root",         "look",
                  at_second(3),          at_second(20), {down, drained}};
  const EndpointWord other{address("192.0.2.11"), Word::up, "", "", at_second(4), at_second(9), {drained}};
  const std::string of_other =
      "word 192.0.2.11 up by  () since 2027-01-15T08:00:04.000Z until 2027-01-15T08:00:09.000Z\n"
      "  then drain by ana (disk) since 2027-01-15T08:00:01.000Z until taken back\n";
  {
    auto store = open_store(folder.state());
    REQUIRE(commit(store, {up, other}));
  }
  auto store = open_store(folder.state());
  CHECK(show(*store.load()) ==
        "word 192.0.2.10 up by root (look) since 2027-01-15T08:00:03.000Z until 2027-01-15T08:00:20.000Z\n"
        "  then down by root () since 2027-01-15T08:00:02.000Z until 2027-01-15T08:01:30.000Z\n"
        "  then drain by ana (disk) since 2027-01-15T08:00:01.000Z until taken back\n" +
            of_other);
  up.beneath.erase(up.beneath.begin());
  REQUIRE(commit(store, {up}));
  CHECK(store.load()->words[0].beneath.size() == 1);
  REQUIRE(commit(store, {EndpointWordTaken{address("192.0.2.10")}}));
  CHECK(show(*store.load()) == of_other);
}

TEST_CASE("a change replaces or takes back what was there") {
  const Folder folder;
  auto store = open_store(folder.state());
  REQUIRE(commit(store, example_changes));
  REQUIRE(commit(
      store,
      {WeightOverride{"www.shop.example.", {{"alpha", 2}}, "ana", at_second(20)},
       WeightReset{"api.shop.example."}, WeightReset{"never.set.example."},
       RouteOverride{"www.shop.example.", "partners", "mid", "ana", at_second(22)},
       RouteReset{"www.shop.example.", "testers"}, RouteReset{"api.shop.example.", "testers"},
       LayoutChange{"www.shop.example.", "alpha:0-127"},
       EndpointWord{address("192.0.2.10"), Word::up, "ana", "back", at_second(21), std::nullopt},
       EndpointWordTaken{address("192.0.2.11")}, EndpointWordTaken{address("2001:db8::10")},
       ScheduledWord{address("192.0.2.10"), at_second(90), Word::up, "ana", "", at_second(21), std::nullopt},
       ScheduledWord{address("192.0.2.10"), at_second(95), std::nullopt, "ana", "", at_second(21),
                     std::nullopt, true},
       ScheduledWordDone{address("192.0.2.10"), at_second(80) + 1ms},
       ScheduledWordDone{address("192.0.2.10"), at_second(80)}, ScheduleTaken{address("2001:db8::10")}}));
  CHECK(show(store) ==
        "weights www.shop.example. by ana since 2027-01-15T08:00:20.000Z: alpha=0x1p+1\n"
        "route www.shop.example. partners -> 'mid' by ana since 2027-01-15T08:00:22.000Z\n"
        "layout www.shop.example.: alpha:0-127\n"
        "word 192.0.2.10 up by ana (back) since 2027-01-15T08:00:21.000Z until taken back\n"
        "at 2027-01-15T08:01:30.000Z 192.0.2.10 up for ever by ana () since 2027-01-15T08:00:21.000Z\n"
        "at 2027-01-15T08:01:35.000Z 192.0.2.10 undrain for ever by ana () since 2027-01-15T08:00:21.000Z\n"
        "rollout 1 of www.shop.example.: {\"phase\": \"arming\"}\n"
        "rollout 2 of api.shop.example.: {}\n"
        "rolling 1 of v1: {\"phase\": \"holding\"}\n"
        "version 3 of www.shop.example. by ana at 2027-01-15T08:00:07.000Z: v2 5 -> 10\n");
}

TEST_CASE("how far receivers were told, until they are forgotten") {
  const Folder folder;
  auto store = open_store(folder.state());
  REQUIRE(commit(store, {ReceiverCursor{"ops", 7}, ReceiverCursor{"chat", 1}}));
  REQUIRE(commit(store, {ReceiverCursor{"ops", 9}}));
  CHECK(show(store) == "chat was told 1\nops was told 9\n");
  REQUIRE(commit(store, {ReceiverCursor{"ops", {}}, ReceiverCursor{"nobody", {}}}));
  CHECK(show(store) == "chat was told 1\n");
}

TEST_CASE("events have details, and can be read from the oldest on") {
  const Folder folder;
  {
    auto store = open_store(folder.state());
    auto detailed = event("b");
    detailed.details = R"({"step": 2})";
    std::vector<Event> events{event("a"), detailed, event("c")};
    REQUIRE(store.commit({}, events).has_value());
  }
  auto store = open_store(folder.state());
  const auto oldest = store.oldest_events(1, 1);
  REQUIRE(oldest.has_value());
  REQUIRE(oldest->size() == 1);
  CHECK(oldest->front().text == "b");
  CHECK(oldest->front().details == R"({"step": 2})");
  CHECK(store.oldest_events(2, 10)->size() == 1);
  CHECK(store.oldest_events(3, 10)->empty());
}

TEST_CASE("two stores have different sticky keys") {
  const Folder one, two;
  CHECK(open_store(one.state()).load()->sticky_key != open_store(two.state()).load()->sticky_key);
}

TEST_CASE("events: after and limit") {
  const Folder folder;
  auto store = open_store(folder.state());
  REQUIRE(commit(store, {}, {"a", "b"}));
  REQUIRE(commit(store, {}, {"c", "d", "e"}));
  struct Row {
    std::string name;
    std::int64_t after;
    std::size_t limit;
    std::string texts;
  };
  const Row rows[] = {
      {"all, oldest first", 0, 100, "abcde"},
      {"the newest ones when there are more than the limit", 0, 2, "de"},
      {"only later ones", 3, 100, "de"},
      {"the newest of the later ones", 1, 2, "de"},
      {"none later", 5, 100, ""},
      {"no place", 0, 0, ""},
      {"any limit", 0, std::numeric_limits<std::size_t>::max(), "abcde"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    std::string texts;
    for (const auto& one : *store.events(row.after, row.limit)) texts += one.text;
    CHECK(texts == row.texts);
  }
}

TEST_CASE("the newest events_max events are kept, and ids go on") {
  const Folder folder;
  {
    auto store = open_store(folder.state());
    const std::vector<std::string> many(events_max - 10, "filler");
    REQUIRE(commit(store, {}, many));
    REQUIRE(commit(store, {}, std::vector<std::string>(25, "last")));
  }
  auto store = open_store(folder.state());
  auto events = *store.events(0, 2 * events_max);
  REQUIRE(events.size() == events_max);
  CHECK(events.front().id == 16);
  CHECK(events.back().id == events_max + 15);
  REQUIRE(commit(store, {}, {"next"}));
  CHECK(store.events(0, 1)->front().id == events_max + 16);
  CHECK(store.events(0, 2 * events_max)->front().id == 17);
  // The others are deleted some at a time.
  REQUIRE(commit(store, {}, std::vector<std::string>(events_pruned_at_once, "more")));
  CHECK(store.oldest_events(0, 1)->front().id == 17 + events_pruned_at_once);
}

TEST_CASE("endpoints that flap push out no events of others") {
  const Folder folder;
  auto store = open_store(folder.state());
  REQUIRE(commit(store, {}, {"drained by root"}));
  const auto flap = [&](std::int64_t count) {
    std::vector<Event> events(static_cast<std::size_t>(count),
                              {0, at_second(0), who_health, "endpoint.down", "192.0.2.1", "down"});
    REQUIRE(store.commit({}, events).has_value());
  };
  flap(health_events_max);
  REQUIRE(commit(store, {}, {"undrained by root"}));
  flap(5);
  flap(events_pruned_at_once - (health_events_max + 7) % events_pruned_at_once);  // until some are deleted
  const auto events = *store.events(0, events_max);
  CHECK(events.size() == static_cast<std::size_t>(health_events_max) + 1);
  CHECK(events.front().text == "drained by root");
  CHECK(events[1].id == events.back().id - health_events_max + 1);  // one of them is the operator's
  CHECK(events.back().id % events_pruned_at_once == 0);
}

TEST_CASE("folder and files are the owner's alone") {
  const Folder folder;
  const auto store = open_store(folder.state());
  auto mode = [](const std::string& path) {
    struct stat status {};
    REQUIRE(stat(path.c_str(), &status) == 0);
    return status.st_mode & 0777;
  };
  CHECK(mode(folder.state()) == 0700);
  CHECK(mode(folder.file("sluice.db")) == 0600);
  CHECK(mode(folder.file("lock")) == 0600);
}

TEST_CASE("a second opening is refused until the first one ends") {
  const Folder folder;
  {
    auto first = open_store(folder.state());
    auto moved = std::move(first);
    const auto second = Store::open(folder.state());
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().code == ErrorCode::refused);
    CHECK(second.error().message.find("in use by another daemon") != std::string::npos);
    CHECK(commit(moved, example_changes));
  }
  CHECK(Store::open(folder.state()).has_value());
}

TEST_CASE("the folder may be reached through a symbolic link") {
  const Folder folder;
  fs::create_directory(folder.beside("elsewhere"));
  fs::create_directory_symlink("elsewhere", folder.state());
  auto store = open_store(folder.state());
  CHECK(commit(store, example_changes));
}

TEST_CASE("what cannot be opened is refused with a reason, and left as it is") {
  struct Row {
    std::string name;
    std::function<void(const Folder&)> prepare;
    ErrorCode code;
    std::string reason;
  };
  auto existing = [](const Folder& folder) {
    auto store = open_store(folder.state());
    REQUIRE(commit(store, example_changes, std::vector<std::string>(200, "filler")));
  };
  auto empty = [](const Folder& folder) { fs::create_directory(folder.state()); };
  const Row rows[] = {
      {"a newer version",
       [&](const Folder& folder) {
         existing(folder), alter(folder.file("sluice.db"), "PRAGMA user_version = 99");
       },
       ErrorCode::refused, "was written by a newer version (its schema is 99, this one knows "},
      {"another program's database",
       [&](const Folder& folder) { empty(folder), alter(folder.file("sluice.db"), "CREATE TABLE t (x)"); },
       ErrorCode::refused, "is a database of another program"},
      {"garbage",
       [&](const Folder& folder) {
         empty(folder), write_file(folder.file("sluice.db"), std::string(9000, 'x'));
       },
       ErrorCode::unavailable,
       "sluice.db' is damaged (file is not a database); restore it from a backup, or move it away"},
      {"a few octets of garbage",
       [&](const Folder& folder) { empty(folder), write_file(folder.file("sluice.db"), "hello\n"); },
       ErrorCode::unavailable, "is damaged (file is not a database)"},
      {"a cut file",
       [&](const Folder& folder) { existing(folder), fs::resize_file(folder.file("sluice.db"), 8192); },
       ErrorCode::unavailable, "is damaged ("},
      {"an overwritten page",
       [&](const Folder& folder) {
         existing(folder);
         std::fstream file(folder.file("sluice.db"), std::ios::in | std::ios::out | std::ios::binary);
         file.seekp(4096 * 5);
         file << std::string(4096, '\xA5');
       },
       ErrorCode::unavailable, "is damaged ("},
      {"a link instead of the database",
       [&](const Folder& folder) {
         empty(folder), write_file(folder.beside("target"), ""),
             fs::create_symlink("../target", folder.file("sluice.db"));
       },
       ErrorCode::refused, "sluice.db' is a symbolic link"},
      {"a link instead of the lock",
       [&](const Folder& folder) {
         empty(folder), write_file(folder.beside("target"), ""),
             fs::create_symlink("../target", folder.file("lock"));
       },
       ErrorCode::refused, "lock' is a symbolic link"},
      {"a folder instead of the database",
       [&](const Folder& folder) { empty(folder), fs::create_directory(folder.file("sluice.db")); },
       ErrorCode::unavailable, "cannot open"},
      {"a pipe instead of the lock",
       [&](const Folder& folder) {
         empty(folder);
         REQUIRE(mkfifo(folder.file("lock").c_str(), 0600) == 0);
       },
       ErrorCode::refused, "lock' is not a regular file"},
      {"a file instead of the folder", [&](const Folder& folder) { write_file(folder.state(), ""); },
       ErrorCode::unavailable, "state/lock': Not a directory"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const Folder folder;
    row.prepare(folder);
    const bool is_file = fs::is_regular_file(folder.file("sluice.db"));
    const auto size = is_file ? fs::file_size(folder.file("sluice.db")) : 0;
    for (int attempt = 0; attempt < 2; ++attempt) {
      const auto store = Store::open(folder.state());
      REQUIRE_FALSE(store.has_value());
      CHECK(store.error().code == row.code);
      CAPTURE(store.error().message);
      CHECK(store.error().message.find(row.reason) != std::string::npos);
    }
    if (is_file) CHECK(fs::file_size(folder.file("sluice.db")) == size);
    if (fs::exists(folder.beside("target"))) CHECK(fs::file_size(folder.beside("target")) == 0);
  }
}

TEST_CASE("the database of the first version is brought up to date, and keeps what it had") {
  const Folder folder;
  std::string before;
  {
    auto store = open_store(folder.state());
    REQUIRE(commit(store, {example_changes.begin(), example_changes.begin() + 6}, {"first"}));
    before = show(store);
  }
  alter(folder.file("sluice.db"),
        "DROP TABLE schedule; DROP TABLE health; DROP TABLE rollouts; DROP TABLE rollings; DROP TABLE "
        "routes; DROP TABLE beneath; DROP TABLE ttls;"
        "DROP INDEX health_events; DROP TABLE receivers; DROP TABLE versions; ALTER TABLE events DROP COLUMN "
        "details;"
        "PRAGMA user_version = 1");
  auto store = open_store(folder.state());
  CHECK(show(store) == before);
  REQUIRE(commit(store, example_changes));
  CHECK(store.load()->scheduled.size() == 3);
}

TEST_CASE("rollouts: the newest of each name counts, the others are history, and the oldest go") {
  const Folder folder;
  auto store = open_store(folder.state());
  REQUIRE(commit(
      store, {RolloutRecord{1, "old.", "a"}, RolloutRecord{2, "www.", "b"}, RolloutRecord{3, "www.", "c"}}));
  REQUIRE(commit(store, {RolloutRecord{3, "www.", "d"}}));
  CHECK(show(*store.load()) == "rollout 1 of old.: a\nrollout 3 of www.: d\n");
  const auto history = [&](std::size_t limit) {
    std::string text;
    for (const auto& record : store.rollouts("www.", limit).value()) text += record.record;
    return text;
  };
  CHECK(history(10) == "db");
  CHECK(history(1) == "d");
  REQUIRE(commit(store, {RolloutRecord{rollouts_max + 2, "new.", "e"}}));
  CHECK(history(10) == "d");
  CHECK(show(*store.load()) ==
        fmt::format("rollout 1 of old.: a\nrollout 3 of www.: d\nrollout {} of new.: e\n", rollouts_max + 2));
}

TEST_CASE("the database of the third version is brought up to date, and keeps what it had") {
  const Folder folder;
  std::string before;
  {
    auto store = open_store(folder.state());
    REQUIRE(commit(store, {example_changes.begin(), example_changes.end() - 4}, {"first"}));
    before = show(store);
  }
  alter(folder.file("sluice.db"),
        "DROP INDEX health_events; DROP TABLE rollings; DROP TABLE receivers; DROP TABLE versions;"
        "DROP TABLE routes; DROP TABLE beneath; DROP TABLE ttls;"
        "ALTER TABLE events DROP COLUMN details; PRAGMA user_version = 3");
  auto store = open_store(folder.state());
  CHECK(show(store) == before);
  REQUIRE(commit(store, {}, {"second"}));
}

TEST_CASE("versions: the last of each name, in a database of the sixth version, too") {
  const Folder folder;
  open_store(folder.state());
  alter(
      folder.file("sluice.db"),
      "DROP TABLE versions; DROP TABLE routes; DROP TABLE beneath; DROP TABLE ttls; PRAGMA user_version = 6");
  auto store = open_store(folder.state());
  REQUIRE(commit(store, {SteerVersion{"www.", 1, "ana", at_second(1), "a"},
                         SteerVersion{"www.", 2, "bob", at_second(2), "b"}}));
  REQUIRE(store.load()->versions.size() == 1);
  CHECK(store.load()->versions[0].version == 2);
  CHECK(store.load()->versions[0].by == "bob");
}

TEST_CASE("TTLs: each of a name by itself, until it is over; in a database of the ninth version, too") {
  const Folder folder;
  open_store(folder.state());
  alter(folder.file("sluice.db"), "DROP TABLE ttls; PRAGMA user_version = 9");
  {
    auto store = open_store(folder.state());
    REQUIRE(commit(store, {KeptTtl{"api.", 60s, {}}, KeptTtl{"www.", 30s, {}}, KeptTtl{"www.", 300s, {}},
                           KeptTtl{"www.", 5s, at_second(1)}}));
    REQUIRE(commit(store, {KeptTtl{"www.", 300s, at_second(2)}, KeptTtlOver{"www.", 5s}}));
  }
  auto store = open_store(folder.state());
  std::string kept;
  const auto ttls = store.load()->ttls;
  for (const auto& [steer, ttl, until] : ttls)
    kept += fmt::format("{} {}{} ", steer, to_text(ttl), until ? " until " + to_text(*until) : "");
  CHECK(kept == "api. 1m www. 30s www. 5m until 2027-01-15T08:00:02.000Z ");
}

TEST_CASE("rollings: the newest of each pool counts, and the oldest go") {
  const Folder folder;
  auto store = open_store(folder.state());
  REQUIRE(commit(store,
                 {RollingRecord{1, "old", "a"}, RollingRecord{2, "v1", "b"}, RollingRecord{3, "v1", "c"}}));
  REQUIRE(commit(store, {RollingRecord{3, "v1", "d"}}));
  CHECK(show(*store.load()) == "rolling 1 of old: a\nrolling 3 of v1: d\n");
  const auto history = [&](const std::optional<std::string>& pool, std::size_t limit) {
    std::string text;
    for (const auto& record : store.rollings(pool, limit).value()) text += record.record;
    return text;
  };
  CHECK(history("v1", 10) == "db");
  CHECK(history("v1", 1) == "d");
  CHECK(history({}, 10) == "dba");
  CHECK(history("v2", 10).empty());
  REQUIRE(commit(store, {RollingRecord{rollouts_max + 4, "new", "e"}}));
  CHECK(store.load()->rollings.size() == 3);
}

TEST_CASE("a parent folder that is missing is not made up") {
  const Folder folder;
  const auto store = Store::open(folder.state() + "/deeper");
  REQUIRE_FALSE(store.has_value());
  CHECK(store.error().code == ErrorCode::unavailable);
  CHECK(store.error().message.find("cannot create the state folder") == 0);
}

TEST_CASE("a value that no version of ours wrote is damage, not a crash") {
  const Folder folder;
  {
    auto store = open_store(folder.state());
    REQUIRE(commit(store, example_changes));
  }
  alter(folder.file("sluice.db"), "UPDATE words SET word = 'sideways' WHERE address = '192.0.2.10'");
  const auto saved = open_store(folder.state()).load();
  REQUIRE_FALSE(saved.has_value());
  CHECK(saved.error().message.find("is damaged (unknown word 'sideways'") != std::string::npos);
}

namespace {

// While one exists, no file can grow past `size`: a disk that is full at this very place, for any user.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t size) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit lower{size, before_.rlim_max};
    handler_ = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &lower);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = SIG_DFL;
};

}  // namespace

TEST_CASE("the log is brought into the database when that is asked for, and some time in any case") {
  const Folder folder;
  auto store = Store::open(folder.state()).value();
  std::vector<Change> changes;
  for (int i = 0; i < 500; ++i)
    changes.push_back(LayoutChange{fmt::format("s{}.shop.example.", i), std::string(200, 'x')});
  std::vector<Event> none;
  constexpr std::uintmax_t page = 4096 + 24;  // and the head of its frame
  SUBCASE("asked for") {
    for (int i = 0; i < 400; ++i) {
      REQUIRE(store.commit(changes, none).has_value());
      if (store.checkpoint_due()) store.checkpoint();
      CHECK_FALSE(store.checkpoint_due());
    }
    CHECK(fs::file_size(folder.file("sluice.db-wal")) < 4'200 * page);
  }
  SUBCASE("not asked for") {
    for (int i = 0; i < 400; ++i) REQUIRE(store.commit(changes, none).has_value());
    CHECK(store.checkpoint_due());
    CHECK(fs::file_size(folder.file("sluice.db-wal")) > 7'000 * page);
    CHECK(fs::file_size(folder.file("sluice.db-wal")) < 8'200 * page);
  }
}

namespace {

// Another program's connection to a store that is open.
class Other {
 public:
  explicit Other(const std::string& file) { REQUIRE(sqlite3_open(file.c_str(), &database_) == SQLITE_OK); }
  ~Other() { sqlite3_close(database_); }
  Other(const Other&) = delete;
  Other& operator=(const Other&) = delete;
  void execute(const char* sql) {
    REQUIRE(sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  }

 private:
  sqlite3* database_ = nullptr;
};

}  // namespace

TEST_CASE("a commit waits a moment for another program that writes, and names it when it is refused") {
  const Folder folder;
  auto store = open_store(folder.state());
  Other other(folder.file("sluice.db"));
  other.execute("BEGIN IMMEDIATE");
  std::vector<Event> none;
  const auto start = std::chrono::steady_clock::now();
  const auto refused = store.commit(example_changes, none);
  CHECK(std::chrono::steady_clock::now() - start >= 190ms);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.find("another program holds it (database is locked)") != std::string::npos);
  const auto waited = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) CHECK_FALSE(commit(store, example_changes));
  CHECK(std::chrono::steady_clock::now() - waited < 2s);  // not for each
  other.execute("ROLLBACK");
  CHECK(commit(store, example_changes));
}

TEST_CASE("a log that has grown during another program's reading is cut when that is over") {
  const Folder folder;
  auto store = open_store(folder.state());
  Other other(folder.file("sluice.db"));
  other.execute("BEGIN");
  other.execute("SELECT count(*) FROM layouts");
  std::vector<Change> changes;
  for (int i = 0; i < 5'000; ++i)
    changes.push_back(LayoutChange{fmt::format("s{}.shop.example.", i), std::string(2'000, 'x')});
  constexpr std::uintmax_t most = 8'000 * 4096;
  for (int i = 0; i < 5; ++i) REQUIRE(commit(store, changes));
  CHECK(fs::file_size(folder.file("sluice.db-wal")) > most);
  other.execute("ROLLBACK");
  store.checkpoint();
  REQUIRE(commit(store, example_changes));
  CHECK(fs::file_size(folder.file("sluice.db-wal")) <= most);
}

TEST_CASE("the log has its room from the start, or does without") {
  const Folder folder;
  SUBCASE("room") {
    auto store = open_store(folder.state());
    const auto size = fs::file_size(folder.file("sluice.db-wal"));
    CHECK(size > 4'000 * 4096);
    for (int i = 0; i < 100; ++i) REQUIRE(commit(store, example_changes, {"more"}));
    CHECK(fs::file_size(folder.file("sluice.db-wal")) == size);
  }
  SUBCASE("no room") {
    const FileSizeLimit full(1'000'000);
    auto store = open_store(folder.state());
    CHECK(fs::file_size(folder.file("sluice.db-wal")) < 200'000);
    CHECK(commit(store, example_changes, {"more"}));
  }
  auto store = open_store(folder.state());
  CHECK_FALSE(store.load()->weights.empty());
}

TEST_CASE("a commit that runs out of space at any point changes nothing, and the next one works") {
  const Folder folder;
  std::string before, after;
  int failures = 0;
  {
    auto store = open_store(folder.state());
    REQUIRE(commit(store, example_changes, {"before"}));
    before = show(store);
    const std::vector<Change> changes = {
        WeightOverride{"www.shop.example.", {{"zeta", 7}}, "ana", at_second(30)},
        EndpointWordTaken{address("192.0.2.10")}};
    // Each failure may leave a page in the log; the steps are larger than that.
    for (rlim_t limit = 0;; limit += 10'000) {
      std::vector<Event> events(400, event("an event that takes some room in the file"));
      const Result<void> done = [&]() -> Result<void> {
        const FileSizeLimit full(limit);
        return store.commit(changes, events);
      }();
      if (done) break;
      REQUIRE(++failures < 1000);
      REQUIRE(done.error().code == ErrorCode::unavailable);
      REQUIRE(done.error().message.find("cannot write to '") == 0);
      REQUIRE(events.front().id == 0);
      REQUIRE(show(store) == before);
    }
    after = show(store);
    CHECK(after != before);
    CHECK(failures > 10);
    REQUIRE(commit(store, {}, {"more"}));
    CHECK(store.events(0, 1)->front().id == 402);
    after = show(store);
  }
  auto store = open_store(folder.state());
  CHECK(show(store) == after);
}

namespace {

// What a crash at this moment would leave behind.
std::string show_after_crash(const Folder& folder) {
  const Folder image;
  fs::create_directory(image.state());
  for (const char* name : {"sluice.db", "sluice.db-wal"}) fs::copy_file(folder.file(name), image.file(name));
  auto recovered = open_store(image.state());
  return show(recovered);
}

}  // namespace

TEST_CASE("a commit whose sync fails does not come back after a crash") {
  const Folder folder;
  auto store = open_store(folder.state());
  REQUIRE(commit(store, example_changes, {"before"}));
  const auto before = show(store);
  sync_fails = true;
  const bool done = commit(store, {WeightReset{"www.shop.example."}}, {"never"});
  sync_fails = false;
  CHECK_FALSE(done);
  CHECK(show(store) == before);

  CHECK(show_after_crash(folder) == before);
  CHECK(commit(store, {WeightReset{"www.shop.example."}}, {"later"}));
}

TEST_CASE("what is written outlives the process before it is synced, also where the log begins anew") {
  const Folder folder;
  auto store = open_store(folder.state());
  REQUIRE(commit(store, example_changes));
  for (int round = 0; round < 5; ++round) {
    CAPTURE(round);
    store.checkpoint();  // the next commit begins the log anew
    for (int i = 0; i < 3; ++i) {
      std::vector<Event> events{event("event " + std::to_string(3 * round + i))};
      const int before = syncs;
      int told = 0, synced_before = 0;
      std::string left;
      const auto done = store.commit({}, events, [&] {
        ++told;
        synced_before = syncs;
        left = show_after_crash(folder);
      });
      REQUIRE(done.has_value());
      CHECK(told == 1);
      CHECK(synced_before == before + (i == 0 ? 1 : 0));  // of the log's head
      CHECK(left == show(store));
    }
  }
}

TEST_CASE("who was told of what is written hears when its sync fails") {
  const Folder folder;
  auto store = open_store(folder.state());
  REQUIRE(commit(store, example_changes));
  const auto before = show(store);
  std::vector<Event> events{event("never")};
  int told = 0;
  sync_fails = true;
  const auto done = store.commit({}, events, [&] { ++told; });
  sync_fails = false;
  CHECK(done.has_error());
  CHECK(told == 1);
  CHECK(show(store) == before);
  CHECK(commit(store, {}, {"later"}));
  CHECK(told == 1);
}

// ---- Kills
// -----------------------------------------------------------------------------------------------------

namespace {

// A process that runs `work(pipe)` until it is killed; what it wrote to the pipe are numbers.
class Child {
 public:
  explicit Child(const std::function<void(int pipe)>& work) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    process_ = fork();
    REQUIRE(process_ >= 0);
    if (process_ == 0) {
      close(ends[0]);
      work(ends[1]);
      _exit(1);
    }
    close(ends[1]);
    output_ = ends[0];
  }
  ~Child() { close(output_); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Until it has written something; its end is that, too.
  void await_first() const {
    pollfd output{output_, POLLIN, 0};
    CHECK(poll(&output, 1, -1) == 1);
  }

  // Returns the last number it wrote, or `none`.
  std::int64_t kill_and_read(std::int64_t none) {
    kill(process_, SIGKILL);
    int status = 0;
    waitpid(process_, &status, 0);
    CHECK(WIFSIGNALED(status));
    std::int64_t last = none;
    for (std::int64_t number = 0; read(output_, &number, sizeof number) == sizeof number;) last = number;
    return last;
  }

 private:
  pid_t process_ = 0;
  int output_ = -1;
};

// Change number `number`, spread over all tables.
std::vector<Change> numbered_changes(std::int64_t number) {
  const auto value = static_cast<double>(number);
  return {WeightOverride{"www.shop.example.", {{"v1", value}, {"v2", value}}, "root", at_second(number)},
          LayoutChange{"www.shop.example.", std::to_string(number)},
          EndpointWord{
              address("192.0.2.10"), Word::drain, "root", std::to_string(number), at_second(number), {}}};
}

void commit_numbers(const std::string& folder, std::int64_t number, int pipe) {
  auto store = Store::open(folder);
  while (store) {
    ++number;
    if (!commit(*store, numbered_changes(number), {std::to_string(number)})) return;
    if (write(pipe, &number, sizeof number) != sizeof number) return;
  }
}

// The number that the store is at, the same in all tables; 0 for an empty store.
std::int64_t number_in(Store& store) {
  const auto saved = store.load();
  REQUIRE(saved.has_value());
  if (saved->weights.empty()) {
    CHECK(show(store).empty());
    return 0;
  }
  const auto newest = store.events(0, 1);
  REQUIRE(newest->size() == 1);
  const auto number = newest->front().id;
  CHECK(newest->front().text == std::to_string(number));
  Saved expected;
  const auto changes = numbered_changes(number);
  expected.weights = {std::get<WeightOverride>(changes[0])};
  expected.layouts = {std::get<LayoutChange>(changes[1])};
  expected.words = {std::get<EndpointWord>(changes[2])};
  CHECK(show(*saved) == show(expected));
  return number;
}

}  // namespace

TEST_CASE("kill -9: what was acknowledged is there, and nothing is there by half") {
  const Folder folder;
  std::mt19937 random(20260131);
  std::int64_t present = 0;
  for (int kills = 0; kills < 50; ++kills) {
    Child child([&](int pipe) { commit_numbers(folder.state(), present, pipe); });
    child.await_first();
    usleep(static_cast<useconds_t>(random() % 20'000));
    const auto acknowledged = child.kill_and_read(present);
    auto store = open_store(folder.state());
    present = number_in(store);
    CHECK(present >= acknowledged);
    CHECK(present <= acknowledged + 1);
  }
  CHECK(present >= 50);
}

TEST_CASE("kill -9 while the store is created leaves one that opens") {
  std::mt19937 random(20260131);
  for (int kills = 0; kills < 50; ++kills) {
    const Folder folder;
    Child child([&](int pipe) { commit_numbers(folder.state(), 0, pipe); });
    usleep(static_cast<useconds_t>(random() % 4'000));
    const auto acknowledged = child.kill_and_read(0);
    auto store = open_store(folder.state());
    CHECK(store.load()->sticky_key != HashKey{});
    CHECK(number_in(store) >= acknowledged);
  }
}
