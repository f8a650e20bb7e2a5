// Slots: exact shares, minimal movement, ramps that move nobody back. Random cases have fixed seeds.
#include "steer/layout.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>

#include <doctest/doctest.h>

namespace sluice::steer {
namespace {

using Weights = std::vector<double>;
using Held = std::vector<std::uint32_t>;

constexpr double denormal = std::numeric_limits<double>::denorm_min();

// The pool of each slot.
std::vector<std::uint16_t> owners(const Layout& layout) {
  std::vector<std::uint16_t> result;
  for (const Run& run : layout) result.insert(result.end(), run.length, run.pool);
  return result;
}

Held held(const Layout& layout, std::size_t pools) {
  Held slots(pools);
  for (const Run& run : layout)
    if (run.pool < pools) slots[run.pool] += run.length;
  return slots;
}

std::size_t moved(const Layout& from, const Layout& to) {
  const auto before = owners(from), after = owners(to);
  std::size_t count = 0;
  for (std::size_t slot = 0; slot < slot_count; ++slot) count += before[slot] != after[slot];
  return count;
}

// What is held beyond what is due: the least that any change has to move.
std::size_t surplus(const Layout& from, const Held& due) {
  const Held now = held(from, due.size());
  std::size_t sum = 0, known = 0;
  for (std::size_t pool = 0; pool < due.size(); ++pool) {
    sum += now[pool] > due[pool] ? now[pool] - due[pool] : 0;
    known += now[pool];
  }
  return sum + (slot_count - known);  // slots of pools that are no more
}

bool well_formed(const Layout& layout, std::size_t pools) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (layout[i].length == 0 || layout[i].pool >= pools) return false;
    if (i > 0 && layout[i].pool == layout[i - 1].pool) return false;
    sum += layout[i].length;
  }
  return sum == slot_count;
}

Weights random_weights(std::size_t pools, std::mt19937& random) {
  Weights weights;
  while (std::none_of(weights.begin(), weights.end(), [](double weight) { return weight > 0; })) {
    weights.clear();
    for (std::size_t i = 0; i < pools; ++i)
      weights.push_back(random() % 4 == 0 ? 0 : static_cast<double>(random() % 1000));
  }
  return weights;
}

TEST_CASE("apportion") {
  const struct {
    const char* name;
    Weights weights;
    Held slots;
  } cases[] = {
      {"one pool", {1}, {65536}},
      {"95 to 5", {95, 5}, {62259, 3277}},
      {"1 % is 1 %", {99, 1}, {64881, 655}},
      {"the scale says nothing", {0.99, 0.01}, {64881, 655}},
      {"thirds: the first gets what is left over", {1, 1, 1}, {21846, 21845, 21845}},
      {"0 is no traffic", {0, 3, 0, 1}, {0, 49152, 0, 16384}},
      {"above 0 is at least a slot", {1e6, 1}, {65535, 1}},
      {"the greatest doubles", {1e308, 1e308, 1e308, 1e308}, {16384, 16384, 16384, 16384}},
      {"the least doubles", {denormal, denormal}, {32768, 32768}},
      {"the greatest and the least", {1e308, denormal}, {65535, 1}},
      {"the least before the greatest", {denormal, 0, 1e308}, {1, 0, 65535}},
      {"negative zero", {-0.0, 1}, {0, 65536}},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    CHECK(apportion(c.weights) == c.slots);
  }
}

TEST_CASE("apportion gives many tiny weights a slot each, at the cost of the greatest") {
  Weights weights(4096, 1e-9);
  weights[1000] = 1;
  Held expected(4096, 1);
  expected[1000] = 65536 - 4095;
  CHECK(apportion(weights) == expected);
  CHECK(apportion(Weights(4096, 7)) == Held(4096, 16));

  // Two great ones share the cost.
  weights[2000] = 1;
  const Held slots = apportion(weights);
  CHECK(slots[1000] + slots[2000] == 65536 - 4094);
  CHECK(std::max(slots[1000], slots[2000]) - std::min(slots[1000], slots[2000]) <= 1);
}

TEST_CASE("apportion is exact to the slot, and gives all slots") {
  std::mt19937 random(1);
  for (int round = 0; round < 3000; ++round) {
    CAPTURE(round);
    Weights weights = random_weights(1 + random() % 12, random);
    const double scale = std::pow(10.0, static_cast<double>(random() % 600) - 300);
    for (double& weight : weights) weight *= scale;
    const Held slots = apportion(weights);
    REQUIRE(std::accumulate(slots.begin(), slots.end(), 0U) == slot_count);
    const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
    const auto tiny =
        static_cast<double>(std::count(slots.begin(), slots.end(), 1U));  // they may have been rounded up
    for (std::size_t i = 0; i < weights.size(); ++i) {
      REQUIRE((slots[i] == 0) == (weights[i] == 0));
      REQUIRE(std::abs(slots[i] - weights[i] / sum * slot_count) < 1.0001 + tiny);
    }
  }
}

