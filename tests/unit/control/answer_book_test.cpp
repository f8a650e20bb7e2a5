// What was handed out, and until when caches may hold it: counters as the answering threads leave them, and
// the publications between them.
#include "control/answer_book.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "support.hpp"

using namespace sluice;
using namespace sluice::control;
using namespace std::chrono_literals;

namespace {

constexpr Duration margin = 100ms;  // from the clock of a batch to its sending

// A book of www, with pools v1 and v2 and a TTL of 30 s, in a process that began at 0 s. The one before had
// another name, too, whose answers were held until 41 s.
struct Shelf {
  Shelf() {
    book.inherit();
    for (const char* pool : {"v1", "v2"}) book.counter(www, pool);
    set_ttl(30s);
    book.pool_published("v1", {one, two});
    book.pool_published("v2", {three});
    pass(1000);
  }
  void pass(int seconds) {
    now.wall += std::chrono::seconds(seconds);
    now.steady_us += static_cast<std::uint64_t>(seconds) * 1'000'000;
  }
  void answer(CounterShard& shard, const std::string& pool, const std::string& client_class = {}) {
    shard.add_answer(book.counter(www, pool, client_class), now.steady_us);
  }
  void set_ttl(Duration ttl) { book.ttl_published(www, ttl, book.about_to_publish()); }
  bool is_in_answers(const wire::Destination& endpoint) const { return book.is_in_answers(endpoint); }
  rollout::LeaseEnd lease(const wire::Destination& endpoint) { return book.endpoint_lease(endpoint); }

  const wire::Name www = wire::Name::parse("www.shop.example").value();
  const wire::Destination one = wire::parse_destination("192.0.2.1").value(),
                          two = wire::parse_destination("192.0.2.2").value(),
                          three = wire::parse_destination("192.0.2.3").value();
  Clocks now{at(0), 1'000'000};
  Counters counters;
  CounterShard &first = counters.add_shard(), &second = counters.add_shard();
  Quiescence quiescence;
  AnswerBook book{
      counters,
      quiescence,
      {.of_name = [](const wire::Name&, Time started) { return rollout::lease_from(started, 30s); },
       .of_any_name = [](Time started) { return rollout::lease_from(started, 40s); }},
      [this] { return now; }};
};

}  // namespace

TEST_CASE("an endpoint that was never handed out is in no cache once it is out of answers") {
  Shelf shelf;
  shelf.answer(shelf.first, "v2");
  CHECK(shelf.is_in_answers(shelf.one));
  shelf.book.pool_published("v1", {shelf.two});
  CHECK_FALSE(shelf.is_in_answers(shelf.one));
  CHECK(shelf.lease(shelf.one).at == at(41));  // by what the process before may have handed out
}

TEST_CASE("what the process before may have handed out is held by any endpoint, and of a name by its TTL") {
  Shelf shelf;
  const auto unknown = wire::parse_destination("192.0.2.9").value();
  CHECK(shelf.lease(unknown) == rollout::LeaseEnd{at(41), 40s});
  CHECK(shelf.lease(shelf.one) == rollout::LeaseEnd{at(41), 40s});
  CHECK(shelf.book.name_lease(shelf.www).end == rollout::LeaseEnd{at(31), 30s});
}

