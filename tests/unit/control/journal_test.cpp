// The journal with its real store, while another connection to the database lets nothing be written.
#include "control/journal.hpp"

#include <chrono>
#include <string>

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <boost/asio/io_context.hpp>

#include "base/log.hpp"
#include "control/backlog.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

// Another program's connection.
class Other {
 public:
  explicit Other(const std::string& file) { REQUIRE(sqlite3_open(file.c_str(), &database_) == SQLITE_OK); }
  ~Other() { sqlite3_close(database_); }
  Other(const Other&) = delete;
  Other& operator=(const Other&) = delete;

  // Until release() nothing else is written.
  void hold() { execute("BEGIN IMMEDIATE"); }
  void release() { execute("ROLLBACK"); }
  int rows(const std::string& table) {
    int count = -1;
    const auto take = [](void* to, int, char** values, char**) {
      *static_cast<int*>(to) = std::stoi(values[0]);
      return 0;
    };
    sqlite3_exec(database_, ("SELECT count(*) FROM " + table).c_str(), take, &count, nullptr);
    return count;
  }

 private:
  void execute(const char* sql) {
    REQUIRE(sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  sqlite3* database_ = nullptr;
};

struct JournalWorld {
  JournalWorld() { logger().set_level(spdlog::level::err); }
  ~JournalWorld() { journal.stop(); }
  Folder folder;
  boost::asio::io_context context{1};
  Journal journal{context.get_executor(), store::Store::open(folder / "state").value()};
  Other other{folder / "state/sluice.db"};
};

store::HealthSeen seen(const char* endpoint, health::Verdict verdict) {
  store::HealthSeen one{address(endpoint), 80, "", "web", {}};
  one.state.verdict = verdict;
  return one;
}

store::EndpointWord drained(const char* endpoint) {
  return {address(endpoint), store::Word::drain, "root", "", at(1), {}};
}

TEST_CASE("of what was seen of a target the newest alone waits to be stored") {
  Backlog backlog;
  backlog.keep(seen("192.0.2.30", health::Verdict::up));
  backlog.keep(store::HealthForgotten{});
  for (int i = 0; i < 1000; ++i) {
    backlog.keep(seen("192.0.2.10", health::Verdict::up));
    backlog.keep(seen("192.0.2.20", health::Verdict::up));
    backlog.keep(seen("192.0.2.10", health::Verdict::down));
    backlog.keep(store::HealthSeenUntil{at(i)});
  }
  const auto changes = backlog.all().changes;
  REQUIRE(changes.size() == 4);
  CHECK(std::holds_alternative<store::HealthForgotten>(changes[0]));
  CHECK(std::get<store::HealthSeen>(changes[1]).state.verdict == health::Verdict::down);
  CHECK(std::get<store::HealthSeen>(changes[2]).state.verdict == health::Verdict::up);
  CHECK(std::get<store::HealthSeenUntil>(changes[3]).at == at(999));
}

TEST_CASE("of what happened the newest wait to be stored, as many as the store would keep") {
  Backlog backlog;
  for (int i = 0; i < store::health_events_max + 5; ++i) backlog.note({0, at(i), "health", "", "", ""});
  const auto events = backlog.all().events;
  CHECK(events.size() == store::health_events_max);
  CHECK(events.front().at == at(5));
}

TEST_CASE("what could not be stored does not stand in the way of a change, and is tried again") {
  JournalWorld world;
  world.other.hold();
  world.journal.keep(seen("192.0.2.10", health::Verdict::up));
  world.context.run_one();
  REQUIRE_FALSE(world.journal.trouble().empty());
  const auto failed = std::chrono::steady_clock::now();
  CHECK_FALSE(world.journal.commit({drained("192.0.2.10")}, {}).has_value());
  world.other.release();

  REQUIRE(world.journal.commit({drained("192.0.2.10")}, {}).has_value());
  CHECK(world.other.rows("words") == 1);
  CHECK(world.other.rows("health") == 0);
  CHECK_FALSE(world.journal.trouble().empty());

  world.context.run_one();
  CHECK(std::chrono::steady_clock::now() - failed > 900ms);  // and not with each change
  CHECK(world.other.rows("health") == 1);
  CHECK(world.journal.trouble().empty());
}

TEST_CASE("what was decided while nothing could be stored is stored with the next change, and before it") {
  JournalWorld world;
  const auto endpoint = wire::Destination(address("192.0.2.10"));
  REQUIRE(world.journal
              .commit({store::ScheduledWord{endpoint, at(5), store::Word::down, "root", "", at(1), {}}}, {})
              .has_value());
  world.other.hold();
  world.journal.keep(seen("192.0.2.10", health::Verdict::up));
  CHECK_FALSE(world.journal
                  .insist({store::ScheduledWordDone{endpoint, at(5)}, drained("192.0.2.10"),
                           store::LayoutChange{"www.shop.example.", "v1:0-9"}},
                          {{0, at(5), "root", "endpoint.drain", "", ""}})
                  .has_value());
  CHECK_FALSE(world.journal.commit({store::EndpointWordTaken{endpoint}}, {}).has_value());
  world.other.release();

  REQUIRE(world.journal.commit({store::EndpointWordTaken{endpoint}}, {}).has_value());
  CHECK(world.other.rows("schedule") == 0);
  CHECK(world.other.rows("words") == 0);
  CHECK(world.other.rows("layouts") == 1);
  CHECK(world.other.rows("events") == 1);
  CHECK(world.other.rows("health") == 0);
  world.journal.stop();
  CHECK(world.other.rows("words") == 0);  // nor is it written again
  CHECK(world.other.rows("events") == 1);
  CHECK(world.other.rows("health") == 1);
}

TEST_CASE("of layouts that could not be stored the newest of each name waits") {
  Backlog backlog;
  for (const auto* layout : {"v1:0-9", "v1:0-8 v2:9"})
    backlog.owe({{store::LayoutChange{"www.shop.example.", layout}}, {}});
  REQUIRE(backlog.owed().changes.size() == 1);
  CHECK(std::get<store::LayoutChange>(backlog.owed().changes[0]).layout == "v1:0-8 v2:9");
  CHECK_FALSE(backlog.empty());
  backlog.clear_owed();
  CHECK(backlog.empty());
}

TEST_CASE("a journal that stops while nothing can be stored leaves nothing to wait for") {
  JournalWorld world;
  world.other.hold();
  world.journal.keep(seen("192.0.2.10", health::Verdict::up));
  world.context.run_one();
  world.journal.stop();
  world.journal.keep(seen("192.0.2.20", health::Verdict::up));
  world.context.run();
  CHECK(world.other.rows("health") == 0);
}

}  // namespace
}  // namespace sluice::control
