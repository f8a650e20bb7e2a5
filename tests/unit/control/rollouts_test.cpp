// Rollouts over the model, with a clock of our own: what they make of weights and TTL, what they are refused,
// and that nothing but the store's changes is needed to go on.
#include "control/rollouts.hpp"

#include <algorithm>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "control/rollout_status.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

// The last section is the name's.
std::string name_with(const std::string& pools) {
  return config_text + "[steer.\"new.shop.example\"]\npools = { " + pools + " }\nttl = \"30s\"\n";
}

const std::string rollout_config = name_with("v1 = 1, v2 = 0");

// A director without its thread: decides, keeps what it decided, and can be started again from that.
struct RolloutWorld {
  RolloutWorld() { probe(true); }

  void probe(bool v2, bool v1 = true) {
    for (const auto& pool : model->config().pools) {
      if (!pool.check) continue;
      for (const auto& endpoint : pool.endpoints) {
        const auto target = probe::target_of(endpoint, *model->config().find_check(*pool.check));
        const bool is_well = pool.name == "v2" ? v2 : pool.name != "v1" || v1;
        health::ProbeResult result{is_well, "given", Duration{1}};
        result.answered = true;  // no silence, which others would be asked about
        model->apply_probe(health_key(target), result, now);
      }
    }
  }
  void carry_out(const Decision& decision) {
    for (const auto& change : decision.changes) {
      model->apply(change);
      kept.push_back(change);
    }
    for (const auto& event : decision.events) events.push_back(event.kind);
  }
  Result<Decision> start(std::string_view arguments) {
    auto decision =
        start_rollout(*model, request(CommandId::canary_start, arguments), rollout::Strategy::canary, now);
    if (decision) carry_out(*decision);
    return decision;
  }
  Result<Decision> say(rollout::Word word, std::string_view arguments = R"({"name": "new.shop.example"})") {
    auto decision =
        say_to_rollout(*model, request(CommandId::rollout_abort, arguments), word, measurements, now);
    if (decision) carry_out(*decision);
    return decision;
  }
  void pass(Duration time) {
    pass_time(
        *model, measurements, now, time, [&](const Decision& decision) { carry_out(decision); },
        [&](Time from, Time to) { answer(from, to); });
  }
  // A hundred a second, by the weights in force.
  void answer(Time from, Time to) {
    const auto weights = model->weights(steer());
    const double all = weights[0] + weights[1],
                 count = 100 * std::chrono::duration<double>(to - from).count();
    const double v2 = answered_v2.value_or(weights[1] / all);
    answers["v1"] += static_cast<std::uint64_t>(count * (1 - v2));
    answers["v2"] += static_cast<std::uint64_t>(count * v2);
  }
  // Another config comes, and its endpoints are found well.
  void reload(const std::string& text) {
    model->replace_config(parsed(text), now);
    probe(true);
    carry_out(due_rollouts(*model, measurements, now));
  }
  // All endpoints of a pool, or one of a family, are said to be down.
  void take_down(std::initializer_list<const char*> endpoints) {
    for (const auto* endpoint : endpoints) {
      const auto target = wire::parse_destination(endpoint).value();
      model->apply(store::EndpointWord{target, store::Word::down, "root", "", now, {}});
    }
  }
  // What kill -9 leaves is the store.
  void restart() {
    Model fresh(parsed(rollout_config));
    for (const auto& change : kept) fresh.apply(change);
    model.emplace(std::move(fresh));
    probe(true);
    answers.clear();
    measurements = Measurements(counts());
  }
  AnswerCounts counts() {
    return [this](const wire::Name&, const std::string& pool) { return answers[pool]; };
  }
  const config::Steer& steer() const { return *model->config().find_steer(name("new.shop.example")); }
  std::string state() const {
    const auto weights = model->weights(steer());
    return fmt::format("{} {:.4g} {}", to_text(model->rollouts().at(steer().name).state.phase),
                       100 * weights[1] / (weights[0] + weights[1]), to_text(model->ttl(steer())));
  }

  Time now = at(0);
  std::map<std::string, std::uint64_t> answers;
  std::optional<double> answered_v2;  // its share, whatever the weights say
  std::optional<Model> model{Model(parsed(rollout_config))};
  Measurements measurements{counts()};
  std::vector<store::Change> kept;
  std::vector<std::string> events;
};

