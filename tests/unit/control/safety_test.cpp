// The rules of [safety]: what they forbid, by itself and at each kind of change.
#include "control/safety.hpp"

#include <algorithm>
#include <ctime>
#include <random>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "control/words.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

config::Safety rules(double step_max, unsigned pools_min, unsigned endpoints_min, double capacity_min) {
  return {step_max, pools_min, endpoints_min, capacity_min, {}};
}

struct Change {
  const char* name;
  config::Safety rules;
  Sight before, after;
  const char* why;  // empty: allowed
};

const Change changes[] = {
    {"no rules",
     rules(1, 0, 0, 0),
     {{"v1", 1, 1, 2}, {"v2", 0, 0, 0}},
     {{"v1", 0, 1, 2}, {"v2", 1, 0, 0}},
     ""},
    {"a step as great as may be",
     rules(0.25, 0, 0, 0),
     {{"v1", 0.9, 1, 2}, {"v2", 0.1, 1, 2}},
     {{"v1", 0.65, 1, 2}, {"v2", 0.35, 1, 2}},
     ""},
    {"too great a step",
     rules(0.25, 0, 0, 0),
     {{"v1", 1, 1, 2}, {"v2", 0, 1, 2}},
     {{"v1", 0.7, 1, 2}, {"v2", 0.3, 1, 2}},
     "pool v2 would grow by 30 % at once, from 0 % to 30 %; step_max is 25 %"},
    {"the last but one pool goes",
     rules(1, 2, 0, 0),
     {{"v1", 0.5, 1, 2}, {"v2", 0.5, 1, 2}},
     {{"v1", 0, 1, 2}, {"v2", 1, 1, 2}},
     "1 pool with a share and a healthy endpoint would be left; pools_min is 2"},
    {"a dead pool does not count",
     rules(1, 2, 0, 0),
     {{"v1", 1, 1, 2}, {"v2", 0, 0, 0}},
     {{"v1", 0.5, 1, 2}, {"v2", 0.5, 0, 0}},
     "1 pool with a share and a healthy endpoint would be left; pools_min is 2"},
    {"too few already, but more than before",
     rules(1, 3, 0, 0),
     {{"v1", 1, 1, 2}, {"v2", 0, 1, 2}},
     {{"v1", 0.5, 1, 2}, {"v2", 0.5, 1, 2}},
     ""},
    {"too few endpoints",
     rules(1, 0, 3, 0),
     {{"v1", 1, 1, 4}, {"v2", 0, 1, 2}},
     {{"v1", 0, 1, 4}, {"v2", 1, 1, 2}},
     "2 healthy endpoints would be left; endpoints_min is 3"},
    {"growth of what is half dead",
     rules(1, 0, 0, 0.75),
     {{"v1", 1, 1, 4}, {"v2", 0, 0.5, 2}},
     {{"v1", 0.9, 1, 4}, {"v2", 0.1, 0.5, 2}},
     "50 % of the weight of pool v2 would be healthy; capacity_min is 75 %"},
    {"what is half dead may shrink",
     rules(1, 0, 0, 0.75),
     {{"v1", 0.9, 1, 4}, {"v2", 0.1, 0.5, 2}},
     {{"v1", 1, 1, 4}, {"v2", 0, 0.5, 2}},
     ""},
    {"one endpoint too many is taken",
     rules(1, 0, 0, 0.75),
     {{"v1", 1, 0.75, 3}},
     {{"v1", 1, 0.5, 2}},
     "50 % of the weight of pool v1 would be healthy; capacity_min is 75 %"},
    {"what changes nothing is allowed", rules(1, 9, 9, 1), {{"v1", 1, 0.5, 1}}, {{"v1", 1, 0.5, 1}}, ""},
};

TEST_CASE("what the rules forbid, with the value and the limit") {
  for (const auto& [name, rules, before, after, why] : changes) {
    CAPTURE(name);
    CHECK(violation(rules, before, after).value_or("") == why);
  }
}

// Of 2027-01-15, a Friday, at 08:00.
const std::string safe_config = config_text + R"(
[steer."safe.shop.example"]
pools = { v1 = 90, v2 = 10 }
step_max = "20%"
endpoints_min = 2
freeze = ["Fri 09:00 - Fri 10:00"]
)";
constexpr int frozen_from = 3600, frozen_until = 7200;