TEST_CASE("an endpoint keeps its lease whatever becomes of its pool in the config") {
  using Pools = std::vector<std::pair<const char*, std::set<wire::Destination>>>;
  const Shelf names;
  const auto &one = names.one, &two = names.two, &three = names.three;
  struct Row {
    const char* what;
    Pools before, after, drained;
  };
  const Row rows[] = {
      {"nothing, it is drained", {}, {}, {{"v1", {two}}}},
      {"it goes to another pool", {}, {{"v1", {two}}, {"v2", {one, three}}}, {{"v2", {three}}}},
      {"that is published first", {}, {{"v2", {one, three}}, {"v1", {two}}}, {{"v2", {three}}}},
      {"it leaves one of two pools", {{"v2", {one, three}}}, {{"v1", {two}}}, {{"v2", {three}}}},
      {"the pool is renamed", {}, {{"stable", {one, two}}, {"v1", {}}}, {{"stable", {two}}}},
      {"the pool is gone", {}, {{"v1", {}}}, {}},
      {"it leaves, and comes back", {}, {{"v1", {two}}, {"v1", {one, two}}}, {{"v1", {two}}}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    Shelf shelf;
    const auto publish = [&](const Pools& pools) {
      for (const auto& [pool, endpoints] : pools) shelf.book.pool_published(pool, endpoints);
    };
    publish(row.before);
    shelf.answer(shelf.first, "v1");
    shelf.pass(5);
    publish(row.after);
    shelf.pass(5);
    publish(row.drained);
    CHECK_FALSE(shelf.is_in_answers(one));
    const auto end = at(1000) + 31s + margin;
    CHECK(shelf.lease(one) == rollout::LeaseEnd{end, 30s});
    // Of the other pool it is handed out anew.
    shelf.book.pool_published("v2", {one, three});
    CHECK(shelf.is_in_answers(one));
    CHECK(shelf.lease(one) == rollout::LeaseEnd{end, 30s});
    shelf.answer(shelf.second, "v2");
    shelf.book.pool_published("v2", {three});
    CHECK(shelf.lease(one).at == at(1010) + 31s);
  }
}

TEST_CASE("endpoints of the past are forgotten once no cache holds them") {
  Shelf shelf;
  shelf.answer(shelf.first, "v1");
  shelf.book.pool_published("v1", {shelf.two});
  const auto publish_others = [&] {
    shelf.book.pool_published("v2", {});
    shelf.book.pool_published("v2", {shelf.three});
  };
  shelf.pass(20);
  publish_others();
  CHECK(shelf.lease(shelf.one).at == at(1000) + 31s);
  shelf.pass(20);
  publish_others();
  CHECK(shelf.lease(shelf.one).at == at(41));
}

TEST_CASE("an endpoint's lease counts from the last answer of any thread, and not from its drain") {
  Shelf shelf;
  shelf.answer(shelf.second, "v1");
  shelf.pass(5);
  shelf.answer(shelf.first, "v1");
  shelf.pass(10);
  shelf.book.pool_published("v1", {shelf.two});
  const auto end = at(1005) + 31s + margin;
  CHECK(shelf.lease(shelf.one) == rollout::LeaseEnd{end, 30s});
  // What others of the pool are handed out for later does not count for it.
  shelf.pass(60);
  shelf.answer(shelf.first, "v1");
  CHECK(shelf.lease(shelf.one).at == end);
  CHECK(shelf.lease(shelf.two).at == at(1075) + 31s);
}

TEST_CASE("an endpoint without others may be handed out as a last resort, and its lease goes on then") {
  Shelf shelf;
  shelf.book.pool_published("v2", {}, {shelf.three});
  CHECK_FALSE(shelf.is_in_answers(shelf.three));
  CHECK(shelf.lease(shelf.three).at == at(41));
  shelf.pass(7);
  shelf.answer(shelf.first, "v2");
  CHECK(shelf.lease(shelf.three).at == at(1007) + 31s);
}

TEST_CASE("a lowered TTL leaves the older and longer leases as they are") {
  Shelf shelf;
  shelf.answer(shelf.first, "v1");
  shelf.pass(2);
  shelf.set_ttl(5s);
  shelf.pass(3);
  shelf.answer(shelf.first, "v1");
  shelf.book.pool_published("v1", {shelf.two});
  CHECK(shelf.lease(shelf.one).at == at(1000) + 31s + margin);
}

TEST_CASE("what was answered before the weights changed") {
  Shelf shelf;
  CHECK_FALSE(shelf.book.leased_before_change(shelf.www));
  CHECK(shelf.book.name_lease(shelf.www).answered_last == at(0));
  shelf.answer(shelf.second, "v2");
  shelf.pass(1);
  shelf.book.weights_published(shelf.www);
  CHECK(shelf.book.leased_before_change(shelf.www) == at(1000) + 31s + margin);
  shelf.answer(shelf.first, "v1");
  CHECK(shelf.book.leased_before_change(shelf.www) == at(1000) + 31s + margin);
  CHECK(shelf.book.name_lease(shelf.www).answered_last == at(1001));
  CHECK(shelf.book.name_lease(shelf.www).end == rollout::LeaseEnd{at(1001) + 31s, 30s});
  // Nobody asks any more: over as soon as it is published.
  shelf.pass(100);
  shelf.book.weights_published(shelf.www);
  CHECK(shelf.book.leased_before_change(shelf.www) == at(1101) + 1ms);
}

TEST_CASE("answers by class count for the pool that the class is led to") {
  Shelf shelf;
  shelf.answer(shelf.first, "v2", "testers");
  CHECK(shelf.book.answers(shelf.www, "v2") == 0);
  CHECK(shelf.book.answers_by_class(shelf.www, "testers") == 1);
  CHECK(shelf.book.name_lease(shelf.www).answered_last == at(1000));
}

TEST_CASE("while an answer is under way, everything may be in it") {
  Shelf shelf;
  Quiescence::Reader reader(shelf.quiescence);
  const Quiescence::Section section(reader);
  shelf.book.pool_published("v1", {shelf.two});
  CHECK(shelf.lease(shelf.one).at == at(1000) + 31s);
}

TEST_CASE("of a name that other servers transfer, answers are not seen") {
  Shelf shelf;
  shelf.book.set_transferred({shelf.www});
  shelf.book.pool_published("v1", {shelf.two});
  CHECK(shelf.lease(shelf.one).at == at(1000) + 31s);
}

TEST_CASE("a name that other servers do not transfer any more was answered by them until then") {
  Shelf shelf;
  shelf.book.set_transferred({shelf.www});
  shelf.pass(5);
  shelf.book.set_transferred({});
  shelf.pass(5);
  shelf.book.pool_published("v1", {shelf.two});
  CHECK(shelf.lease(shelf.one).at == at(1005) + 31s);
  CHECK(shelf.lease(shelf.two).at == at(1005) + 31s);
  shelf.answer(shelf.first, "v1");
  CHECK(shelf.lease(shelf.two).at == at(1010) + 31s);
}