constexpr auto canary =
    R"({"name": "new.shop.example", "to": "v2", "steps": "10,100", "hold": "60s", "ttl": "5s"})";

TEST_CASE("a canary lowers the TTL, moves the weights step by step, and raises the TTL") {
  RolloutWorld world;
  REQUIRE(world.start(canary).has_value());
  CHECK(world.state() == "arming 0 5s");
  world.pass(30s);
  CHECK(world.state() == "arming 0 5s");
  world.pass(1s);
  CHECK(world.state() == "moving 10 5s");
  world.pass(6s);
  CHECK(world.state() == "settling 10 5s");
  world.pass(6s);
  CHECK(world.state() == "holding 10 5s");
  world.pass(60s);
  CHECK(world.state() == "moving 100 5s");
  world.pass(80s);
  CHECK(world.state() == "done 100 30s");
  CHECK(world.model->weights_by(world.steer()) == "rollout 1");
  CHECK(world.events == std::vector<std::string>{"rollout.start", "rollout.step", "rollout.settle",
                                                 "rollout.hold", "rollout.step", "rollout.settle",
                                                 "rollout.hold", "rollout.done"});
}

TEST_CASE("a restart at any second ends the same") {
  for (int second = 0; second < 200; second += 7) {
    CAPTURE(second);
    RolloutWorld world;
    REQUIRE(world.start(canary).has_value());
    world.pass(std::chrono::seconds(second));
    const auto before = world.state();
    world.restart();
    CHECK(world.state() == before);
    world.pass(300s);
    CHECK(world.state() == "done 100 30s");
  }
}

TEST_CASE("abort and undo go back to what the config says") {
  RolloutWorld world;
  REQUIRE(world.start(canary).has_value());
  world.pass(40s);
  SUBCASE("abort") { REQUIRE(world.say(rollout::Word::abort).has_value()); }
  SUBCASE("undo") { REQUIRE(world.say(rollout::Word::undo).has_value()); }
  SUBCASE("undo after the end") {
    world.pass(300s);
    CHECK(world.state() == "done 100 30s");
    REQUIRE(world.say(rollout::Word::undo).has_value());
  }
  CHECK(world.state() == "returning 0 5s");
  CHECK(world.model->weights_by(world.steer()).empty());
  world.pass(40s);
  CHECK(world.state() == "returned 0 30s");
}

TEST_CASE("abort little by little") {
  RolloutWorld world;
  REQUIRE(world.start(R"({"name": "new.shop.example", "to": "v2", "steps": "50", "ttl": "5s"})").has_value());
  world.pass(40s);
  REQUIRE(world.say(rollout::Word::abort, R"({"name": "new.shop.example", "over": "100s"})").has_value());
  CHECK(world.state() == "returning 50 5s");
  world.pass(50s);
  CHECK(world.state() == "returning 25 5s");
  world.pass(50s);
  CHECK(world.state() == "returning 0 5s");
  world.pass(6s);
  CHECK(world.state() == "returned 0 30s");
}

TEST_CASE("a target that dies loses its share") {
  RolloutWorld world;
  REQUIRE(world.start(canary).has_value());
  world.pass(32s);
  world.probe(false);
  world.carry_out(due_rollouts(*world.model, world.measurements, world.now));
  CHECK(world.state() == "returning 0 5s");
}

TEST_CASE("what the config has no more ends a rollout") {
  RolloutWorld world;
  REQUIRE(world.start(canary).has_value());
  world.pass(32s);
  world.model->replace_config(parsed(config_text), world.now);
  world.carry_out(due_rollouts(*world.model, world.measurements, world.now));
  CHECK(world.model->running_rollouts().empty());
  CHECK(world.events.back() == "rollout.abandoned");
  // And what it has set: the name may come back.
  world.model->replace_config(parsed(rollout_config), world.now);
  CHECK(world.model->weights(world.steer()) == std::vector<double>{1, 0});
}

TEST_CASE("a rollout goes on when its name has got another pool, or lost one that had no share") {
  RolloutWorld world;
  REQUIRE(world.start(canary).has_value());
  world.pass(50s);
  CHECK(world.state() == "holding 10 5s");
  world.reload(name_with("plain = 7, v1 = 1, v2 = 0"));
  CHECK(world.model->weights(world.steer()) == std::vector<double>{0, 90, 10});
  CHECK(world.model->running_rollouts().size() == 1);
  world.reload(rollout_config);
  CHECK(world.model->weights(world.steer()) == std::vector<double>{90, 10});
  REQUIRE(world.say(rollout::Word::abort).has_value());
  CHECK(world.state() == "returning 0 5s");
}