Model healthy_model() {
  Model model(parsed(safe_config));
  for (const auto* endpoint : {"192.0.2.10", "192.0.2.11", "192.0.2.20"})
    model.apply(store::EndpointWord{address(endpoint), store::Word::up, "root", "", at(0), {}});
  return model;
}

Result<Decision> set_weight_at(const Model& model, std::string_view arguments, int seconds) {
  return set_weights(model, request(CommandId::weight_set, arguments), at(seconds));
}

TEST_CASE("weights are set within the rules only") {
  const auto model = healthy_model();
  CHECK(
      refusal(set_weight_at(model, R"({"name": "safe.shop.example", "weights": {"v1": 60, "v2": 40}})", 0)) ==
      "safe.shop.example.: pool v2 would grow by 30 % at once, from 10 % to 40 %; step_max is 20 %");
  CHECK(refusal(set_weight_at(model, R"({"name": "safe.shop.example", "weights": {"v1": 75, "v2": 25}})", 0))
            .empty());
}

TEST_CASE("no weights are set in a freeze, but by an operator who says why") {
  auto model = healthy_model();
  const std::string weights = R"({"name": "safe.shop.example", "weights": {"v2": 20})";
  CHECK(refusal(set_weight_at(model, weights + "}", frozen_from - 1)).empty());
  CHECK(refusal(set_weight_at(model, weights + "}", frozen_from)) ==
        "safe.shop.example.: changes are frozen until 2027-01-15T10:00:00.000Z (\"Fri 09:00 - Fri 10:00\"), "
        "unless "
        "an operator says --override-freeze, with a --reason");
  CHECK(refusal(set_weight_at(model, weights + R"(, "override-freeze": true})", frozen_from)) ==
        "--override-freeze needs a --reason");
  const auto set_all_the_same =
      set_weight_at(model, weights + R"(, "override-freeze": true, "reason": "v1 burns"})", frozen_from);
  REQUIRE(set_all_the_same.has_value());
  CHECK(set_all_the_same->events.front().text ==
        "v2 10 -> 20; overrides the freeze until 2027-01-15T10:00:00.000Z (v1 burns)");
  CHECK(refusal(set_weight_at(model, weights + "}", frozen_until)).empty());
  take(model, *set_all_the_same);
  CHECK(refusal(reset_weights(model, request(CommandId::weight_reset, R"({"name": "safe.shop.example"})"),
                              at(frozen_from)))
            .starts_with("safe.shop.example.: changes are frozen"));
}

Result<Decision> drain_said(const Model& model, std::string_view arguments, int seconds = 0) {
  return say_word(model, request(CommandId::endpoint_drain, arguments), store::Word::drain, at(seconds));
}

TEST_CASE("endpoints are taken out as long as enough are left, in a freeze, too") {
  auto model = healthy_model();
  CHECK(
      refusal(drain_said(model, R"({"address": "192.0.2.1*"})")) ==
      "2 endpoints must not be drained: safe.shop.example.: 1 healthy endpoint would be left; endpoints_min "
      "is 2");
  const auto drained = drain_said(model, R"({"address": "192.0.2.10"})", frozen_from);
  REQUIRE(drained.has_value());
  take(model, *drained);
  CHECK(refusal(drain_said(model, R"({"address": "192.0.2.11"})")) ==
        "192.0.2.11 must not be drained: safe.shop.example.: 1 healthy endpoint would be left; endpoints_min "
        "is 2");
  CHECK(refusal(drain_said(model, R"({"address": "192.0.2.10"})")).empty());    // it is out already
  CHECK(refusal(drain_said(model, R"({"address": "2001:db8::10"})")).empty());  // it is dead
  CHECK(refusal(drain_said(model, R"({"address": "192.0.2.30"})")).empty());    // of a name without rules
}