TEST_CASE("lay_out is contiguous, in the pools' order, without pools at 0") {
  CHECK(lay_out(Weights{95, 5}) == Layout{{0, 62259}, {1, 3277}});
  CHECK(lay_out(Weights{0, 1, 0, 3}) == Layout{{1, 16384}, {3, 49152}});
  CHECK(lay_out(Weights{0, 1}) == Layout{{1, 65536}});
}

TEST_CASE("relay: random walks have exact shares and move only what has to move") {
  std::mt19937 random(2);
  unsigned afresh = 0;
  for (int walk = 0; walk < 150; ++walk) {
    const std::size_t pools = 2 + random() % 5;
    Layout layout = lay_out(random_weights(pools, random));
    for (int step = 0; step < 20; ++step) {
      CAPTURE(walk);
      CAPTURE(step);
      const Weights weights = random_weights(pools, random);
      const Held due = apportion(weights);
      const Layout next = relay(layout, weights);
      REQUIRE(well_formed(next, pools));
      REQUIRE(held(next, pools) == due);
      REQUIRE(next.size() <= runs_max);
      if (moved(layout, next) != surplus(layout, due)) {
        REQUIRE(next == lay_out(weights));  // too many runs
        ++afresh;
      }
      layout = next;
    }
  }
  CHECK(afresh <= 3);
}

TEST_CASE("relay with the weights that already hold changes nothing") {
  std::mt19937 random(3);
  for (int round = 0; round < 100; ++round) {
    const Weights first = random_weights(4, random), second = random_weights(4, random);
    const Layout layout = relay(lay_out(first), second);
    CHECK(relay(layout, second) == layout);
  }
}

TEST_CASE("relay lays out afresh rather than in more runs than it may") {
  Layout scattered;
  for (std::uint16_t i = 0; i < 64; ++i) scattered.push_back({static_cast<std::uint16_t>(i % 2), 1024});
  const Weights weights = {1, 1, 1};
  CHECK(relay(scattered, weights, 64).size() <= 64);
  CHECK(relay(scattered, weights, 8) == lay_out(weights));
}

// All of the pools but one share what the growing one does not have, in the proportion of their numbers.
Weights with_share(std::size_t pools, std::size_t growing, double percent) {
  double others = 0;
  for (std::size_t i = 0; i < pools; ++i)
    if (i != growing) others += static_cast<double>(i + 1);
  Weights weights;
  for (std::size_t i = 0; i < pools; ++i)
    weights.push_back(i == growing ? percent : (100 - percent) * static_cast<double>(i + 1) / others);
  return weights;
}

TEST_CASE("a ramp 1, 5, 25, 50, 100 of any pool of 2 to 5 moves a slot at most once, and to that pool") {
  for (std::size_t pools = 2; pools <= 5; ++pools) {
    for (std::uint16_t growing = 0; growing < pools; ++growing) {
      CAPTURE(pools);
      CAPTURE(growing);
      Layout layout = lay_out(with_share(pools, growing, 0));
      for (const double percent : {1.0, 5.0, 25.0, 50.0, 100.0}) {
        CAPTURE(percent);
        const Layout next = relay(layout, with_share(pools, growing, percent));
        const auto before = owners(layout), after = owners(next);
        unsigned elsewhere = 0;
        for (std::size_t slot = 0; slot < slot_count; ++slot)
          elsewhere += before[slot] != after[slot] && after[slot] != growing;
        CHECK(elsewhere == 0);
        CHECK(next.size() <= 2 * (pools - 1));  // a piece from each giver, beside what is left of it
        layout = next;
      }
      CHECK(layout == Layout{{growing, slot_count}});
    }
  }
}

TEST_CASE("a ramp between two pools keeps both in one piece: a sticky client's hash is a threshold") {
  for (const Weights& start : {Weights{1, 0}, Weights{0, 1}}) {
    Layout layout = lay_out(start);
    const std::size_t growing = start[0] > 0 ? 1 : 0;
    for (const double percent : {0.001, 1.0, 5.0, 25.0, 50.0, 75.0, 99.0}) {
      layout = relay(layout, with_share(2, growing, percent));
      CHECK(layout.size() == 2);
      CHECK(layout.back().pool == growing);  // the growing pool is at the tail
    }
  }
}