TEST_CASE("what a pool had that is gone goes to the others, and no target gets more than it is to have") {
  RolloutWorld world;
  world.reload(name_with("v1 = 75, v2 = 5, plain = 20"));
  REQUIRE(world.start(canary).has_value());
  world.pass(37s);
  CHECK(world.model->weights(world.steer())[1] == doctest::Approx(10));
  world.reload(name_with("v2 = 5, plain = 20"));
  CHECK(world.model->weights(world.steer())[0] == doctest::Approx(10));
  CHECK(world.model->weights(world.steer())[1] == doctest::Approx(90));
  SUBCASE("an abort raises nothing") {
    REQUIRE(world.say(rollout::Word::abort).has_value());
    CHECK(world.model->weights(world.steer())[0] == doctest::Approx(5));
    CHECK(world.model->weights(world.steer())[1] == doctest::Approx(95));
  }
  SUBCASE("when it comes back, all is as planned, also when something was stored in between") {
    REQUIRE(world.say(rollout::Word::pause).has_value());
    world.reload(name_with("v1 = 75, v2 = 5, plain = 20"));
    REQUIRE(world.say(rollout::Word::abort).has_value());
    CHECK(world.model->weights(world.steer()) == std::vector<double>{75, 5, 20});
    CHECK(world.model->weights_by(world.steer()).empty());
  }
}

TEST_CASE("a new pool has nothing while it runs, and what the config says once all is as before") {
  RolloutWorld world;
  REQUIRE(world.start(canary).has_value());
  world.pass(50s);
  world.reload(name_with("v1 = 1, v2 = 0, plain = 3"));
  CHECK(world.model->weights(world.steer()) == std::vector<double>{90, 10, 0});
  SUBCASE("abort") { REQUIRE(world.say(rollout::Word::abort).has_value()); }
  SUBCASE("undo after the end") {
    world.pass(300s);
    CHECK(world.model->weights(world.steer()) == std::vector<double>{0, 100, 0});
    REQUIRE(world.say(rollout::Word::undo).has_value());
  }
  CHECK(world.model->weights(world.steer()) == std::vector<double>{1, 0, 3});
  CHECK(world.model->weights_by(world.steer()).empty());
}

TEST_CASE("a rollout whose target has gone is over, and the others have what the config says") {
  RolloutWorld world;
  world.reload(name_with("v1 = 1, v2 = 0, plain = 3"));
  REQUIRE(world.start(canary).has_value());
  world.pass(50s);
  CHECK(world.model->weights(world.steer())[1] == doctest::Approx(10));
  world.reload(name_with("v1 = 1, plain = 3"));
  CHECK(world.model->running_rollouts().empty());
  CHECK(world.events.back() == "rollout.abandoned");
  CHECK(world.model->weights(world.steer()) == std::vector<double>{1, 3});
  // It is laid out by that: the next start finds nothing to settle.
  for (const auto& change : settle_layouts(*world.model, world.now).changes)
    if (const auto* laid = std::get_if<store::LayoutChange>(&change))
      CHECK(laid->steer != "new.shop.example.");
}

TEST_CASE("what is published later does not make a step wait longer") {
  RolloutWorld world;
  Time published = world.now;
  LeasesOfName leases;
  leases.before_change = [&](const wire::Name&) { return published + 6s; };
  world.measurements = Measurements(world.counts(), leases);
  REQUIRE(world.start(canary).has_value());
  const auto look = [&] { world.carry_out(due_rollouts(*world.model, world.measurements, world.now)); };
  look();
  world.pass(6s);
  CHECK(world.state() == "moving 10 5s");
  published = world.now;
  look();
  world.pass(3s);
  published = world.now;  // for a pause, or the route of another class
  world.pass(3s);
  CHECK(world.state() == "settling 10 5s");
}

