// The choice of a query: slots by weight, dead pools stepped around, sticky and paired draws.
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "world.hpp"

namespace sluice::steer {
namespace {

using namespace test;

using Slots = std::map<AnswerCounter, unsigned>;

TEST_CASE("all slots: pools get their weights' shares, for A and for AAAA") {
  World world;
  world.pool("v1", {up("192.0.2.1"), up("2001:db8::1")});
  world.pool("v2", {up("192.0.2.2"), up("2001:db8::2")});
  world.pool("v3", {up("192.0.2.3"), up("2001:db8::3")});
  world.steer("www.example", {{"v1", 90}, {"v2", 10}, {"v3", 0}});
  for (const Family family : {Family::v4, Family::v6})
    CHECK(world.slots_of("www.example", family) == Slots{{0, 58982}, {1, 6554}});
}

TEST_CASE("A and AAAA of one slot come from the same pool") {
  World world;
  world.pool("v1", {up("192.0.2.1"), up("2001:db8::1")});
  world.pool("v2", {up("192.0.2.2"), up("2001:db8::2")});
  SteerInput steer = world.input("www.example", {{"v1", 1}, {"v2", 1}});
  std::mt19937 random(7);
  for (int i = 0; i < 12; ++i)
    steer.layout = relay(steer.layout, std::vector<double>{static_cast<double>(random() % 9),
                                                           static_cast<double>(1 + random() % 9)});
  world.publish(steer);
  const Table& table = world.table("www.example");
  unsigned split = 0;
  for (std::uint32_t slot = 0; slot < slot_count; ++slot) {
    const Draw draw{static_cast<std::uint16_t>(slot), 0, 0};
    split += choose(world.block, table, draw, Family::v4).counter !=
             choose(world.block, table, draw, Family::v6).counter;
  }
  CHECK(split == 0);
}

TEST_CASE("a dead pool's slots go to the living in proportion to theirs; the living keep their own") {
  World world;
  world.pool("v1", {up("192.0.2.1")});
  world.pool("v2", {down("192.0.2.2")});
  world.pool("v3", {up("192.0.2.3")});
  world.pool("v4", {down("192.0.2.4"), drained("192.0.2.5")});
  world.steer("www.example", {{"v1", 30}, {"v2", 40}, {"v3", 10}, {"v4", 20}});
  const Table& table = world.table("www.example");
  const auto own = apportion(std::vector<double>{30, 40, 10, 20});

  const std::uint16_t in_v1 = 0, in_v2 = static_cast<std::uint16_t>(own[0] + 5),
                      in_v3 = static_cast<std::uint16_t>(own[0] + own[1] + 5), in_v4 = 65535;
  for (const std::uint16_t slot : {in_v2, in_v4}) {
    Slots taken;
    for (std::uint32_t detour = 0; detour < 65536; ++detour)
      ++taken[choose(world.block, table, {slot, 0, detour << 16}, Family::v4).counter];
    CHECK(taken.size() == 2);
    CHECK(taken[0] == doctest::Approx(49152).epsilon(0.001));
    CHECK(taken[2] == doctest::Approx(16384).epsilon(0.001));
  }
  for (const std::uint32_t detour : {0U, 1U << 31, ~0U}) {
    CHECK(choose(world.block, table, {in_v1, 0, detour}, Family::v4).counter == 0);
    CHECK(choose(world.block, table, {in_v3, 0, detour}, Family::v4).counter == 2);
    CHECK(first_of(choose(world.block, table, {in_v2, 0, detour}, Family::v4).answer) ==
          (detour == 0     ? "192.0.2.1"
           : detour == ~0U ? "192.0.2.3"
                           : "192.0.2.1"));
  }
}

TEST_CASE("a pool at weight 0 does not take a dead pool's slots") {
  World world;
  world.pool("v1", {down("192.0.2.1")});
  world.pool("v2", {up("192.0.2.2")});
  world.steer("www.example", {{"v1", 1}, {"v2", 0}});
  CHECK(world.slots_of("www.example", Family::v4) == Slots{{0, slot_count}});
}

TEST_CASE("when all pools are dead, each answers as if it were healthy") {
  World world;
  world.pool("v1", {down("192.0.2.1"), drained("192.0.2.9")});
  world.pool("v2", {down("192.0.2.2"), down("192.0.2.3")});
  world.steer("www.example", {{"v1", 3}, {"v2", 1}});
  CHECK(world.slots_of("www.example", Family::v4) == Slots{{0, 49152}, {1, 16384}});
  CHECK(world.addresses_at("www.example", Family::v4, 0).size() == 1);
  CHECK(world.addresses_at("www.example", Family::v4, 65535).size() == 2);
}

TEST_CASE("life and death are a family's own") {
  World world;
  world.pool("v1", {down("192.0.2.1"), up("2001:db8::1")});
  world.pool("v2", {up("192.0.2.2"), down("2001:db8::2")});
  world.steer("www.example", {{"v1", 1}, {"v2", 1}});
  CHECK(world.slots_of("www.example", Family::v4) == Slots{{1, slot_count}});
  CHECK(world.slots_of("www.example", Family::v6) == Slots{{0, slot_count}});
}

TEST_CASE("a pool without a family answers nothing for it, and is not stepped around") {
  World world;
  world.pool("v4only", {up("192.0.2.1")});
  world.pool("both", {up("192.0.2.2"), up("2001:db8::2")});
  world.steer("www.example", {{"v4only", 1}, {"both", 1}});
  const auto choice = world.choose("www.example", {0, 0, 0}, Family::v6);
  CHECK(choice.answer == nullptr);
  CHECK(choice.ttl == 30);
  CHECK(choice.counter == 0);
  CHECK(first_of(world.choose("www.example", {65535, 0, 0}, Family::v6).answer) == "2001:db8::2");
  CHECK(world.choose("www.example", {0, 0, 0}, Family::v4).answer != nullptr);

  // Nor does a dead pool's share go to where there is no address.
  world.pool("both", {up("192.0.2.2"), down("2001:db8::2")});
  CHECK(first_of(world.choose("www.example", {65535, 0, 0}, Family::v6).answer) == "2001:db8::2");
}

TEST_CASE("what is in force is what some query may be answered") {
  struct Case {
    const char* name;
    std::vector<Candidate> v1, v2;
    std::vector<World::Weight> weights;
    unsigned answers;
  };
  const Case cases[] = {
      {"both alive", {up("192.0.2.1"), up("192.0.2.2")}, {up("192.0.2.3")}, {{"v1", 1}, {"v2", 1}}, 1},
      {"several answers", {up("192.0.2.1"), up("192.0.2.2"), up("192.0.2.4")}, {}, {{"v1", 1}}, 2},
      {"a pool without slots", {up("192.0.2.1")}, {up("192.0.2.3")}, {{"v1", 1}, {"v2", 0}}, 1},
      {"a dead address", {up("192.0.2.1"), down("192.0.2.2")}, {}, {{"v1", 1}}, 1},
      {"a drained address", {up("192.0.2.1"), drained("192.0.2.2")}, {}, {{"v1", 1}}, 1},
      {"a dead pool", {down("192.0.2.1")}, {up("192.0.2.3")}, {{"v1", 99}, {"v2", 1}}, 1},
      {"all dead", {down("192.0.2.1"), down("192.0.2.2")}, {down("192.0.2.3")}, {{"v1", 1}, {"v2", 1}}, 1},
      {"one address in two pools", {up("192.0.2.1")}, {up("192.0.2.1")}, {{"v1", 1}, {"v2", 1}}, 1},
      {"only the other family", {up("2001:db8::1")}, {}, {{"v1", 1}}, 1},
  };
  for (const auto& each : cases) {
    CAPTURE(each.name);
    World world;
    world.pool("v1", each.v1);
    world.pool("v2", each.v2);
    world.steer("www.example", each.weights, each.answers);
    for (const Family family : {Family::v4, Family::v6}) {
      std::set<std::string> given;
      for (unsigned slot = 0; slot < slot_count; slot += slot_count / 4)
        for (unsigned spot = 0; spot < slot_count; spot += 64)
          for (const auto& address : addresses_of(
                   world
                       .choose("www.example",
                               {static_cast<std::uint16_t>(slot), static_cast<std::uint16_t>(spot), 0},
                               family)
                       .answer))
            given.insert(address);
      given.erase("none");
      const auto in_force = steer::in_force(world.block, world.table("www.example"), family);
      std::set<std::string> said;
      for (const auto& record : in_force.records) {
        Address address{.family = family, .octets = {}};
        CHECK(record.type == (family == Family::v4 ? wire::RrType::a : wire::RrType::aaaa));
        REQUIRE(record.rdata.size() == address.size());
        std::copy(record.rdata.begin(), record.rdata.end(), address.octets.begin());
        said.insert(to_text(address));
      }
      CHECK(said == given);
      CHECK(said.size() == in_force.records.size());
      CHECK(in_force.ttl == 30);
    }
  }
}

TEST_CASE("what a pool gives out, and each address' part of it") {
  World world;
  world.pool("v1", {up("192.0.2.1", 3), up("192.0.2.2"), drained("192.0.2.3"), up("2001:db8::1")});
  world.pool("v2", {down("192.0.2.4")});
  world.steer("www.example.", {{"v1", 1}, {"v2", 1}}, 2);
  const auto& table = world.table("www.example.");
  const auto v1 = pool_in_force(world.block, table, 0, Family::v4);
  CHECK(v1.counter == 0);
  CHECK(v1.grade == Grade::alive);
  REQUIRE(v1.parts.size() == 2);
  CHECK(v1.parts[0].record.rdata == std::vector<std::uint8_t>{192, 0, 2, 1});
  CHECK(v1.parts[0].share == 0.75);
  CHECK(v1.parts[1].share == 0.25);
  CHECK(pool_in_force(world.block, table, 1, Family::v4).grade == Grade::dead);
  CHECK_FALSE(pool_in_force(world.block, table, 1, Family::v6).grade.has_value());

  const auto records = records_of(world.choose("www.example.", {0, 0, 0}, Family::v4));
  REQUIRE(records.size() == 2);
  CHECK(records[0].rdata == std::vector<std::uint8_t>{192, 0, 2, 1});
  CHECK(records[1].rdata == std::vector<std::uint8_t>{192, 0, 2, 2});
  CHECK(records_of(Choice{}).empty());
}

TEST_CASE("a pool that was never published or has no endpoints answers nothing") {
  World world;
  world.pool("empty", {});
  world.steer("www.example", {{"empty", 1}, {"unknown", 1}});
  for (const std::uint16_t slot : {std::uint16_t{0}, std::uint16_t{65535}})
    for (const Family family : {Family::v4, Family::v6})
      CHECK(world.choose("www.example", {slot, 0, 0}, family).answer == nullptr);
}

// The salt and the hashes are SipHash-1-3 as CPython computes them with a key of zeros.
TEST_CASE("a sticky client's draw is the same in every version") {
  World world;
  world.pool("v1", {up("192.0.2.1")});
  world.steer("www.example", {{"v1", 1}});
  const Table& table = world.table("www.example");
  CHECK(table.hash_salt == 0xefd659a1);
  const struct {
    const char* client;
    std::uint16_t slot, spot;
    std::uint32_t detour;
  } cases[] = {
      {"192.0.2.0", 9632, 38235, 2826531676},
      {"198.51.100.7", 6621, 49355, 3146607592},
      {"2001:db8::", 63605, 47584, 4186999815},
  };
  for (const auto& c : cases) {
    CAPTURE(c.client);
    const Draw draw = sticky_draw({0, 0}, parse_address(c.client).value(), table);
    CHECK(draw.slot == c.slot);
    CHECK(draw.spot == c.spot);
    CHECK(draw.detour == c.detour);
  }
}

TEST_CASE("a sticky draw depends on the key, the name, the family and every bit of the address") {
  World world;
  world.pool("v1", {up("192.0.2.1")});
  world.steer("www.example", {{"v1", 1}});
  world.steer("api.example", {{"v1", 1}});
  auto bits = [&](HashKey key, const char* client, const char* name) {
    const Draw draw = sticky_draw(key, parse_address(client).value(), world.table(name));
    return std::uint64_t{draw.detour} << 32 | std::uint64_t{draw.spot} << 16 | draw.slot;
  };
  const auto plain = bits({1, 2}, "1.2.3.4", "www.example");
  CHECK(plain == bits({1, 2}, "1.2.3.4", "www.example"));
  CHECK(plain != bits({1, 3}, "1.2.3.4", "www.example"));
  CHECK(plain != bits({1, 2}, "1.2.3.5", "www.example"));
  CHECK(plain != bits({1, 2}, "1.2.3.4", "api.example"));
  CHECK(plain != bits({1, 2}, "102:304::", "www.example"));
}

// How far counts are from all being equal; its mean is their number less one.
double chi_square(const std::vector<unsigned>& counts, double expected) {
  double sum = 0;
  for (const unsigned count : counts) sum += (count - expected) * (count - expected) / expected;
  return sum;
}

TEST_CASE("sticky draws of many clients are spread evenly") {
  World world;
  world.pool("v1", {up("192.0.2.1")});
  world.steer("www.example", {{"v1", 1}});
  std::vector<unsigned> slots(256), spots(256);
  for (unsigned i = 0; i < 65536; ++i) {
    const Address client{.family = Family::v4,
                         .octets = {10, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}};
    const Draw draw = sticky_draw({3, 4}, client, world.table("www.example"));
    ++slots[draw.slot >> 8];
    ++spots[draw.spot >> 8];
  }
  CHECK(chi_square(slots, 256) < 400);  // 255 and 6 standard deviations
  CHECK(chi_square(spots, 256) < 400);
}

// Asks for a client, with a fresh draw that occurs only once.
class Asker {
 public:
  Draw ask(std::uint64_t client, Question question) { return table_.pair(client, question, fresh()); }
  Draw fresh() {
    ++next_;
    return {next_, next_, static_cast<std::uint32_t>(next_) << 16};
  }

