// Preview names, and what stands before a switch: which side is idle and why, the analyses that let it be
// made, and what its plan says of both sides.
#include "control/preview.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "control/planned.hpp"
#include "control/present.hpp"
#include "control/rollouts.hpp"
#include "control/words.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;
using rollout::Strategy;
using rollout::Word;

const std::string sides_config = config_head + R"(
[analysis.judge]
type = "webhook"
url = "http://127.0.0.1:8080/"
interval = "20s"
[pool.blue]
check = "web"
endpoints = ["192.0.2.1", "192.0.2.2"]
[pool.green]
check = "web"
endpoints = ["192.0.2.3", { address = "192.0.2.4", weight = 0.5 }]
[pool.red]
endpoints = ["192.0.2.5"]
[steer."shop.example"]
pools = { blue = 1, green = 0, red = 0 }
ttl = "30s"
preview = true
[steer."even.shop.example"]
pools = { blue = 1, green = 1 }
preview = true
)";

// A director without its thread.
struct SidesWorld {
  explicit SidesWorld(std::string_view rules = "") {
    auto text = sides_config;
    text.insert(text.find("preview = true"), std::string(rules) + "\n");
    model.emplace(parsed(text));
    for (const char* endpoint : {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"})
      say(endpoint, store::Word::up);
  }
  void say(std::string_view endpoint, store::Word word) {
    model->apply(store::EndpointWord{address(endpoint), word, "root", "", now, {}});
  }
  void carry_out(const Decision& decision) {
    take(*model, decision);
    for (const auto& event : decision.events) events.push_back(event);
    analyses.watch(*model);
  }
  Result<Decision> start(std::string_view more, Strategy strategy = Strategy::bluegreen) {
    const auto id = strategy == Strategy::canary ? CommandId::canary_start : CommandId::bluegreen_switch;
    auto decision = start_rollout(
        *model, request(id, fmt::format(R"({{"name": "shop.example", "ttl": "5s", {}}})", more)), strategy,
        now);
    if (decision) carry_out(*decision);
    return decision;
  }
  void say(Word word) {
    const auto decision = say_to_rollout(
        *model, request(CommandId::rollout_promote, R"({"name": "shop.example"})"), word, measurements, now);
    REQUIRE_MESSAGE(decision.has_value(), refusal(decision));
    carry_out(*decision);
  }
  void pass(Duration time) {
    pass_time(*model, measurements, now, time, [&](const Decision& decision) { carry_out(decision); });
  }
  void give(rollout::Verdict verdict) {
    const auto due = analyses.begin_due(*model, now);
    REQUIRE(due.size() == 1);
    analyses.end(due[0]);
    carry_out(take_finding(*model, due[0], {verdict, 0.2, 0.1, "0.2, of 0.1 at most"}, measurements, now));
  }
  void set(std::string_view weights) {
    const auto arguments = fmt::format(R"({{"name": "shop.example", "weights": {}}})", weights);
    const auto decision = set_weights(*model, request(CommandId::weight_set, arguments), now);
    REQUIRE_MESSAGE(decision.has_value(), refusal(decision));
    carry_out(*decision);
  }
  const config::Steer& steer(std::string_view text = "shop.example") const {
    return *model->config().find_steer(name(text));
  }
  std::string phase() const { return to_text(model->rollouts().at(steer().name).state.phase); }
  // "green: the first pool without weight"
  std::string idle() const {
    const auto side = idle_side(*model, steer());
    return fmt::format("{}: {}", side.pool ? steer().pools[*side.pool].pool : "none", side.why);
  }

  Time now = at(0);
  std::optional<Model> model;
  Measurements measurements{[](const wire::Name&, const std::string&) { return std::uint64_t{0}; }};
  Analyses analyses;
  std::vector<store::Event> events;
};

TEST_CASE("without a rollout the first pool without weight is idle") {
  SidesWorld world;
  CHECK(world.idle() == "green: the first pool without weight");
  world.set(R"({"blue": 0, "green": 1})");
  CHECK(world.idle() == "blue: the first pool without weight");
  world.set(R"({"blue": 1, "red": 1})");
  CHECK(world.idle() == "none: no pool is without weight: the answer is empty");
}

TEST_CASE("a preview follows a switch, its undo, and what is set after it") {
  SidesWorld world;
  REQUIRE(world.start(R"("to": "red")").has_value());
  CHECK(world.idle() == "red: the target of rollout 1");
  world.pass(31s);
  REQUIRE(world.phase() == "moving");
  CHECK(world.idle() == "blue: what rollout 1 has switched from");
  world.pass(60s);
  REQUIRE(world.phase() == "done");
  CHECK(world.idle() == "blue: what rollout 1 has switched from");
  SUBCASE("undone") {
    world.say(Word::undo);
    CHECK(world.idle() == "red: the target of rollout 1");
    world.pass(60s);
    REQUIRE(world.phase() == "returned");
    CHECK(world.idle() == "green: the first pool without weight");
  }
  SUBCASE("set to another") {
    world.set(R"({"blue": 1, "red": 0})");
    CHECK(world.idle() == "green: the first pool without weight");
  }
  SUBCASE("switched to the third") {
    REQUIRE(world.start(R"("to": "green")").has_value());
    CHECK(world.idle() == "green: the target of rollout 2");
    world.pass(60s);
    CHECK(world.idle() == "red: what rollout 2 has switched from");
  }
}

TEST_CASE("a canary's target is previewed until it has all") {
  SidesWorld world;
  REQUIRE(world.start(R"("to": "red", "steps": "10,100", "hold": "1m")", Strategy::canary).has_value());
  world.pass(40s);
  CHECK(world.model->weights(world.steer())[2] == doctest::Approx(10));
  CHECK(world.idle() == "red: the target of rollout 1");
  world.pass(300s);
  CHECK(world.idle() == "blue: what rollout 1 has switched from");
}

TEST_CASE("a preview is a name whose slots are the idle pool's, or nobody's") {
  SidesWorld world;
  const auto& preview = world.steer("preview.shop.example");
  CHECK(world.model->weights(preview) == std::vector<double>{0, 1, 0});
  CHECK(steer::shares(world.model->layout(preview), 3) == std::vector<double>{0, 1, 0});
  CHECK(ttl_at(*world.model, preview, world.now) == 1s);
  CHECK(present(*world.model, preview).rule == "weights");
  world.say("192.0.2.3", store::Word::down);
  world.say("192.0.2.4", store::Word::down);
  CHECK(present(*world.model, preview).shares == std::vector<double>{0, 1, 0});

  const auto& even = world.steer("preview.even.shop.example");
  CHECK(world.model->layout(even) == steer::Layout{{steer::no_pool, steer::slot_count}});
  CHECK(present(*world.model, even).rule == "no pool is idle");
  for (const auto& change : settle_layouts(*world.model, world.now).changes)
    if (const auto* laid = std::get_if<store::LayoutChange>(&change))
      CHECK_FALSE(laid->steer.starts_with("preview."));
}

TEST_CASE("status says which pool a preview is answered from, and why") {
  SidesWorld world;
  const auto only = name("shop.example");
  const auto shown = status(*world.model, surroundings(), &only);
  REQUIRE(shown.at("steers").as_array().size() == 2);
  CHECK(shown.at("steers").at(0).at("preview").is_null());
  CHECK(shown.at("steers").at(1).at("name") == "preview.shop.example.");
  CHECK(shown.at("steers").at(1).at("preview") ==
        boost::json::parse(
            R"({"of": "shop.example.", "pool": "green", "why": "the first pool without weight"})"));
}

TEST_CASE("a preview name has no weights and rollouts of its own") {
  SidesWorld world;
  const std::string why =
      "preview.shop.example. is answered from the idle side of shop.example.: change that name, and it "
      "follows";
  const auto arguments = R"({"name": "preview.shop.example", "to": "red", "weights": {"red": 1}})";
  CHECK(refusal(set_weights(*world.model, request(CommandId::weight_set, arguments), world.now)) == why);
  CHECK(refusal(reset_weights(*world.model, request(CommandId::weight_reset, arguments), world.now)) == why);
  CHECK(refusal(start_rollout(*world.model, request(CommandId::bluegreen_switch, arguments),
                              Strategy::bluegreen, world.now)) == why);
  CHECK(find_shown(*world.model, request(CommandId::status, arguments)).has_value());
}

TEST_CASE("a switch that is analysed is made when that has passed") {
  SidesWorld world;
  const auto begun = world.start(R"("to": "green", "analysis": "judge")");
  REQUIRE(begun.has_value());
  CHECK(begun->reply.at("plan").at(0).at("what") == "the TTL is 5s; before the switch: judge");
  CHECK(world.analyses.next(*world.model) == at(20));
  world.pass(20s);
  world.give(rollout::Verdict::success);
  CHECK(world.phase() == "arming");
  world.pass(11s);
  CHECK(world.phase() == "moving");
  CHECK(world.model->weights(world.steer()) == std::vector<double>{0, 100, 0});
}

TEST_CASE("a switch whose analysis fails is not made, and the value that decided is told") {
  SidesWorld world;
  REQUIRE(world.start(R"("to": "green", "analysis": "judge")").has_value());
  world.pass(40s);
  CHECK(world.phase() == "arming");
  CHECK(world.events.back().text ==
        "shop.example.: the TTL is lowered everywhere, but before the switch analysis judge has not brought "
        "a result yet");
  world.give(rollout::Verdict::failure);
  CHECK(world.phase() == "returned");
  CHECK(world.events.back().kind == "rollout.abort");
  CHECK(
      world.events.back().text ==
      "shop.example.: green stays at 0 %, nothing has moved: analysis judge has failed: 0.2, of 0.1 at most");
  CHECK(world.model->weights(world.steer()) == std::vector<double>{1, 0, 0});
  CHECK(world.model->ttl(world.steer()) == 30s);
}

TEST_CASE("a result of before the switch does not count after it") {
  SidesWorld world;
  REQUIRE(world.start(R"("to": "green", "analysis": "judge")").has_value());
  world.pass(25s);
  const auto due = world.analyses.begin_due(*world.model, world.now);
  REQUIRE(due.size() == 1);
  CHECK(due[0].step == 0);
  CHECK(due[0].questions[0].share == 0);
  world.say(Word::promote);
  world.pass(60s);
  REQUIRE(world.phase() == "holding");
  world.analyses.end(due[0]);
  world.carry_out(take_finding(*world.model, due[0], {rollout::Verdict::failure, {}, {}, "late"},
                               world.measurements, world.now));
  CHECK(world.phase() == "holding");
}

TEST_CASE("a switch is not made to a side that has less than the rules ask for, and says so") {
  SidesWorld world("capacity_min = \"80%\"");
  world.say("192.0.2.4", store::Word::down);
  CHECK(refusal(world.start(R"("to": "green", "analysis": "judge")")) ==
        "step 1 of 1: 66.67 % of the weight of pool green would be healthy; capacity_min is 80 %");
  world.say("192.0.2.4", store::Word::up);
  REQUIRE(world.start(R"("to": "green", "analysis": "judge")").has_value());
  world.pass(32s);
  world.say("192.0.2.4", store::Word::down);
  world.give(rollout::Verdict::success);
  CHECK(world.phase() == "arming");
  CHECK(
      world.events.back().text ==
      "shop.example.: the next step, 100 % to green, has to wait: 66.67 % of the weight of pool green would "
      "be healthy; capacity_min is 80 %");
  world.say("192.0.2.4", store::Word::up);
  world.pass(2s);
  CHECK(world.phase() == "moving");
}

TEST_CASE("a switch to a side without a healthy endpoint is refused") {
  SidesWorld world;
  world.say("192.0.2.3", store::Word::down);
  world.say("192.0.2.4", store::Word::down);
  CHECK(refusal(world.start(R"("to": "green")")) == "green is not alive");
}

TEST_CASE("the plan of a switch tells what both sides have") {
  SidesWorld world;
  const auto plan = world.start(R"("to": "green")");
  REQUIRE(plan.has_value());
  const auto& side = plan->reply.at("sides").at(1);
  CHECK(plan->reply.at("sides").at(0).at("pool") == "blue");
  CHECK(plan->reply.at("sides").at(0).at("side") == "active");
  CHECK(side.at("pool") == "green");
  CHECK(side.at("healthy").to_number<int>() == 2);
  CHECK(side.at("healthy_weight").to_number<double>() == 1.5);
  REQUIRE(plan->reply.at("warnings").as_array().size() == 1);
  CHECK(plan->reply.at("warnings").at(0) ==
        "green is smaller: the healthy endpoints have a weight of 1.5, those of blue have 2");
}

TEST_CASE("the plan of a switch warns when there is no way back") {
  SidesWorld world;
  world.say("192.0.2.1", store::Word::down);
  world.say("192.0.2.2", store::Word::down);
  const auto plan = world.start(R"("to": "green")");
  REQUIRE(plan.has_value());
  CHECK(plan->reply.at("warnings") ==
        boost::json::parse(R"(["blue has no healthy endpoint: there is no way back"])"));
}

}  // namespace
}  // namespace sluice::control