TEST_CASE("what goes back goes back to what was before, whatever the config says by now") {
  RolloutWorld world;
  const auto end_state = name_with("v1 = 0, v2 = 1");
  REQUIRE(world.start(canary).has_value());
  world.pass(50s);
  SUBCASE("abort") {
    world.reload(end_state);
    CHECK(world.state() == "holding 10 5s");
    REQUIRE(world.say(rollout::Word::abort).has_value());
  }
  SUBCASE("undo after the end") {
    world.pass(300s);
    CHECK(world.state() == "done 100 30s");
    world.reload(end_state);
    REQUIRE(world.say(rollout::Word::undo).has_value());
  }
  CHECK(world.state() == "returning 0 5s");
  world.pass(60s);
  CHECK(world.state() == "returned 0 30s");
  CHECK(world.model->weights(world.steer()) == std::vector<double>{1, 0});
}

TEST_CASE("a disturbance while the answered share is measured is forgotten a TTL later") {
  RolloutWorld world;
  REQUIRE(world.start(canary).has_value());
  world.pass(37s);
  CHECK(world.state() == "settling 10 5s");
  world.answered_v2 = 0.9;
  world.pass(60s);
  CHECK(world.state() == "settling 10 5s");
  world.answered_v2.reset();
  world.pass(12s);
  CHECK(world.state() == "holding 10 5s");
}

TEST_CASE("of a sticky name who asks decides what is answered: that is no reason to wait") {
  RolloutWorld world;
  world.reload(rollout_config + "method = \"sticky\"\n");
  REQUIRE(world.start(canary).has_value());
  world.answered_v2 = 0;
  world.pass(50s);
  CHECK(world.state() == "holding 10 5s");
}

TEST_CASE("no share goes back to pools that are not alive") {
  RolloutWorld world;
  SUBCASE("the one that had nearly all is dead: the other may not take it") {
    world.reload(name_with("v1 = 99, v2 = 0, plain = 1"));
    REQUIRE(world.start(canary).has_value());
    world.pass(50s);
    world.probe(true, false);
    CHECK(refusal(world.say(rollout::Word::abort)) == "who would have to take the share of v2 is not alive");
  }
  SUBCASE("the other may take it") {
    world.reload(name_with("v1 = 50, v2 = 0, plain = 50"));
    REQUIRE(world.start(canary).has_value());
    world.pass(50s);
    world.probe(true, false);
    CHECK(world.say(rollout::Word::abort).has_value());
  }
}

TEST_CASE("a target is not alive when one of its families is dead, unless that is dead everywhere") {
  RolloutWorld world;
  const auto dual =
      rollout_config + "[steer.\"api2.shop.example\"]\npools = { v2 = 1, v1 = 0 }\nttl = \"30s\"\n";
  world.reload(dual);
  const auto start = [&](const char* name, const char* to) {
    return refusal(world.start(fmt::format(R"({{"name": "{}", "to": "{}"}})", name, to)));
  };
  SUBCASE("IPv4 of the target, where the old pool's is well") {
    world.take_down({"192.0.2.10", "192.0.2.11"});
    CHECK(start("api2.shop.example", "v1") == "v1 (IPv4) is not alive");
  }
  SUBCASE("IPv6 of the target, which the old pool has not") {
    world.take_down({"2001:db8::10"});
    CHECK(start("api2.shop.example", "v1") == "");
  }
  SUBCASE("all of it") {
    world.take_down({"192.0.2.20"});
    CHECK(start("new.shop.example", "v2") == "v2 is not alive");
  }
}

TEST_CASE("reasons are kept: of who starts a rollout, and of who gives it a word") {
  RolloutWorld world;
  const auto begun = world.start(R"({"name": "new.shop.example", "to": "v2", "steps": "10,100",
                                     "ttl": "5s", "reason": "the new checkout"})");
  REQUIRE(begun.has_value());
  CHECK(begun->events.front().text.ends_with(" (the new checkout)"));
  CHECK(world.model->rollouts().at(world.steer().name).why == "the new checkout");
  world.pass(40s);
  const auto promoted =
      world.say(rollout::Word::promote, R"({"name": "new.shop.example", "reason": "looks good"})");
  REQUIRE(promoted.has_value());
  CHECK(promoted->events.front().text.ends_with(" (looks good)"));
  const auto aborted =
      world.say(rollout::Word::abort, R"({"name": "new.shop.example", "reason": "it does not"})");
  REQUIRE(aborted.has_value());
  CHECK(aborted->events.front().text.ends_with(": it does not"));
  CHECK(world.model->rollouts().at(world.steer().name).state.sent_back_by == "root");
}