 private:
  PairTable table_;
  std::uint16_t next_ = 0;
};

bool paired(const Draw& a, const Draw& b) { return a.slot == b.slot && a.detour == b.detour; }

TEST_CASE("the second of a pair of A and AAAA uses the draw of the first") {
  constexpr auto a = Question::a, aaaa = Question::aaaa, https = Question::https;
  constexpr std::uint64_t client = 0x123456789ABCDEF0;
  const struct {
    const char* name;
    std::vector<Question> queries;
    std::vector<int> drawn;  // which queries have one draw
  } cases[] = {
      {"A then AAAA", {a, aaaa}, {0, 0}},
      {"AAAA then A", {aaaa, a}, {0, 0}},
      {"a pair is used once", {a, aaaa, a, aaaa}, {0, 0, 1, 1}},
      {"the next pair may begin with the other", {a, aaaa, aaaa, a}, {0, 0, 1, 1}},
      {"AAAA pairs with the last A", {a, a, a, aaaa}, {0, 1, 2, 2}},
      {"only A", {a, a, a}, {0, 1, 2}},
      {"AAAA twice", {a, aaaa, aaaa}, {0, 0, 1}},
      {"HTTPS, A and AAAA", {https, a, aaaa, https}, {0, 0, 0, 1}},
      {"HTTPS between pairs", {a, aaaa, https, a}, {0, 0, 0, 1}},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    Asker asker;
    std::vector<Draw> draws;
    for (const Question question : c.queries) draws.push_back(asker.ask(client, question));
    for (std::size_t i = 0; i < draws.size(); ++i)
      for (std::size_t j = 0; j < i; ++j) CHECK(paired(draws[i], draws[j]) == (c.drawn[i] == c.drawn[j]));
  }
}

TEST_CASE("another client at the same place of the pair table is not taken for the first") {
  constexpr std::uint64_t client = 0x123456789ABCDEF0, other = client ^ std::uint64_t{1} << 40;
  Asker asker;
  const Draw first = asker.ask(client, Question::a);
  const Draw second = asker.ask(other, Question::aaaa);
  CHECK_FALSE(paired(first, second));
  CHECK_FALSE(paired(first, asker.ask(client, Question::aaaa)));  // overwritten: drawn anew
}

TEST_CASE("paired draws leave the shares as they are") {
  PairTable table;
  std::mt19937_64 random(8);
  std::vector<unsigned> slots[2] = {std::vector<unsigned>(256), std::vector<unsigned>(256)};
  for (unsigned i = 0; i < 400000; ++i) {
    const std::uint64_t client = random() % 50 * 0x9E3779B97F4A7C15;
    const Question question = random() % 3 == 0 ? Question::aaaa : Question::a;
    const Draw draw = table.pair(client, question, Draw::from_bits(random()));
    ++slots[static_cast<unsigned>(question)][draw.slot >> 8];
  }
  for (const auto& counts : slots) {
    double total = 0;
    for (const unsigned count : counts) total += count;
    CHECK(chi_square(counts, total / 256) < 400);
  }
}

}  // namespace
}  // namespace sluice::steer
