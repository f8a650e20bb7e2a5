// Random sequences of events against the whole of what decides: whatever happens, and in whatever order, no
// answer is empty, verdicts change by the table only, shares sum to one, and no pool is over its cap.
#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <set>
#include <string>

#include <doctest/doctest.h>

#include "control/model.hpp"
#include "control/present.hpp"
#include "steer/redistribute.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

// Builds with sanitizers are not optimised, and a hundred times slower.
#ifdef __OPTIMIZE__
constexpr int sequences = 1'000'000;
#else
constexpr int sequences = 10'000;
#endif
constexpr int events_max = 12;

const std::string world = server_and_zone + R"(
[check.web]
type = "tcp"
port = 80
interval = "2s"
timeout = "1s"
rise = 2
fall = 2
clear = 3
slow = "100ms"
slow_start = "10s"
hold_down = "4s"
hold_down_max = "20s"
[pool.stable]
check = "web"
endpoints = ["192.0.2.10", { address = "192.0.2.11", weight = 3 }, "2001:db8::10"]
min_healthy = "50%"
[pool.canary]
check = "web"
endpoints = ["192.0.2.20", "2001:db8::20"]
max_share = "20%"
[pool.open]
check = "web"
endpoints = ["192.0.2.30", "192.0.2.10"]
min_healthy = "60%"
fail_open = "all"
[pool.spare]
endpoints = ["192.0.2.40"]
max_share = "30%"
[steer."www.shop.example"]
pools = { stable = 95, canary = 5 }
standby = ["spare"]
[steer."all.shop.example"]
pools = { stable = 5, canary = 3, open = 2 }
overflow = 2
[steer."one.shop.example"]
pools = { open = 1 }
)";

constexpr double tolerance = 1e-9;

void check_shares(const Model& model, const config::Steer& steer, Family family) {
  const auto pools = rated(model, steer, family);
  const auto after = steer::redistribute(pools);
  double sum = 0;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    sum += after.shares[i];
    REQUIRE(after.shares[i] >= 0);
    if (pools[i].grade == steer::Grade::alive && after.beyond_caps == 0)
      REQUIRE(after.shares[i] <= std::max(pools[i].share, pools[i].cap) + tolerance);
    if (after.shares[i] == 0 || !pools[i].grade) continue;
    const auto& pool = *model.config().find_pool(steer.pools[i].pool);
    const auto chosen =
        steer::select(steer::of_family(model.candidates(pool), family), model.pool_rules(pool)).chosen;
    REQUIRE(std::any_of(chosen.begin(), chosen.end(), [](double weight) { return weight > 0; }));
  }
  REQUIRE(std::abs(sum - 1) < tolerance);
}

health::ProbeResult random_result(unsigned chance) {
  switch (chance % 8) {
    case 0:
      return {true, "slow", Duration(500)};
    case 1:
      return {true, "drain", Duration(1), health::Word::drain};
    case 2:
      return {false, "down", Duration(1), health::Word::down};
    case 3:
    case 4:
    case 5:
      return {false, "connection refused", Duration(1)};
    default:
      return {true, "ok", Duration(1), health::Word::none, chance & 64 ? 0.3 : 1};
  }
}

class Sequence {
 public:
  Sequence(Model& model, std::mt19937& random) : model_(model), random_(random) {
    for (const auto& [key, watched] : model.health()) keys_.push_back(key);
    for (const auto& transition : health::transitions()) allowed_.emplace(transition.from, transition.to);
  }

  void event() {
    now_ += Duration(random_() % 3000);
    switch (random_() % 10) {
      case 0:
        return say();
      case 1:
        model_.warmed(now_);
        return;
      default:
        return probe();
    }
  }

 private:
  void probe() {
    const auto& key = keys_[random_() % keys_.size()];
    const auto before = model_.health().at(key).state.verdict;
    const auto seen = model_.apply_probe(key, random_result(static_cast<unsigned>(random_())), now_);
    const auto after = model_.health().at(key).state.verdict;
    // What a suspicion takes back is no transition: it had not happened.
    if (seen.suspicion == health::Turn::began) return;
    REQUIRE(seen.changed == (before != after));
    if (seen.changed) REQUIRE(allowed_.contains({before, after}));
  }

  void say() {
    const auto& destination = keys_[random_() % keys_.size()].destination;
    constexpr std::array words{store::Word::drain, store::Word::up, store::Word::down};
    if (const auto word = random_() % 4; word < words.size())
      model_.apply(store::EndpointWord{destination, words[word], "root", "", now_, {}});
    else
      model_.apply(store::EndpointWordTaken{destination});
  }

  Model& model_;
  std::mt19937& random_;
  std::vector<HealthKey> keys_;
  std::set<std::pair<health::Verdict, health::Verdict>> allowed_;
  Time now_ = at(0);
};

TEST_CASE("any sequence of events: never empty, by the table, shares sum to one, no pool over its cap") {
  const auto config = parsed(world);
  std::mt19937 random(20260704);
  for (int i = 0; i < sequences; ++i) {
    CAPTURE(i);
    Model model(config);
    Sequence sequence(model, random);
    for (auto events = 1 + random() % events_max; events > 0; --events) sequence.event();
    for (const auto& steer : config.steers)
      for (const Family family : {Family::v4, Family::v6}) check_shares(model, steer, family);
  }
}

}  // namespace
}  // namespace sluice::control