TEST_CASE("a plan knows of gates and freezes") {
  RolloutWorld world;
  world.reload(rollout_config + "[safety]\nfreeze = [\"2027-01-15T08:01Z - 2027-01-15T09:00Z\"]\n");
  const auto begun = world.start(
      R"({"name": "new.shop.example", "to": "v2", "steps": "10,100", "hold": "60s", "ttl": "5s", "gates": true})");
  REQUIRE(begun.has_value());
  const auto& plan = begun->reply.at("plan");
  CHECK(plan.at(1).at("at") == "2027-01-15T08:00:31.000Z");
  CHECK(plan.at(1).at("what") == "v2 has 10 %; then a gate");
  CHECK(plan.at(2).at("at") == "2027-01-15T09:00:00.000Z");
  CHECK(plan.at(2).at("what") == "v2 has 100 %");
}

TEST_CASE("weights are the rollout's while it runs, and anybody's after that") {
  RolloutWorld world;
  const auto set = [&] {
    return set_weights(
        *world.model, request(CommandId::weight_set, R"({"name": "new.shop.example", "weights": {"v2": 3}})"),
        world.now);
  };
  REQUIRE(world.start(canary).has_value());
  REQUIRE_FALSE(set().has_value());
  CHECK(set().error().message ==
        "rollout 1 of new.shop.example. to v2 is arming: abort it, or wait for its end");
  REQUIRE_FALSE(world.start(canary).has_value());
  world.pass(300s);
  const auto later = set();
  REQUIRE(later.has_value());
  world.carry_out(*later);
  const auto undo = world.say(rollout::Word::undo);
  REQUIRE_FALSE(undo.has_value());
  CHECK(undo.error().message == "the weights of new.shop.example. have been changed since its rollout");
}

TEST_CASE("what cannot be started is refused") {
  struct Row {
    const char* what;
    const char* arguments;
    const char* error;
  };
  const Row rows[] = {
      {"no pool", R"({"name": "new.shop.example"})", "which pool? expected --to with one of: v1, v2"},
      {"another pool", R"({"name": "new.shop.example", "to": "v3"})",
       "new.shop.example. has no pool 'v3'; did you mean 'v1'?"},
      {"another name", R"({"name": "old.shop.example", "to": "v2"})",
       "no steered name is 'old.shop.example.'; did you mean 'www.shop.example.'?"},
      {"all of it", R"({"name": "new.shop.example", "to": "v1"})", "v1 has all of new.shop.example. already"},
      {"steps", R"({"name": "new.shop.example", "to": "v2", "steps": "5,1"})",
       "'5,1' are no steps; expected percentages that grow, such as 1,5,25,50,100"},
      {"a long TTL", R"({"name": "new.shop.example", "to": "v2", "ttl": "31s"})",
       "the TTL of a rollout is at least ttl_min, 1s, and at most the usual one, 30s"},
      {"a short TTL", R"({"name": "new.shop.example", "to": "v2", "ttl": "500ms"})",
       "the TTL of a rollout is at least ttl_min, 1s, and at most the usual one, 30s"},
  };
  RolloutWorld world;
  for (const auto& row : rows) {
    CAPTURE(row.what);
    const auto refused = world.start(row.arguments);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message == row.error);
  }
  world.probe(false);
  const auto dead = world.start(canary);
  REQUIRE_FALSE(dead.has_value());
  CHECK(dead.error().message == "v2 is not alive");
  CHECK(world.model->running_rollouts().empty());
}

TEST_CASE("the status of rollouts") {
  RolloutWorld world;
  REQUIRE(world.start(canary).has_value());
  world.pass(38s);
  const auto status =
      rollouts_status(*world.model, request(CommandId::rollout_status, "{}"), world.measurements, world.now);
  REQUIRE(status.has_value());
  const auto& rollout = status->at("rollouts").at(0).as_object();
  CHECK(rollout.at("name") == "new.shop.example.");
  CHECK(rollout.at("phase") == "settling");
  CHECK(rollout.at("share") == 0.1);
  CHECK(rollout.at("running") == true);
  const auto none =
      rollouts_status(*world.model, request(CommandId::rollout_status, R"({"name": "www.shop.example"})"),
                      world.measurements, world.now);
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().message == "www.shop.example. has had no rollout");
}

struct GuardedWorld : RolloutWorld {
  explicit GuardedWorld(const std::string& rules) {
    model.emplace(parsed(rollout_config + rules));
    probe(true);
  }
};

