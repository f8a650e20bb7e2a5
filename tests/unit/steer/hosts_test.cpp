// Pools of hosts: one CNAME an answer, the same for both families, chosen like addresses.
#include <cmath>
#include <random>

#include <doctest/doctest.h>

#include "world.hpp"

namespace sluice::steer {
namespace {

using namespace test;

// The host of a compiled CNAME, its other octets checked.
std::string host_of(const Answer* answer) {
  if (answer == nullptr) return "none";
  const auto* at = reinterpret_cast<const std::uint8_t*>(answer + 1);
  const std::size_t size = answer->stride - record_fixed_size;
  const std::uint8_t fixed[] = {0xC0, 12, 0, 5, 0, 1, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(size)};
  if (answer->flags != answer_is_cname || answer->record_count != 1 || answer->length != answer->stride ||
      !std::equal(std::begin(fixed), std::end(fixed), at))
    return "torn";
  const auto name = wire::Name::from_wire({at + record_fixed_size, size});
  return name ? name->text() : "torn";
}

using Counts = std::map<std::string, unsigned>;

Counts hosts_at(const World& world, Family family, std::uint16_t slot = 0) {
  std::map<const Answer*, unsigned> by_answer;
  for (const Answer* answer : world.spots_of("www.example", family, slot)) ++by_answer[answer];
  Counts counts;
  for (const auto& [answer, count] : by_answer) counts[host_of(answer)] += count;
  return counts;
}

TEST_CASE("each host has its weight's share of the spots, in both families, whatever `answers` says") {
  for (const unsigned answers : {1U, 8U}) {
    World world;
    world.pool("cdn", {up("edge.cdn.test"), up("backup.cdn.test", 3)});
    world.steer("www.example", {{"cdn", 1}}, answers);
    const Counts expected{{"edge.cdn.test.", 16384}, {"backup.cdn.test.", 49152}};
    CHECK(hosts_at(world, Family::v4) == expected);
    CHECK(hosts_at(world, Family::v6) == expected);
    CHECK(world.spots_of("www.example", Family::v4) == world.spots_of("www.example", Family::v6));
    CHECK(world.table("www.example").to_hosts());
  }
}

TEST_CASE("names that lead to addresses are not marked") {
  World world;
  world.pool("v1", {up("192.0.2.1")});
  world.steer("www.example", {{"v1", 1}});
  CHECK_FALSE(world.table("www.example").to_hosts());
  CHECK(world.choose("www.example", {}, Family::v4).answer->flags == 0);
}

TEST_CASE("dead and drained hosts, and dead pools of hosts") {
  const struct {
    const char* name;
    std::vector<Candidate> first, second;
    Counts first_slot;  // hosts at the spots of the first pool's slots
  } rows[] = {
      {"one down", {up("a.test"), down("b.test")}, {up("c.test")}, {{"a.test.", 65536}}},
      {"all down: the other pool", {down("a.test"), down("b.test")}, {up("c.test")}, {{"c.test.", 65536}}},
      {"a dead one before a drained one",
       {drained("a.test"), down("b.test")},
       {drained("c.test")},
       {{"b.test.", 65536}}},
      {"everything down: as if healthy",
       {down("a.test"), down("b.test")},
       {down("c.test")},
       {{"a.test.", 32768}, {"b.test.", 32768}}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    World world;
    world.pool("one", row.first);
    world.pool("two", row.second);
    world.steer("www.example", {{"one", 1}, {"two", 1}});
    CHECK(hosts_at(world, Family::v4) == row.first_slot);
    CHECK(hosts_at(world, Family::v6) == row.first_slot);
  }
}

TEST_CASE("a name of 255 octets is compiled") {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + label.substr(2) + ".";
  World world;
  world.pool("cdn", {up(longest)});
  world.steer("www.example", {{"cdn", 1}});
  CHECK(host_of(world.choose("www.example", {}, Family::v4).answer) == longest);
}

TEST_CASE("100,000 verdicts about hosts need no more memory than a few") {
  World world(4, std::size_t{64} << 10);
  std::mt19937 random(6);
  world.pool("cdn", {up("a.test"), up("b.test")});
  world.steer("www.example", {{"cdn", 1}}, 2);
  std::size_t most = 0;
  for (int i = 0; i < 100000; ++i) {
    world.pool("cdn",
               {random() % 2 ? up("a.test") : down("a.test"), random() % 2 ? up("b.test") : down("b.test")});
    most = std::max(most, world.block.used_bytes());
  }
  CHECK(most < 4096);
}

TEST_CASE("paired queries agree on the host, and hosts keep their shares") {
  World world;
  world.pool("one", {up("a.test"), up("b.test", 3)});
  world.pool("two", {up("c.test"), down("d.test")});
  world.pool("dead", {down("e.test")});
  world.steer("www.example", {{"one", 1}, {"two", 1}, {"dead", 2}});
  PairTable pairs;
  std::mt19937_64 random(9);
  Counts counts;
  constexpr unsigned clients = 200000;
  for (unsigned i = 0; i < clients; ++i) {
    const std::uint64_t client = random();
    std::string first;
    for (const Question question : {Question::a, Question::aaaa, Question::https, Question::other}) {
      const Draw draw = with_common_spot(pairs.pair(client, question, Draw::from_bits(random())));
      const auto family = question == Question::aaaa ? Family::v6 : Family::v4;
      const auto host = host_of(world.choose("www.example", draw, family).answer);
      if (first.empty()) first = host;
      REQUIRE(host == first);
    }
    ++counts[first];
  }
  const struct {
    const char* host;
    double share;
  } rows[] = {{"a.test.", 0.125}, {"b.test.", 0.375}, {"c.test.", 0.5}};
  for (const auto& row : rows) {
    CAPTURE(row.host);
    const double deviation = std::sqrt(clients * row.share * (1 - row.share));
    CHECK(std::abs(counts[row.host] - clients * row.share) < 6 * deviation);
  }
  CHECK(counts.size() == 3);
}

TEST_CASE("in force is the one host that most draws lead to") {
  const struct {
    const char* name;
    std::vector<Candidate> one, two;
    double weight_of_two;
    const char* expected;
  } rows[] = {
      {"the larger pool", {up("a.test")}, {up("b.test")}, 2, "b.test."},
      {"the smaller pool's only host", {up("a.test")}, {up("b.test"), up("c.test")}, 1.5, "a.test."},
      {"the heavier host", {up("a.test"), up("b.test", 3)}, {up("c.test")}, 0.5, "b.test."},
      {"a living one", {down("a.test")}, {up("b.test")}, 0.01, "b.test."},
      {"a dead one before one taken out", {drained("a.test")}, {down("b.test")}, 0.01, "b.test."},
      {"all dead", {down("a.test")}, {down("b.test")}, 0.01, "a.test."},
      {"a pool without slots is not asked", {down("a.test")}, {up("b.test")}, 0, "a.test."},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    World world;
    world.pool("one", row.one);
    world.pool("two", row.two);
    world.steer("www.example", {{"one", 1}, {"two", row.weight_of_two}});
    for (const Family family : {Family::v4, Family::v6}) {
      const auto now = in_force(world.block, world.table("www.example"), family);
      REQUIRE(now.records.size() == 1);
      CHECK(now.records[0].type == wire::RrType::cname);
      CHECK(wire::to_text(now.records[0].rdata) == row.expected);
      CHECK(now.ttl == 30);
    }
  }
}

}  // namespace
}  // namespace sluice::steer