TEST_CASE("a scheduled drain that the rules forbid when it is due is not done, and says so") {
  auto model = healthy_model();
  for (const auto* endpoint : {"192.0.2.10", "192.0.2.11"})
    take(model, *drain_said(model, fmt::format(R"({{"address": "{}", "at": "+10s"}})", endpoint)));
  const auto due = due_words(model, at(10), at(0));
  take(model, due);
  CHECK(model.schedule().empty());
  CHECK(model.word(address("192.0.2.10"))->word == store::Word::drain);
  CHECK(model.word(address("192.0.2.11"))->word == store::Word::up);
  CHECK(due.events.back().text ==
        "what was scheduled for 2027-01-15T08:00:10.000Z is not done: 192.0.2.11 must not be drained: "
        "safe.shop.example.: 1 healthy endpoint would be left; endpoints_min is 2");
}

// Two names share a pool; some endpoints weigh more than others, and one nothing.
const std::string shared_config = server_and_zone + R"(
[pool.a]
endpoints = [{ address = "192.0.2.1", weight = 3 }, "192.0.2.2", { address = "192.0.2.3", weight = 0 }, "192.0.2.4"]
[pool.b]
endpoints = ["192.0.2.4", "192.0.2.5", { address = "192.0.2.6", weight = 0.1 }]
[pool.c]
endpoints = ["192.0.2.7"]
[steer."one.shop.example"]
pools = { a = 1, b = 1 }
endpoints_min = 3
[steer."two.shop.example"]
pools = { b = 1, c = 0 }
capacity_min = "30%"
[steer."free.shop.example"]
pools = { c = 1 }
)";

TEST_CASE("taken one after the other comes to the same as asked for all at once") {
  std::mt19937 random(5);
  std::vector<wire::Destination> endpoints;
  for (int i = 1; i <= 7; ++i) endpoints.push_back(address(fmt::format("192.0.2.{}", i)));
  for (int round = 0; round < 500; ++round) {
    Model model(parsed(shared_config));
    std::shuffle(endpoints.begin(), endpoints.end(), random);
    take(model, *drain_said(model, fmt::format(R"({{"address": "{}"}})", to_text(endpoints.back()))));
    Taking taking(model);
    std::set<wire::Destination> taken;
    for (const auto& endpoint : endpoints) {
      auto more = taken;
      more.insert(endpoint);
      const auto why = taking.take({&endpoint, 1});
      CHECK(why == taking_objection(model, more));
      if (!why) taken = more;
    }
    CHECK(taken.size() < endpoints.size());
  }
}

// Five pools of 4,000 endpoints each, all of one name.
std::string large_config() {
  auto text = server_and_zone;
  for (int pool = 0; pool < 5; ++pool) {
    text += fmt::format("[pool.p{}]\nendpoints = [", pool);
    for (int i = 0; i < 4000; ++i) text += fmt::format("\"10.{}.{}.{}\",", pool, i / 250, i % 250);
    text += "]\n";
  }
  return text + "[steer.\"large.shop.example\"]\npools = { p0 = 1, p1 = 1, p2 = 1, p3 = 1, p4 = 1 }\n";
}

// Each takes tenths of a second. With a look at all that went before for each endpoint, it would take
// minutes.
void decide_soon(Model& model, int seconds) {
  const auto before = std::clock();
  take(model, due_words(model, at(seconds), at(0)));
  CHECK((std::clock() - before) / CLOCKS_PER_SEC < 15);
}

TEST_CASE("thousands of drains that are due at once are decided in a moment") {
  Model model(parsed(large_config()));
  take(model, drain_said(model, R"({"address": "*", "at": "+10s"})").value());
  decide_soon(model, 10);
  CHECK(model.words().size() == 20'000);
  const auto up = request(CommandId::endpoint_up, R"({"address": "*", "for": "10s"})");
  take(model, say_word(model, up, store::Word::up, at(20)).value());
  decide_soon(model, 30);
  CHECK(model.words().begin()->second.word == store::Word::drain);
}

TEST_CASE("so they are when the rules allow no more of them from some one on") {
  Model model(parsed(large_config() + "endpoints_min = 4096\n"));
  take(model, drain_said(model, R"({"address": "*", "at": "+10s"})").value());
  decide_soon(model, 10);
  CHECK(model.words().size() == 20'000 - 4096);
  CHECK(model.schedule().empty());
}

}  // namespace
}  // namespace sluice::control
