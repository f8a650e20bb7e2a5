// Classes of clients: what requests about them come to, what a rollout makes of them, and how they are shown.
#include "control/routes.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "control/rollouts.hpp"
#include "control/versions.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

const std::string routes_config = server_and_zone + R"(
[pool.v1]
endpoints = ["192.0.2.10"]
[pool.v2]
endpoints = ["192.0.2.20"]
[pool.v3]
endpoints = ["192.0.2.30"]
[steer."www.shop.example"]
pools = { v1 = 1, v2 = 0 }
classes = { testers = "v2" }
[steer."api.shop.example"]
pools = { v1 = 1, v2 = 0 }
[class.partners]
prefixes = ["10.9.0.0/16"]
[class.testers]
prefixes = ["10.0.0.0/8"]
)";

// "testers=v2 (root)", in order; "-" for nowhere.
std::string routings_text(const Model& model, std::string_view of = "www.shop.example") {
  std::string text;
  for (const auto& [client_class, pool, configured, set] :
       model.routings(*model.config().find_steer(name(of))))
    text += fmt::format("{}{}={}{}", text.empty() ? "" : " ", client_class, pool.empty() ? "-" : pool,
                        set == nullptr ? "" : fmt::format(" ({})", set->by));
  return text;
}

std::string lead(Model& model, std::string_view client_class, std::string_view pool,
                 std::string_view of = "www.shop.example") {
  const auto arguments =
      fmt::format(R"({{"name": "{}", "class": "{}", "pool": "{}"}})", of, client_class, pool);
  const auto decision = pool.empty()
                            ? unroute_class(model, request(CommandId::class_unroute, arguments), at(1))
                            : route_class(model, request(CommandId::class_route, arguments), at(1));
  if (!decision) return decision.error().message;
  CHECK(decision->changes.size() == 2 * decision->events.size());  // the route, and the name's version
  take(model, *decision);
  return std::string(decision->reply.at("text").as_string());
}

TEST_CASE("routes are set, taken away, and the config's again") {
  Model model(parsed(routes_config));
  CHECK(routings_text(model) == "testers=v2");
  CHECK(lead(model, "testers", "v2") == "www.shop.example. class testers is answered by v2 already");
  CHECK(lead(model, "partners", "v1") == "www.shop.example. class partners: the weights -> v1");
  CHECK(routings_text(model) == "partners=v1 (root) testers=v2");
  CHECK(lead(model, "testers", "") == "www.shop.example. class testers: v2 -> the weights");
  CHECK(routings_text(model) == "partners=v1 (root) testers=- (root)");
  CHECK(routes_in_force(model, *model.config().find_steer(name("www.shop.example"))).size() == 1);
  CHECK(lead(model, "testers", "") == "www.shop.example. class testers is answered by the weights already");
  CHECK(lead(model, "testers", "v2") == "www.shop.example. class testers: the weights -> v2");
  CHECK(lead(model, "partners", "") == "www.shop.example. class partners: v1 -> the weights");
  CHECK(routings_text(model) == "testers=v2");
  CHECK(routings_text(model, "api.shop.example").empty());
}

TEST_CASE("what cannot be is refused") {
  Model model(parsed(routes_config));
  CHECK(lead(model, "tester", "v2") == "there is no class 'tester'; did you mean 'testers'?");
  CHECK(lead(model, "testers", "v3") == "www.shop.example. has no pool 'v3'; did you mean 'v1'?");
  CHECK(lead(model, "testers", "v1", "old.shop.example") ==
        "no steered name is 'old.shop.example.'; did you mean 'www.shop.example.'?");
}

TEST_CASE("a pool that is not alive can be chosen, and that is said") {
  Model model(parsed(routes_config));
  model.apply(store::EndpointWord{address("192.0.2.10"), store::Word::down, "root", "", at(0), {}});
  CHECK(lead(model, "partners", "v1") ==
        "www.shop.example. class partners: the weights -> v1; v1 is not alive: until it is, by the weights");
}