TEST_CASE("a step there and back again ends where it began, while every pool keeps a slot") {
  const struct {
    const char* name;
    Weights from, to;
  } cases[] = {
      {"a canary's step", {99, 1}, {95, 5}},
      {"a canary's retreat", {50, 50}, {99, 1}},
      {"nearly all", {95, 5}, {1, 99}},
      {"a canary beside two", {60, 39, 1}, {50, 25, 25}},
      {"to a neighbour", {1, 1, 1, 1}, {1, 2, 0.5, 0.5}},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    const Layout start = lay_out(c.from);
    const Layout there = relay(start, c.to);
    const Layout back = relay(there, c.from);
    CHECK(moved(there, back) == moved(start, there));
    if (c.from.size() == 2) CHECK(back == start);
  }
}

TEST_CASE("a ramp down and up again between two pools ends where it began") {
  Layout layout = lay_out(Weights{99, 1});
  const Layout start = layout;
  for (const double percent : {5.0, 25.0, 50.0, 25.0, 5.0, 1.0})
    layout = relay(layout, with_share(2, 1, percent));
  CHECK(layout == start);
}

TEST_CASE("free slots go to a neighbour that wants them before others get the rest") {
  const Layout left = {{2, 20000}, {no_pool, 20000}, {1, 25536}};
  CHECK(relay(left, Weights{10000, 25536, 30000}) == Layout{{2, 30000}, {0, 10000}, {1, 25536}});
  const Layout right = {{1, 25536}, {no_pool, 20000}, {2, 20000}};
  CHECK(relay(right, Weights{10000, 25536, 30000}) == Layout{{1, 25536}, {0, 10000}, {2, 30000}});
}

TEST_CASE("slots are given up beside the pool that gains them") {
  const Layout old = {{0, 30000}, {1, 5536}, {2, 30000}};
  CHECK(relay(old, Weights{20000, 25536, 20000}) == Layout{{0, 20000}, {1, 25536}, {2, 20000}});
  // A pool of several pieces gives from the one that has the gaining pool beside it.
  const Layout pieces = {{0, 20000}, {1, 5536}, {2, 20000}, {0, 20000}};
  CHECK(relay(pieces, Weights{35000, 10536, 20000}) ==
        Layout{{0, 15000}, {1, 10536}, {2, 20000}, {0, 20000}});
}

TEST_CASE("a layout's text is read back as it was") {
  const std::vector<std::string> pools = {"v1", "blue:green", "x"};
  std::mt19937 random(4);
  Layout layout = lay_out(random_weights(3, random));
  for (int round = 0; round < 200; ++round) {
    layout = relay(layout, random_weights(3, random));
    REQUIRE(parse_layout(to_text(layout, pools), pools) == layout);
  }
  CHECK(to_text(lay_out(Weights{95, 5}), std::vector<std::string>{"v1", "v2"}) == "v1:62259 v2:3277");
}

TEST_CASE("a text that is no layout is refused") {
  const std::vector<std::string> pools = {"v1", "v2"};
  std::string many_runs;
  for (int i = 0; i < 128; ++i) many_runs += (i == 0 ? "" : " ") + pools[i % 2] + ":512";
  const struct {
    const char* name;
    std::string text;
  } cases[] = {
      {"empty", ""},
      {"a slot too few", "v1:65535"},
      {"a slot too many", "v1:65536 v2:1"},
      {"an empty run", "v1:65536 v2:0"},
      {"no length", "v1"},
      {"an empty length", "v1: v2:65536"},
      {"no number", "v1:x"},
      {"something behind the number", "v1:65536x"},
      {"a negative length", "v1:-1 v2:65537"},
      {"a length beyond 32 bits", "v1:4295032832"},
      {"lengths that sum to 2^32 and 65,536", "v1:4294967295 v2:65537"},
      {"the same in one pool", "v1:4294967295 v1:65537"},
      {"two spaces", "v1:65535  v2:1"},
      {"a space before", " v1:65536"},
      {"more runs than there may be", many_runs},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    CHECK_FALSE(parse_layout(c.text, pools).has_value());
  }
}

TEST_CASE("the slots of a pool that is no more go to those that want them, and no other slot moves") {
  const std::vector<std::string> pools = {"v1", "v3"};
  const auto layout = parse_layout("v1:32768 v2:16384 v3:16384", pools);
  REQUIRE(layout.has_value());
  CHECK(*layout == Layout{{0, 32768}, {no_pool, 16384}, {1, 16384}});
  const Layout next = relay(*layout, Weights{2, 1});
  CHECK(well_formed(next, 2));
  CHECK(held(next, 2) == Held{43691, 21845});
  CHECK(moved(*layout, next) == 16384);
  CHECK(next == Layout{{0, 43691}, {1, 21845}});  // each took what stood beside it

  // Nothing of what was known is left.
  const auto unknown = parse_layout("a:1 b:65535", pools);
  REQUIRE(unknown.has_value());
  CHECK(*unknown == Layout{{no_pool, slot_count}});
  CHECK(relay(*unknown, Weights{1, 3}) == lay_out(Weights{1, 3}));
}

}  // namespace
}  // namespace sluice::steer
