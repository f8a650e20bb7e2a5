// What becomes of shares when pools fail: redistribute() by tables, and choose() held against it.
#include "steer/redistribute.hpp"

#include <algorithm>
#include <numeric>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "world.hpp"

namespace sluice::steer {
namespace {

using namespace test;

constexpr auto alive = Grade::alive, dead = Grade::dead, taken_out = Grade::taken_out;

Rated capped(double share, Grade grade, double cap) { return {.share = share, .grade = grade, .cap = cap}; }
Rated standby(Grade grade, unsigned place, double cap = 1) {
  return {.share = 0, .grade = grade, .cap = cap, .standby = place};
}
Rated keeping(double share) { return {.share = share, .grade = dead, .keeps_share = true}; }

TEST_CASE("shares after health: to the living up to their caps, to the standby pools, and back to the dead") {
  struct Row {
    const char* what;
    std::vector<Rated> pools;
    std::vector<double> shares;
  };
  const Row rows[] = {
      {"all alive", {{0.75, alive}, {0.25, alive}}, {0.75, 0.25}},
      {"one dead", {{0.5, dead}, {0.375, alive}, {0.125, alive}}, {0, 0.75, 0.25}},
      {"all dead", {{0.75, dead}, {0.25, dead}}, {0.75, 0.25}},
      {"taken out beside dead", {{0.75, taken_out}, {0.25, dead}}, {0, 1}},
      {"all taken out", {{0.75, taken_out}, {0.25, taken_out}}, {0.75, 0.25}},
      {"no address keeps its share", {{0.5, {}}, {0.25, dead}, {0.25, alive}}, {0.5, 0, 0.5}},
      {"a pool at 0 helps nobody", {{1, dead}, {0, alive}}, {1, 0}},

      {"a cap leaves the rest with the dead", {{0.75, dead}, capped(0.25, alive, 0.5)}, {0.5, 0.5}},
      {"a cap below its own share cuts nothing", {{0.5, dead}, capped(0.5, alive, 0.25)}, {0.5, 0.5}},
      {"who is full leaves more to the others",
       {{0.5, dead}, capped(0.25, alive, 0.375), capped(0.25, alive, 1)},
       {0, 0.375, 0.625}},
      {"full one after the other, whatever their order",
       {capped(0.125, alive, 1), {0.5, dead}, capped(0.25, alive, 0.375), capped(0.125, alive, 0.1875)},
       {0.4375, 0, 0.375, 0.1875}},
      {"the dead get back in proportion to what they lost",
       {{0.5, dead}, {0.25, dead}, capped(0.25, alive, 0.625)},
       {0.25, 0.125, 0.625}},

      {"standby pools are for what is left", {{0.75, dead}, {0.25, alive}, standby(alive, 1)}, {0, 1, 0}},
      {"standby takes the rest", {{0.75, dead}, capped(0.25, alive, 0.5), standby(alive, 1)}, {0, 0.5, 0.5}},
      {"standby pools in their order, each up to its cap",
       {{1, dead}, standby(alive, 2), standby(alive, 1, 0.25)},
       {0, 0.75, 0.25}},
      {"a dead standby pool takes nothing", {{1, dead}, standby(dead, 1), standby(alive, 2)}, {0, 0, 1}},
      {"more than all may take",
       {{0.5, dead}, {0.25, dead}, capped(0.25, alive, 0.375), standby(alive, 1, 0.25)},
       {0.25, 0.125, 0.375, 0.25}},
      {"without standby pools that are alive", {{1, dead}, standby(dead, 1)}, {1, 0}},

      {"who fails open keeps its share", {keeping(0.75), {0.25, alive}}, {0.75, 0.25}},
      {"and takes nothing", {keeping(0.5), {0.25, dead}, {0.25, alive}}, {0.5, 0, 0.5}},
      {"but from what is taken out", {keeping(0.5), {0.5, taken_out}}, {1, 0}},

      {"taken out: up to the caps, the rest to the dead",
       {{0.5, taken_out}, {0.25, dead}, capped(0.25, alive, 0.5)},
       {0, 0.5, 0.5}},
      {"taken out: beyond the caps when there is nothing else",
       {{0.5, taken_out}, capped(0.25, alive, 0.375), capped(0.25, alive, 0.25)},
       {0, 0.5625, 0.4375}},
      {"taken out: a standby pool beyond its cap", {{1, taken_out}, standby(alive, 1, 0.5)}, {0, 1}},
      {"taken out: a dead standby pool before what is taken out",
       {{1, taken_out}, standby(taken_out, 1), standby(dead, 2)},
       {0, 0, 1}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    CHECK(shares_after_health(row.pools) == row.shares);
  }
}

TEST_CASE("caps are whole slots of overflow times the share, or of max_share") {
  const struct {
    const char* what;
    double share;
    bool standby;
    double overflow, max_share, cap;
  } rows[] = {
      {"ten times its share", 0.0625, false, 10, 1, 0.625},
      {"not more than all", 0.5, false, 10, 1, 1},
      {"not more than max_share", 0.0625, false, 10, 0.25, 0.25},
      {"no limit", 0.0625, false, 0, 1, 1},
      {"no limit but max_share", 0.0625, false, 0, 0.5, 0.5},
      {"nothing over", 0.25, false, 1, 1, 0.25},
      {"without a share", 0, false, 0, 1, 0},
      {"standby", 0, true, 10, 1, 1},
      {"standby with a share", 0.0625, true, 10, 0.75, 0.75},
      {"rounded", 0, true, 10, 0.3, 19661.0 / 65536},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    CHECK(cap_of(row.share, row.standby, row.overflow, row.max_share) == row.cap);
  }
}

// --- choose() ---

// A steer of up to six pools in any state, as block and as ratings.
struct Random {
  explicit Random(unsigned seed) : random(seed) {
    const std::size_t count = 1 + below(6);
    std::vector<World::Weight> weights;
    for (std::size_t i = 0; i < count; ++i) weights.push_back({"p" + std::to_string(i), weight()});
    weights[below(count)].weight += 1;
    input = world.input("www.example", weights);
    const auto own = shares(input.layout, count);
    std::vector<unsigned> places(count);
    std::iota(places.begin(), places.end(), 1);
    std::shuffle(places.begin(), places.end(), random);
    for (std::size_t i = 0; i < count; ++i) {
      Rated pool{.share = own[i], .standby = own[i] > 0 || below(3) == 0 ? 0 : places[i]};
      pool.cap = cap_of(own[i], pool.standby > 0, static_cast<double>(below(4)),
                        0.1 * static_cast<double>(1 + below(10)));
      fill(weights[i].pool, i, pool);
      pools.push_back(pool);
      input.pools[i].cap = pool.cap;
      input.pools[i].standby = pool.standby;
    }
    world.publish(input);
  }

  std::size_t below(std::size_t end) { return random() % end; }
  double weight() { return below(3) == 0 ? 0 : static_cast<double>(1 + below(below(2) == 0 ? 4 : 100)); }

  // Publishes a pool in some state and says so in `rated`.
  void fill(const std::string& name, std::size_t index, Rated& rated) {
    const auto base = "192.0.2." + std::to_string(index + 1);
    const auto one = base + "1", two = base + "2", three = base + "3";
    PoolRules rules;
    std::vector<Candidate> endpoints;
    switch (below(6)) {
      case 0:
        endpoints = {down(one), drained(two)};
        given.push_back({one});
        rated.grade = dead;
        break;
      case 1:
        endpoints = {drained(one)};
        given.push_back({one});
        rated.grade = taken_out;
        break;
      case 2:
        endpoints = {up(one), down(two), down(three)};
        given.push_back({one, two, three});
        rules = {.min_healthy = 0.5, .fail_open = config::FailOpen::all};
        rated.grade = dead;
        rated.keeps_share = true;
        break;
      case 3:
        endpoints = {up("2001:db8::1")};
        given.emplace_back();
        break;
      default:
        endpoints = {up(one), down(two)};
        given.push_back({one});
        rated.grade = alive;
        break;
    }
    REQUIRE(world.block.publish_pool(name, endpoints, rules));
  }

  // The part of all draws that is answered from each pool: a slot of each run, and a grid of detours.
  std::vector<double> drawn() {
    constexpr std::uint32_t grid = 4096;
    std::vector<double> result(pools.size());
    const Table& table = world.table("www.example");
    std::uint32_t first = 0;
    for (const Run& run : input.layout) {
      for (std::uint32_t i = 0; i < grid; ++i) {
        const Draw draw{static_cast<std::uint16_t>(first), 0, i * (0xFFFFFFFF / grid) + 0x80000};
        const auto choice = choose(world.block, table, draw, Family::v4);
        if (choice.answer == nullptr && pools[choice.counter].grade) empty = true;
        result[choice.counter] += static_cast<double>(run.length) / slot_count / grid;
      }
      first += run.length;
    }
    return result;
  }

  std::mt19937 random;
  World world;
  SteerInput input;
  std::vector<Rated> pools;
  std::vector<std::set<std::string>> given;  // what each pool hands out
  bool empty = false;
};

TEST_CASE("choose() gives what redistribute() says, nothing is empty, and caps hold") {
  unsigned moved = 0, helped = 0, failed_open = 0, beyond = 0;
  for (unsigned seed = 0; seed < 1500; ++seed) {
    CAPTURE(seed);
    Random steer(seed);
    const auto now = redistribute(steer.pools);
    const auto drawn = steer.drawn();
    CHECK_FALSE(steer.empty);
    CHECK(std::accumulate(now.shares.begin(), now.shares.end(), 0.0) == doctest::Approx(1).epsilon(1e-9));
    CHECK(now.to_sharing + now.to_standby + now.to_dead + now.beyond_caps + now.to_taken_out ==
          doctest::Approx(now.lost).epsilon(1e-9));
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      CAPTURE(i);
      const Rated& pool = steer.pools[i];
      CHECK(std::abs(drawn[i] - now.shares[i]) < 0.002);
      const double most = std::max(pool.share, pool.cap);
      if (pool.grade == alive && now.beyond_caps == 0) CHECK(now.shares[i] <= most + 1e-9);
      if (pool.grade == taken_out && now.to_taken_out == 0) CHECK(now.shares[i] == 0);
    }
    moved += now.to_sharing > 0;
    helped += now.to_standby > 0;
    failed_open += now.to_dead > 0;
    beyond += now.beyond_caps > 0;
  }
  CHECK(std::min({moved, helped, failed_open, beyond}) > 50);
}

TEST_CASE("what is in force is what redistribute() gives something to") {
  for (unsigned seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    Random steer(seed);
    const auto now = shares_after_health(steer.pools);
    std::set<std::string> expected, said;
    for (std::size_t i = 0; i < now.size(); ++i)
      if (now[i] > 0) expected.insert(steer.given[i].begin(), steer.given[i].end());
    for (const auto& record :
         in_force(steer.world.block, steer.world.table("www.example"), Family::v4).records) {
      Address address{.family = Family::v4, .octets = {}};
      std::copy(record.rdata.begin(), record.rdata.end(), address.octets.begin());
      said.insert(to_text(address));
    }
    CHECK(said == expected);
  }
}

TEST_CASE("a slot lost is handed out finely: one dead slot among great pools") {
  World world;
  world.pool("v1", {up("192.0.2.1")});
  world.pool("v2", {up("192.0.2.2")});
  world.pool("tiny", {down("192.0.2.3")});
  world.steer("www.example", {{"v1", 3e6}, {"v2", 1e6}, {"tiny", 1}});
  std::map<AnswerCounter, unsigned> taken;
  for (std::uint32_t i = 0; i < 65536; ++i)
    ++taken[world.choose("www.example", {65535, 0, i << 16}, Family::v4).counter];
  CHECK(taken[0] == doctest::Approx(49152).epsilon(0.001));
  CHECK(taken[1] == doctest::Approx(16384).epsilon(0.001));
  CHECK(taken.size() == 2);
}

TEST_CASE("4,096 pools, all but one dead: the draws find the one, and the standby pool") {
  constexpr std::size_t count = 4096;
  World world;
  std::vector<World::Weight> weights;
  for (std::size_t i = 0; i < count; ++i) {
    weights.push_back({"p" + std::to_string(i), i + 1 < count ? 1.0 : 0.0});
    world.pool(weights.back().pool, {i == 0 || i + 1 == count ? up("192.0.2.1") : down("192.0.2.2")});
  }
  auto input = world.input("www.example", weights);
  input.pools[0].cap = 0.25;
  input.pools.back().standby = 1;
  input.pools.back().cap = 0.5;
  world.publish(input);
  std::map<AnswerCounter, unsigned> taken;
  for (std::uint32_t i = 0; i < 1000; ++i)
    ++taken[world.choose("www.example", {32768, 0, i * 4294967}, Family::v4).counter];
  CHECK(taken.size() == 3);
  CHECK(taken[0] == doctest::Approx(250).epsilon(0.02));
  CHECK(taken[count - 1] == doctest::Approx(500).epsilon(0.02));
}

// --- pools ---

TEST_CASE("a pool's rules: when it is alive, what it hands out, whether its share stays") {
  using config::FailOpen;
  struct Row {
    const char* what;
    std::vector<Candidate> endpoints;
    PoolRules rules;
    Grade grade;
    bool keeps_share, below_min_healthy;
    std::vector<double> chosen;
  };
  const auto slow = [](const char* address, double share) {
    auto endpoint = up(address, 2);
    endpoint.share = share;
    return endpoint;
  };
  const auto a = up("192.0.2.1"), b = down("192.0.2.2"), c = drained("192.0.2.3");
  const Row rows[] = {
      {"one is enough", {a, b, b}, {}, alive, false, false, {1, 0, 0}},
      {"just enough", {a, b, b, b}, {.min_healthy = 0.25}, alive, false, false, {1, 0, 0, 0}},
      {"too little", {a, b, b, b}, {.min_healthy = 0.26}, dead, false, true, {1, 1, 1, 1}},
      {"by weight", {up("192.0.2.1", 3), b}, {.min_healthy = 0.75}, alive, false, false, {3, 0}},
      {"what is drained is missing, and stays out",
       {a, a, c, c},
       {.min_healthy = 0.6},
       dead,
       false,
       true,
       {1, 1, 0, 0}},
      {"weight 0 does not count", {a, down("192.0.2.2", 0)}, {.min_healthy = 1}, alive, false, false, {1, 0}},
      {"open for all",
       {a, b, c},
       {.min_healthy = 0.5, .fail_open = FailOpen::all},
       dead,
       true,
       true,
       {1, 1, 0}},
      {"open for all, none usable", {b, c}, {.fail_open = FailOpen::all}, dead, true, false, {1, 0}},
      {"open for all, and enough usable", {a, b}, {.fail_open = FailOpen::all}, alive, false, false, {1, 0}},
      {"all taken out does not fail open",
       {c, c},
       {.fail_open = FailOpen::all},
       taken_out,
       false,
       false,
       {1, 1}},
      {"a slow start scales the weight",
       {slow("192.0.2.1", 0.25), up("192.0.2.2", 2)},
       {.min_healthy = 1},
       alive,
       false,
       false,
       {0.5, 2}},
      {"all of them in a slow start",
       {slow("192.0.2.1", 0.1)},
       {.min_healthy = 1},
       alive,
       false,
       false,
       {0.2}},
      {"no slow start for what fails open",
       {slow("192.0.2.1", 0.25), b, b, b},
       {.min_healthy = 0.5},
       dead,
       false,
       true,
       {2, 1, 1, 1}},
      {"a weight that is left with nothing",
       {slow("192.0.2.1", 1e-320)},
       {},
       alive,
       false,
       false,
       {2 * 1e-320}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    const auto selection = select(row.endpoints, row.rules);
    CHECK(selection.grade == row.grade);
    CHECK(selection.keeps_share == row.keeps_share);
    CHECK(selection.below_min_healthy == row.below_min_healthy);
    CHECK(selection.chosen == row.chosen);
  }
  // Ten times 0.1 is less than 1, three times it more than 0.3.
  for (int usable = 0; usable <= 10; ++usable) {
    CAPTURE(usable);
    std::vector<Candidate> endpoints;
    for (int i = 0; i < 10; ++i)
      endpoints.push_back(i < usable ? up("192.0.2.1", 0.1) : down("192.0.2.1", 0.1));
    CHECK((select(endpoints, {.min_healthy = usable / 10.0}).grade == alive) == (usable > 0));
  }
}

TEST_CASE("a pool that fails open answers its own slots with all of its endpoints") {
  World world;
  REQUIRE(world.block.publish_pool("v1",
                                   std::vector{up("192.0.2.1"), down("192.0.2.2"), drained("192.0.2.3")},
                                   {.min_healthy = 0.5, .fail_open = config::FailOpen::all}));
  world.pool("v2", {up("192.0.2.9")});
  world.steer("www.example", {{"v1", 3}, {"v2", 1}});
  CHECK(world.slots_of("www.example", Family::v4) ==
        std::map<AnswerCounter, unsigned>{{0, 49152}, {1, 16384}});
  CHECK(world.addresses_at("www.example", Family::v4, 0) ==
        std::map<std::string, unsigned>{{"192.0.2.1", 32768}, {"192.0.2.2", 32768}});
  CHECK(world.choose("www.example", {0, 0, 0}, Family::v4).last_resort);
  CHECK_FALSE(world.choose("www.example", {65535, 0, 0}, Family::v4).last_resort);
}

TEST_CASE("a pool's rules are kept for answer sizes that come later") {
  World world;
  const std::vector endpoints{up("192.0.2.1"), down("192.0.2.2"), down("192.0.2.3")};
  REQUIRE(world.block.publish_pool("v1", endpoints, {.min_healthy = 0.5, .ttl_max = 7}));
  for (const unsigned answers : {1U, 2U, 3U}) {
    CAPTURE(answers);
    world.steer("www.example", {{"v1", 1}}, answers);
    const auto choice = world.choose("www.example", {0, 0, 0}, Family::v4);
    CHECK(addresses_of(choice.answer).size() == answers);
    CHECK(choice.last_resort);
    CHECK(choice.ttl == 7);
  }
}

TEST_CASE("the TTL is lowered by the pool's state, not below ttl_min, and never raised") {
  const struct {
    const char* what;
    std::uint32_t ttl, ttl_min, ttl_max, expected;
  } rows[] = {
      {"nothing lowers it", 30, 1, ~0U, 30},  {"lowered", 30, 1, 5, 5},
      {"to ttl_min", 30, 10, 5, 10},          {"to nothing", 30, 0, 0, 0},
      {"ttl_min above the ttl", 5, 10, 2, 5},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    World world;
    REQUIRE(world.block.publish_pool("v1", std::vector{up("192.0.2.1")}, {.ttl_max = row.ttl_max}));
    auto input = world.input("www.example", {{"v1", 1}});
    input.ttl = row.ttl;
    input.ttl_min = row.ttl_min;
    world.publish(input);
    CHECK(world.choose("www.example", {0, 0, 0}, Family::v4).ttl == row.expected);
    CHECK(in_force(world.block, world.table("www.example"), Family::v4).ttl == row.expected);
    CHECK(world.choose("www.example", {0, 0, 0}, Family::v6).ttl == row.expected);
  }
}

TEST_CASE("a slow start moves only what it gains, spot by spot") {
  World world;
  auto starting = up("192.0.2.2");
  std::vector<std::string> before;
  unsigned had = 0;
  for (const double share : {0.1, 0.3, 0.6, 1.0}) {
    CAPTURE(share);
    starting.share = share;
    world.pool("v1", {up("192.0.2.1"), starting});
    if (before.empty()) world.steer("www.example", {{"v1", 1}});
    std::vector<std::string> now;
    for (const Answer* answer : world.spots_of("www.example", Family::v4)) now.push_back(first_of(answer));
    const auto has = static_cast<unsigned>(std::count(now.begin(), now.end(), "192.0.2.2"));
    CHECK(has == doctest::Approx(65536 * share / (1 + share)).epsilon(0.001));
    unsigned moved = 0;
    for (std::size_t i = 0; i < before.size(); ++i) moved += before[i] != now[i];
    if (!before.empty()) CHECK(moved == has - had);
    before = now;
    had = has;
  }
}

}  // namespace
}  // namespace sluice::steer