// Of 2027-01-15, a Friday, at 08:00.
const std::string safe_routes_config = routes_config + R"(
[pool.half]
endpoints = ["192.0.2.40", "192.0.2.41"]
[steer."safe.shop.example"]
pools = { v1 = 1, v2 = 0, half = 0 }
classes = { testers = "half" }
step_max = "20%"
capacity_min = "75%"
freeze = ["Fri 09:00 - Fri 10:00"]
)";
constexpr int freeze_begin = 3600, freeze_end = 7200;

Result<Decision> route_at(const Model& model, std::string_view rest, int seconds) {
  const auto arguments = fmt::format(R"({{"name": "safe.shop.example", {}}})", rest);
  return route_class(model, request(CommandId::class_route, arguments), at(seconds));
}
Result<Decision> unroute_at(const Model& model, std::string_view rest, int seconds) {
  const auto arguments = fmt::format(R"({{"name": "safe.shop.example", {}}})", rest);
  return unroute_class(model, request(CommandId::class_unroute, arguments), at(seconds));
}

TEST_CASE("no class is led elsewhere in a freeze, but by an operator who says why") {
  struct Row {
    Result<Decision> (*say)(const Model& model, std::string_view rest, int seconds);
    std::string_view arguments;
    std::string_view text;  // of the event
  };
  const Row rows[] = {
      {route_at, R"("class": "partners", "pool": "v2")", "class partners: the weights -> v2"},
      {unroute_at, R"("class": "testers")", "class testers: half -> the weights"},
  };
  const Model model(parsed(safe_routes_config));
  for (const auto& [say, arguments, text] : rows) {
    CAPTURE(text);
    const auto with_more = [&, rest = arguments](std::string_view more) {
      return fmt::format(R"({}, "override-freeze": true{})", rest, more);
    };
    CHECK(refusal(say(model, arguments, freeze_begin - 1)).empty());
    CHECK(refusal(say(model, arguments, freeze_begin))
              .starts_with("safe.shop.example.: changes are frozen until 2027-01-15T10:00:00.000Z"));
    CHECK(refusal(say(model, arguments, freeze_end)).empty());
    CHECK(refusal(say(model, with_more(""), freeze_begin)) == "--override-freeze needs a --reason");
    const auto said = say(model, with_more(R"(, "reason": "v1 burns")"), freeze_begin);
    REQUIRE(said.has_value());
    CHECK(
        said->events.front().text ==
        fmt::format("safe.shop.example.: {}; overrides the freeze until 2027-01-15T10:00:00.000Z (v1 burns)",
                    text));
  }
}

TEST_CASE("a class is led to a pool that is healthy enough only, however large the step is") {
  Model model(parsed(safe_routes_config));
  CHECK(refusal(route_at(model, R"("class": "partners", "pool": "half")", 0)).empty());
  model.apply(store::EndpointWord{address("192.0.2.40"), store::Word::down, "root", "", at(0), {}});
  CHECK(refusal(route_at(model, R"("class": "partners", "pool": "half")", 0)) ==
        "safe.shop.example.: 50 % of the weight of pool half would be healthy; capacity_min is 75 %");
  CHECK(refusal(route_at(model, R"("class": "testers", "pool": "half")", 0)).empty());  // it is there already
  CHECK(refusal(route_at(model, R"("class": "partners", "pool": "v2")", 0)).empty());
  CHECK(refusal(unroute_at(model, R"("class": "testers")", 0)).empty());
}

