// The flat block: what is compiled into it, how it is found, what becomes of its memory.
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "world.hpp"

namespace sluice::steer {
namespace {

using namespace test;

using Counts = std::map<std::string, unsigned>;

TEST_CASE("names are found by their lower-case wire form, others are not") {
  constexpr unsigned count = 1000;
  Quiescence quiescence;
  Block block(quiescence, count);
  std::vector<Offset> offsets;
  auto name = [](unsigned i) { return wire::Name::parse("host" + std::to_string(i) + ".example").value(); };
  for (unsigned i = 0; i < count; ++i) offsets.push_back(block.add_name(name(i)));
  for (unsigned i = 0; i < count; ++i) REQUIRE(block.find(name(i).wire()) == block.at<NameEntry>(offsets[i]));
  for (unsigned i = count; i < 2 * count; ++i) REQUIRE(block.find(name(i).wire()) == nullptr);
  CHECK(block.find(name(0).parent().wire()) == nullptr);
}

TEST_CASE("a block without names steers nothing") {
  Quiescence quiescence;
  Block block(quiescence, 0);
  CHECK(block.find(wire::Name().wire()) == nullptr);
  CHECK(block.find(wire::Name::parse("example").value().wire()) == nullptr);
}

TEST_CASE("each address leads exactly its weight's share of the spots") {
  World world;
  world.pool("v1", {up("192.0.2.1"), up("192.0.2.2", 2), up("192.0.2.3", 5), up("2001:db8::1", 3),
                    up("2001:db8::2")});
  world.steer("www.example", {{"v1", 1}});
  CHECK(world.addresses_at("www.example", Family::v4) ==
        Counts{{"192.0.2.1", 8192}, {"192.0.2.2", 16384}, {"192.0.2.3", 40960}});
  CHECK(world.addresses_at("www.example", Family::v6) ==
        Counts{{"2001:db8::1", 49152}, {"2001:db8::2", 16384}});
}

TEST_CASE("several answers: windows of distinct addresses around the ring, each led by its share") {
  World world;
  world.pool("v1",
             {up("192.0.2.1"), up("192.0.2.2", 2), up("192.0.2.3"), down("192.0.2.4"), up("192.0.2.5", 4)});
  for (unsigned answers = 1; answers <= 6; ++answers) {
    CAPTURE(answers);
    world.steer("www.example", {{"v1", 1}}, answers);
    CHECK(world.addresses_at("www.example", Family::v4) ==
          Counts{{"192.0.2.1", 8192}, {"192.0.2.2", 16384}, {"192.0.2.3", 8192}, {"192.0.2.5", 32768}});
    std::set<std::vector<std::string>> distinct;
    std::set<const Answer*> seen;
    for (const Answer* answer : world.spots_of("www.example", Family::v4))
      if (seen.insert(answer).second) distinct.insert(addresses_of(answer));
    CHECK(distinct.size() == 4);
    for (const auto& window : distinct) {
      CHECK(window.size() == std::min(answers, 4U));
      CHECK(std::set<std::string>(window.begin(), window.end()).size() == window.size());
    }
  }
}

TEST_CASE(
    "who is handed out: usable ones, else ones not taken out, else all; weight 0 only when nothing has one") {
  const struct {
    const char* name;
    std::vector<Candidate> candidates;
    std::vector<std::string> expected;
    bool alive;
  } cases[] = {
      {"all up", {up("192.0.2.1"), up("192.0.2.2")}, {"192.0.2.1", "192.0.2.2"}, true},
      {"one down", {up("192.0.2.1"), down("192.0.2.2")}, {"192.0.2.1"}, true},
      {"one drained", {up("192.0.2.1"), drained("192.0.2.2")}, {"192.0.2.1"}, true},
      {"down and drained: the dead one, not the drained",
       {down("192.0.2.1"), drained("192.0.2.2")},
       {"192.0.2.1"},
       false},
      {"all down: as if healthy", {down("192.0.2.1"), down("192.0.2.2")}, {"192.0.2.1", "192.0.2.2"}, false},
      {"all drained: better than nothing",
       {drained("192.0.2.1"), drained("192.0.2.2")},
       {"192.0.2.1", "192.0.2.2"},
       false},
      {"weight 0 beside another", {up("192.0.2.1", 0), up("192.0.2.2")}, {"192.0.2.2"}, true},
      {"weight 0 up, the other down", {up("192.0.2.1", 0), down("192.0.2.2")}, {"192.0.2.2"}, false},
      {"weight 0 down, the other drained",
       {down("192.0.2.1", 0), drained("192.0.2.2")},
       {"192.0.2.2"},
       false},
      {"nothing but weight 0", {up("192.0.2.1", 0), up("192.0.2.2", 0)}, {"192.0.2.1", "192.0.2.2"}, false},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    World world;
    world.pool("v1", c.candidates);
    world.pool("other", {up("198.51.100.1")});
    world.steer("alone.example", {{"v1", 1}});
    world.steer("both.example", {{"v1", 1}, {"other", 1}});
    Counts expected;
    for (const auto& address : c.expected)
      expected[address] = slot_count / static_cast<unsigned>(c.expected.size());
    CHECK(world.addresses_at("alone.example", Family::v4) == expected);
    CHECK((world.choose("both.example", {0, 0, 0}, Family::v4).counter == 0) == c.alive);
  }
}

TEST_CASE("when an endpoint dies, only its own spots move; when it returns, they come back") {
  std::mt19937 random(5);
  for (int round = 0; round < 20; ++round) {
    std::vector<Candidate> candidates;
    for (unsigned i = 1; i <= 2 + random() % 8; ++i)
      candidates.push_back(up("192.0.2." + std::to_string(i), static_cast<double>(1 + random() % 9)));
    World world;
    world.pool("v1", candidates);
    world.steer("www.example", {{"v1", 1}}, 1 + round % 3);
    auto leaders = [&] {
      std::map<const Answer*, std::string> texts;
      std::vector<std::string> result;
      for (const Answer* answer : world.spots_of("www.example", Family::v4)) {
        auto& text = texts[answer];
        if (text.empty()) text = first_of(answer);
        result.push_back(text);
      }
      return result;
    };
    const auto before = leaders();
    auto& victim = candidates[random() % candidates.size()];
    victim.usable = false;
    world.pool("v1", candidates);
    const auto during = leaders();
    const std::string dead = to_text(victim.destination);
    unsigned wrong = 0;
    for (std::size_t spot = 0; spot < slot_count; ++spot)
      wrong += during[spot] == dead || (before[spot] != dead && during[spot] != before[spot]);
    REQUIRE(wrong == 0);
    victim.usable = true;
    world.pool("v1", candidates);
    REQUIRE(leaders() == before);
  }
}

TEST_CASE("a pool's verdict reaches every steer that uses it, whatever its number of answers") {
  World world;
  world.pool("v1", {up("192.0.2.1"), up("192.0.2.2")});
  world.steer("one.example", {{"v1", 1}}, 1);
  world.steer("two.example", {{"v1", 1}}, 2);
  world.steer("other.example", {{"v1", 1}}, 2);
  world.pool("v1", {up("192.0.2.1"), down("192.0.2.2")});
  for (const char* name : {"one.example", "two.example", "other.example"}) {
    CAPTURE(name);
    CHECK(world.addresses_at(name, Family::v4) == Counts{{"192.0.2.1", slot_count}});
    CHECK(addresses_of(world.choose(name, {}, Family::v4).answer).size() == 1);
  }
}

TEST_CASE("what a reader found in its section stays as it was until it leaves") {
  World world;
  world.pool("v1", {up("192.0.2.1")});
  world.steer("www.example", {{"v1", 1}});
  Quiescence::Reader reader(world.quiescence);
  const Quiescence::Section section(reader);
  const Table& table = world.table("www.example");
  const Answer* answer = choose(world.block, table, {}, Family::v4).answer;
  for (int i = 0; i < 100; ++i) {
    world.pool("v1", {up("198.51.100." + std::to_string(i))});
    auto next = world.input("www.example", {{"v1", 1}});
    next.ttl = static_cast<std::uint32_t>(1000 + i);
    world.publish(next);
  }
  CHECK(addresses_of(answer) == std::vector<std::string>{"192.0.2.1"});
  CHECK(table.ttl == 30);
  CHECK(first_of(choose(world.block, table, {}, Family::v4).answer) ==
        "198.51.100.99");  // an old table, a new verdict
}

TEST_CASE("100,000 publications need no more memory than a few") {
  // So little room that nothing may be lost: each publication has to find what the ones before have left.
  World world(4, std::size_t{64} << 10);
  std::mt19937 random(6);
  std::size_t most = 0;
  world.pool("v1", {});
  world.pool("v2", {up("192.0.2.9")});
  SteerInput steer = world.input("www.example", {{"v1", 1}, {"v2", 1}}, 2);
  world.publish(steer);
  for (int i = 0; i < 100000; ++i) {
    if (i % 4 == 0) {
      const std::vector<double> weights = {static_cast<double>(random() % 100),
                                           static_cast<double>(1 + random() % 100)};
      steer.layout = relay(steer.layout, weights);
      world.publish(steer);
    } else {
      std::vector<Candidate> candidates;
      for (unsigned n = 1; n <= 3; ++n) {
        candidates.push_back(up("192.0.2." + std::to_string(n)));
        candidates.back().usable = random() % 2 == 0;
      }
      world.pool("v1", candidates);
    }
    most = std::max(most, world.block.used_bytes());
  }
  CHECK(most < 4096);
}

TEST_CASE("a full block refuses, changes nothing, and goes on") {
  World world(4, 4096);
  world.pool("small", {up("192.0.2.1")});
  world.steer("www.example", {{"small", 1}});
  const auto before = world.addresses_at("www.example", Family::v4);
  const std::size_t used = world.block.used_bytes();

  std::vector<Candidate> many;
  for (unsigned i = 0; i < 250; ++i) many.push_back(up("10.0.0." + std::to_string(i)));
  // A pool that is in use grows beyond the block.
  for (int i = 0; i < 100; ++i) REQUIRE_FALSE(world.block.publish_pool("small", many));
  CHECK(world.block.used_bytes() == used);
  CHECK(world.addresses_at("www.example", Family::v4) == before);

  // A pool that nobody uses costs nothing yet; the table that wants it is refused.
  REQUIRE(world.block.publish_pool("great", many));
  const SteerInput both = world.input("www.example", {{"small", 1}, {"great", 1}});
  for (int i = 0; i < 100; ++i)
    REQUIRE_FALSE(world.block.publish_table(world.names.at("www.example."), both));
  CHECK(world.block.used_bytes() == used);
  CHECK(world.addresses_at("www.example", Family::v4) == before);

  world.pool("small", {up("192.0.2.2")});
  CHECK(world.addresses_at("www.example", Family::v4) == Counts{{"192.0.2.2", slot_count}});
  world.pool("great", {up("192.0.2.3")});
  world.publish(both);
  CHECK(world.slots_of("www.example", Family::v4) ==
        std::map<AnswerCounter, unsigned>{{0, 32768}, {1, 32768}});
}

}  // namespace
}  // namespace sluice::steer