// 2027-01-15, a Friday, 08:00 is at(0).
const char* const freeze = "freeze = [\"Fri 08:01 - Fri 09:00\"]\n";
constexpr auto override_freeze =
    R"({"name": "new.shop.example", "override-freeze": true, "reason": "it burns"})";

TEST_CASE("a step does not begin in a freeze, and begins after it") {
  GuardedWorld world(freeze);
  REQUIRE(world.start(canary).has_value());
  world.pass(50s);
  CHECK(world.state() == "holding 10 5s");
  world.pass(600s);
  CHECK(world.state() == "holding 10 5s");
  CHECK(world.events.back() == "rollout.wait");
  CHECK(std::count(world.events.begin(), world.events.end(), "rollout.wait") == 1);
  CHECK(refusal(world.say(rollout::Word::promote))
            .starts_with("changes are frozen until 2027-01-15T09:00:00.000Z"));
  world.pass(3600s - 650s + 1s);
  CHECK(world.state() == "moving 100 5s");
}

TEST_CASE("an operator's word goes before a freeze, and for the rollout's steps in it, too") {
  GuardedWorld world(freeze);
  world.now = at(120);
  CHECK(refusal(world.start(canary)).starts_with("changes are frozen until 2027-01-15T09:00:00.000Z"));
  auto begun = world.start(
      R"({"name": "new.shop.example", "to": "v2", "steps": "10,100", "hold": "60s", "ttl": "5s",
          "override-freeze": true, "reason": "it burns"})");
  REQUIRE(begun.has_value());
  CHECK(begun->events.front().text.ends_with(
      "; overrides the freeze until 2027-01-15T09:00:00.000Z (it burns)"));
  world.pass(300s);
  CHECK(world.state() == "done 100 30s");
}

TEST_CASE("a promote that overrides a freeze lets the rest go on") {
  GuardedWorld world(freeze);
  REQUIRE(world.start(canary).has_value());
  world.pass(600s);
  CHECK(world.state() == "holding 10 5s");
  REQUIRE(world.say(rollout::Word::promote, override_freeze).has_value());
  CHECK(world.state() == "moving 100 5s");
  world.pass(100s);
  CHECK(world.state() == "done 100 30s");
}

TEST_CASE("a way back is open in a freeze") {
  GuardedWorld world(freeze);
  REQUIRE(world.start(canary).has_value());
  world.pass(600s);
  REQUIRE(world.say(rollout::Word::abort).has_value());
  CHECK(world.state() == "returning 0 5s");
}

TEST_CASE("steps that are too great are refused before the first") {
  GuardedWorld world("step_max = \"50%\"\n");
  CHECK(refusal(world.start(canary)) ==
        "step 2 of 2: pool v2 would grow by 90 % at once, from 10 % to 100 %; step_max is 50 %");
  REQUIRE(world.start(R"({"name": "new.shop.example", "to": "v2", "steps": "10,50,100", "hold": "60s"})")
              .has_value());
  world.pass(31s);
  CHECK(refusal(world.say(rollout::Word::promote, R"({"name": "new.shop.example", "full": true})")) ==
        "pool v2 would grow by 90 % at once, from 10 % to 100 %; step_max is 50 %");
  CHECK(world.say(rollout::Word::promote).has_value());
}

TEST_CASE("a step asks for the capacity of the pool that grows, and not of the others") {
  GuardedWorld world("capacity_min = \"100%\"\n");
  REQUIRE(world.start(canary).has_value());
  world.pass(45s);
  CHECK(world.state() == "holding 10 5s");
  for (const auto* endpoint : {"192.0.2.10", "192.0.2.11", "2001:db8::10"})
    world.model->apply(store::EndpointWord{address(endpoint), store::Word::down, "root", "", world.now, {}});
  world.pass(57s);
  CHECK(world.state() == "moving 100 5s");
}