TEST_CASE("of two operators the second learns that the first has led the class elsewhere") {
  Model model(parsed(safe_routes_config));
  const auto safe = name("safe.shop.example");
  const auto first = route_at(model, R"("class": "partners", "pool": "v2", "if-version": 0)", 0);
  REQUIRE(first.has_value());
  CHECK(first->reply.at("version") == 1);
  take(model, *first);
  CHECK(version_of(model, safe) == 1);
  const auto why =
      "safe.shop.example. is at version 1, and not at 0; changed by root at 2027-01-15T08:00:00.000Z: class "
      "partners: the weights -> v2";
  CHECK(refusal(route_at(model, R"("class": "partners", "pool": "v1", "if-version": 0)", 1)) == why);
  CHECK(refusal(unroute_at(model, R"("class": "partners", "if-version": 0)", 1)) == why);
  const auto same = route_at(model, R"("class": "partners", "pool": "v2", "if-version": 1)", 1);
  REQUIRE(same.has_value());
  CHECK(same->changes.empty());
  CHECK(same->reply.at("version") == 1);
  take(model, unroute_at(model, R"("class": "partners", "if-version": 1)", 1).value());
  CHECK(version_of(model, safe) == 2);
}

std::string with(std::string text, std::string_view before, std::string_view after) {
  return text.replace(text.find(before), before.size(), after);
}

TEST_CASE("what the config has no more does not hold") {
  Model model(parsed(routes_config));
  lead(model, "partners", "v2");
  SUBCASE("the pool") {
    const auto fewer = with(with(routes_config, "v1 = 1, v2 = 0", "v1 = 1"), "\"v2\" }", "\"v1\" }");
    model.replace_config(parsed(fewer), at(2));
    CHECK(routings_text(model) == "testers=v1");
  }
  SUBCASE("the class") {
    model.replace_config(parsed(with(routes_config, "class.partners", "class.others")), at(2));
    CHECK(routings_text(model) == "testers=v2");
  }
  model.replace_config(parsed(routes_config), at(3));
  CHECK(routings_text(model) == "partners=v2 (root) testers=v2");
}

TEST_CASE("status and metrics") {
  Model model(parsed(routes_config));
  lead(model, "partners", "v1");
  lead(model, "testers", "");
  const auto status = status_of(model);
  CHECK(boost::json::serialize(status.at("steers").at(0).at("classes")) ==
        R"([{"class":"partners","pool":"v1","config_pool":null,"open":true,"by":"root","since":")" +
            to_text(at(1)) +
            R"(","answers":7},{"class":"testers","pool":null,"config_pool":"v2","open":false,)" +
            R"("by":"root","since":")" + to_text(at(1)) + R"(","answers":7}])");
  CHECK(status.at("steers").at(1).at("classes").as_array().empty());
  const Counters counters;
  CHECK(metrics_text(model, surroundings(), counters)
            .find(R"(sluice_class_answers_total{name="www.shop.example.",class="partners"} 7)") !=
        std::string::npos);
}

// The endpoint of a pool with no share of its own is in answers because of a class.
TEST_CASE("endpoints that only a class leads to are serving") {
  Model model(parsed(routes_config));
  const auto serving = [&] {
    return status_of(model).at("pools").at(1).at("endpoints").at(0).at("serving").as_bool();
  };
  CHECK(serving());
  lead(model, "testers", "");
  CHECK_FALSE(serving());
}

// --- rollouts ---

struct ClassRollout {
  Result<Decision> start(std::string_view more = R"(, "class": "partners")") {
    const auto arguments = fmt::format(
        R"({{"name": "www.shop.example", "to": "v2", "steps": "10,100", "hold": "60s", "ttl": "5s"{}}})",
        more);
    auto decision =
        start_rollout(model, request(CommandId::canary_start, arguments), rollout::Strategy::canary, now);
    if (decision) take(model, *decision);
    return decision;
  }
  void pass(Duration time) {
    pass_time(model, measurements, now, time, [&](const Decision& decision) { take(model, decision); });
  }
  void say(rollout::Word word) {
    const auto decision = say_to_rollout(
        model, request(CommandId::rollout_abort, R"({"name": "www.shop.example"})"), word, measurements, now);
    REQUIRE(decision.has_value());
    take(model, *decision);
  }
  std::string state() const {
    const auto& rollout = model.rollouts().at(name("www.shop.example"));
    return fmt::format("{} {:.4g}: {}", to_text(rollout.state.phase), 100 * rollout::share(rollout, now),
                       routings_text(model));
  }

