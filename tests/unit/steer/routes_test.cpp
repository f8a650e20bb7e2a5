// Clients that are led to a pool by their class, and when they are not.
#include <vector>

#include <doctest/doctest.h>

#include "world.hpp"

namespace sluice::steer {
namespace {

using namespace test;

// Testers are led to v2, which has no share; partners to v1. Counters: v1 0, v2 1, testers 8, partners 9.
struct RouteWorld : World {
  RouteWorld() {
    pool("v1", {up("192.0.2.1"), up("2001:db8::1")});
    pool("v2", {up("192.0.2.2"), up("2001:db8::2")});
    block.add_class("testers", prefixes({"10.0.0.0/8", "2001:db8:7::/48"}));
    block.add_class("partners", prefixes({"10.9.0.0/16"}));
    publish_routes({{"testers", "v2", 8}, {"partners", "v1", 9}});
  }
  static std::vector<Prefix> prefixes(const std::vector<std::string>& texts) {
    std::vector<Prefix> result;
    for (const auto& text : texts) result.push_back(parse_prefix(text).value());
    return result;
  }
  void publish_routes(const std::vector<RouteInput>& routes) {
    auto steer = input("www.example", {{"v1", 1}, {"v2", 0}});
    steer.routes = routes;
    publish(steer);
  }
  Choice choose(std::string_view client, Family family = Family::v4) const {
    const auto prefix = parse_prefix(client).value();
    const auto& seen = table("www.example");
    return steer::choose(block, seen, {5, 5, 5}, family,
                         route_of(block, seen, prefix.address, prefix.length).target);
  }
};

TEST_CASE("a class is led to its pool whatever its share; all others draw") {
  const RouteWorld world;
  struct Row {
    const char* client;
    AnswerCounter counter;
    const char* answer;
  };
  const Row rows[] = {{"10.1.1.1", 8, "192.0.2.2"},      {"10.9.1.1", 9, "192.0.2.1"},
                      {"192.0.2.99", 0, "192.0.2.1"},    {"2001:db8:7::1", 8, "192.0.2.2"},
                      {"2001:db8:8::1", 0, "192.0.2.1"}, {"10.0.0.0/8", 8, "192.0.2.2"},
                      {"10.0.0.0/7", 0, "192.0.2.1"}};
  for (const auto& row : rows) {
    CAPTURE(row.client);
    const auto choice = world.choose(row.client);
    CHECK(choice.counter == row.counter);
    CHECK(choice.by_route == (row.counter >= 8));
    CHECK(first_of(choice.answer) == row.answer);
  }
  CHECK(first_of(world.choose("10.1.1.1", Family::v6).answer) == "2001:db8::2");
}

TEST_CASE("who is led does not change what the slots give") {
  RouteWorld world;
  CHECK(world.slots_of("www.example", Family::v4) == std::map<AnswerCounter, unsigned>{{0, slot_count}});
  world.pool("v1", {down("192.0.2.1"), down("2001:db8::1")});
  CHECK(world.slots_of("www.example", Family::v4) == std::map<AnswerCounter, unsigned>{{0, slot_count}});
}

TEST_CASE("a pool that is not alive gets nobody, and a shorter class is no way out") {
  RouteWorld world;
  world.pool("v2", {down("192.0.2.2"), up("2001:db8::2")});
  CHECK(world.choose("10.1.1.1").counter == 0);
  CHECK_FALSE(world.choose("10.1.1.1").by_route);
  CHECK(world.choose("10.1.1.1", Family::v6).counter == 8);
  world.pool("v2", {drained("192.0.2.2"), drained("2001:db8::2")});
  CHECK(world.choose("10.1.1.1").counter == 0);
  world.pool("v1", {down("192.0.2.1"), down("2001:db8::1")});
  CHECK(world.choose("10.9.1.1").counter == 0);
  CHECK(world.choose("10.9.1.1").last_resort);
}

TEST_CASE("while the pool is not alive, answers live no longer than until it may be back") {
  RouteWorld world;
  REQUIRE(world.block.publish_pool("v2", std::vector{down("192.0.2.2")}, {.ttl_max = 4}));
  CHECK(world.choose("10.1.1.1").ttl == 4);
  CHECK(world.choose("192.0.2.99").ttl == 30);
}

TEST_CASE("a pool without a family has no answer for it, as long as it lives in the other") {
  RouteWorld world;
  world.block.add_class("all", RouteWorld::prefixes({"0.0.0.0/0"}));
  world.pool("v4only", {up("192.0.2.4")});
  auto steer = world.input("four.example", {{"v1", 1}, {"v4only", 0}});
  steer.routes = {{"all", "v4only", 8}};
  world.publish(steer);
  const auto& table = world.table("four.example");
  const auto ask = [&](Family family) { return choose(world.block, table, {}, family, 0); };
  CHECK(ask(Family::v4).counter == 8);
  CHECK(ask(Family::v6).counter == 8);
  CHECK(ask(Family::v6).answer == nullptr);
  world.pool("v4only", {down("192.0.2.4")});
  CHECK(ask(Family::v4).counter == 0);
  CHECK(first_of(ask(Family::v6).answer) == "2001:db8::1");
}

TEST_CASE("routes come and go; names with the same ones share a table of prefixes") {
  RouteWorld world;
  const auto before = world.block.used_bytes();
  const auto prefixes = world.table("www.example").prefixes;
  auto other = world.input("other.example", {{"v1", 1}, {"v2", 0}});
  other.routes = {{"testers", "v1", 10}, {"partners", "v2", 11}};
  world.publish(other);
  CHECK(world.table("other.example").prefixes == prefixes);
  CHECK(world.block.used_bytes() < before + 300);
  world.publish_routes({});
  CHECK(world.table("www.example").prefixes == 0);
  CHECK(world.choose("10.1.1.1").counter == 0);
  world.publish_routes({{"partners", "v2", 9}});
  CHECK(world.choose("10.1.1.1").counter == 0);
  CHECK(world.choose("10.9.1.1").counter == 9);
  CHECK(world.table("www.example").prefixes != prefixes);
}

}  // namespace
}  // namespace sluice::steer