TEST_CASE("a version grows by what moves, and not by phases that do not") {
  RolloutWorld world;
  const auto version = [&] { return world.model->steerings().at(world.steer().name).version->version; };
  REQUIRE(world.start(canary).has_value());
  CHECK(version() == 1);
  world.pass(31s);
  CHECK(version() == 2);  // the first step
  world.pass(30s);
  CHECK(world.state() == "holding 10 5s");
  CHECK(version() == 2);
  REQUIRE(world.say(rollout::Word::pause).has_value());
  CHECK(version() == 3);
  const auto late = world.say(rollout::Word::abort, R"({"name": "new.shop.example", "if-version": 2})");
  CHECK(refusal(late) ==
        "new.shop.example. is at version 3, and not at 2; changed by root at "
        "2027-01-15T08:01:01.000Z: v2 stays at 10 %");
  REQUIRE(world.say(rollout::Word::resume).has_value());
  world.pass(300s);
  CHECK(world.state() == "done 100 30s");
  CHECK(version() == 6);  // resumed, the second step, done
  const auto before = version();
  world.restart();
  CHECK(version() == before);
}

namespace {

// Of each name.
LeasesOfName leased(Time answered_last, rollout::LeaseEnd until_now) {
  LeasesOfName leases;
  leases.answered_last = [=](const wire::Name&) { return answered_last; };
  leases.until_now = [=](const wire::Name&) { return until_now; };
  return leases;
}

}  // namespace

TEST_CASE("the plan of a canary tells when its steps can be, and what each pool has for its share then") {
  RolloutWorld world;
  world.model->apply(store::EndpointWord{
      wire::parse_destination("192.0.2.11").value(), store::Word::down, "root", "", world.now, {}});
  const auto start = [&](const LeasesOfName& leases) {
    const auto begun = start_rollout(*world.model, request(CommandId::canary_start, canary),
                                     rollout::Strategy::canary, world.now, leases);
    REQUIRE(begun.has_value());
    return begun->reply.at("plan");
  };
  CHECK(start({}) == boost::json::parse(R"([
    {"at": "2027-01-15T08:00:00.000Z", "what": "the TTL is 5s"},
    {"at": "2027-01-15T08:00:31.000Z", "what": "v2 has 10 %", "pools": [
      {"pool": "v1", "share": 0.9, "endpoints": 3, "healthy": 2, "weight": 3E0, "healthy_weight": 2E0},
      {"pool": "v2", "share": 0.1, "endpoints": 1, "healthy": 1, "weight": 1E0, "healthy_weight": 1E0}]},
    {"at": "2027-01-15T08:01:42.000Z", "what": "v2 has 100 %", "pools": [
      {"pool": "v1", "share": 0E0, "endpoints": 3, "healthy": 2, "weight": 3E0, "healthy_weight": 2E0},
      {"pool": "v2", "share": 1E0, "endpoints": 1, "healthy": 1, "weight": 1E0, "healthy_weight": 1E0}]},
    {"at": "2027-01-15T08:02:53.000Z", "what": "done; the TTL is 30s again"}])"));

  const auto unasked = start(leased(world.now - 100s, {world.now - 69s, 30s}));
  CHECK(unasked.at(1).at("at") == "2027-01-15T08:00:00.000Z");
  CHECK(unasked.at(2).at("at") == "2027-01-15T08:01:00.000Z");
  CHECK(unasked.at(3).at("at") == "2027-01-15T08:02:00.000Z");
}

TEST_CASE("a rollout is not armed before caches let go of a TTL that was longer before") {
  RolloutWorld world;
  const auto begun =
      start_rollout(*world.model, request(CommandId::canary_start, canary), rollout::Strategy::canary,
                    world.now, leased(world.now, {world.now + 200s, 300s}));
  REQUIRE(begun.has_value());
  CHECK(begun->reply.at("plan").at(1).at("at") == "2027-01-15T08:03:20.000Z");
  world.carry_out(*begun);
  world.pass(199s);
  CHECK(world.state() == "arming 0 5s");
  world.pass(1s);
  CHECK(world.state() == "moving 10 5s");
}

TEST_CASE("a canary by the name's preset") {
  RolloutWorld world;
  world.model.emplace(parsed(rollout_config +
                             "rollout = \"even\"\n[rollout.even]\nlinear = \"25%\"\nhold = \"1m\"\n"
                             "ttl = \"5s\"\n"));
  world.probe(true);
  const auto begun = world.start(R"({"name": "new.shop.example", "to": "v2"})");
  REQUIRE(begun.has_value());
  CHECK(begun->events.front().text ==
        "canary of new.shop.example. to v2 in steps of 25, 50, 75, 100 %, TTL 5s; the first step at "
        "2027-01-15T08:00:31.000Z; preset even");
}

}  // namespace
}  // namespace sluice::control