  Time now = at(0);
  Model model{parsed(routes_config)};
  Measurements measurements{[](const wire::Name&, const std::string&) { return std::uint64_t{0}; }};
};

TEST_CASE("a canary leads its class first, and then the others") {
  ClassRollout world;
  const auto started = world.start();
  REQUIRE(started.has_value());
  CHECK(std::string(started->reply.at("text").as_string()).find("in steps of class partners, 10, 100 %") !=
        std::string::npos);
  CHECK(started->reply.at("plan").at(1).at("what") == "class partners is led to v2");
  CHECK(world.state() == "arming 0: testers=v2");
  world.pass(31s);
  CHECK(world.state() == "moving 0: partners=v2 (rollout 1) testers=v2");
  CHECK(world.model.weights_by(*world.model.config().find_steer(name("www.shop.example"))).empty());
  world.pass(72s);
  CHECK(world.state() == "moving 10: partners=v2 (rollout 1) testers=v2");
  world.pass(300s);
  CHECK(world.state() == "done 100: testers=v2");
}

TEST_CASE("abort and undo give the class back to where it was") {
  for (const auto word : {rollout::Word::abort, rollout::Word::undo})
    for (const bool was_led : {false, true}) {
      CAPTURE(to_text(word));
      CAPTURE(was_led);
      ClassRollout world;
      if (was_led) lead(world.model, "partners", "v1");
      const std::string before = was_led ? "partners=v1 (rollout 1) testers=v2" : "testers=v2";
      REQUIRE(world.start().has_value());
      world.pass(38s);
      CHECK(world.state() == "settling 0: partners=v2 (rollout 1) testers=v2");
      world.say(word);
      CHECK(world.state() == "returning 0: " + before);
      world.pass(60s);
      CHECK(world.state() == "returned 0: " + before);
    }
}

TEST_CASE("an undo after the end leaves alone what operators have said since") {
  ClassRollout world;
  REQUIRE(world.start().has_value());
  world.pass(400s);
  lead(world.model, "partners", "v1");
  world.say(rollout::Word::undo);
  CHECK(world.state() == "returning 0: partners=v1 (root) testers=v2");
}

TEST_CASE("while it runs, its class is the rollout's, and others are anybody's") {
  ClassRollout world;
  REQUIRE(world.start().has_value());
  CHECK(lead(world.model, "partners", "v1") ==
        "class partners of www.shop.example. is rollout 1's: abort it, or wait for its end");
  CHECK(lead(world.model, "partners", "") ==
        "class partners of www.shop.example. is rollout 1's: abort it, or wait for its end");
  CHECK(lead(world.model, "testers", "v1") == "www.shop.example. class testers: v2 -> v1");
  CHECK(lead(world.model, "partners", "v2", "api.shop.example") ==
        "api.shop.example. class partners: the weights -> v2");
}

TEST_CASE("a class that the config does not have is no class for a canary") {
  ClassRollout world;
  const auto refused = world.start(R"(, "class": "partner")");
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message == "there is no class 'partner'; did you mean 'partners'?");
}

TEST_CASE("a rollout that the config ends gives its class back") {
  ClassRollout world;
  REQUIRE(world.start().has_value());
  world.pass(38s);
  const auto fewer = with(with(routes_config, "v1 = 1, v2 = 0", "v1 = 1"), "\"v2\" }", "\"v1\" }");
  world.model.replace_config(parsed(fewer), world.now);
  take(world.model, due_rollouts(world.model, world.measurements, world.now));
  CHECK(routings_text(world.model) == "testers=v1");
}

}  // namespace
}  // namespace sluice::control
