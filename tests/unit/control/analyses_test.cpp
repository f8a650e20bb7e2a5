// Analyses over the model: when they are due, what is asked, and what their results do to weights.
#include "control/analyses.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "control/rollout_status.hpp"
#include "control/rollouts.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;
using rollout::Finding;
using rollout::Verdict;

const std::string analysis_config = config_text + R"(
[analysis.errors]
type = "prometheus"
url = "http://127.0.0.1:9090"
query = "x"
max = 0.05
interval = "20s"
[analysis.probes]
type = "probes"
interval = "20s"
latency_max = 2
samples_min = 4
[steer."new.shop.example"]
pools = { v1 = 1, v2 = 0 }
ttl = "5s"
[steer."old.shop.example"]
pools = { plain = 1, v2 = 0 }
)";

const Finding success{Verdict::success, 0.01, 0.05, "0.01 is at most 0.05"};
const Finding failure{Verdict::failure, 0.2, 0.05, "0.2 is more than the max of 0.05"};

struct AnalysisWorld {
  explicit AnalysisWorld(const std::string& more = "") : model(parsed(analysis_config + more)) {
    for (const char* pool : {"v1", "v2"}) probe(pool, true, 10ms);
  }
  // All endpoints of a pool, once.
  void probe(const std::string& pool, bool is_well, Duration took) {
    const auto& found = *model.config().find_pool(pool);
    for (const auto& endpoint : found.endpoints) {
      const auto key = health_key(probe::target_of(endpoint, *model.config().find_check(*found.check)));
      const health::ProbeResult result{is_well, "given", took};
      model.apply_probe(key, result, now);
      analyses.take_probe(model.health().at(key).pools, result);
    }
  }
  void carry_out(const Decision& decision) {
    take(model, decision);
    for (const auto& event : decision.events) events.push_back(event.kind);
    analyses.watch(model);
  }
  Result<Decision> start(std::string_view watched, std::string_view name = "new.shop.example",
                         std::string_view to = "v2") {
    const auto text = fmt::format(
        R"({{"name": "{}", "to": "{}", "steps": "10,100", "hold": "60s", "ttl": "5s", "analysis": "{}"}})",
        name, to, watched);
    auto decision =
        start_rollout(model, request(CommandId::canary_start, text), rollout::Strategy::canary, now);
    if (decision) carry_out(*decision);
    carry_out(due_rollouts(model, measurements, now));  // the first step: the TTL is low already
    return decision;
  }
  void pass(Duration time) {
    pass_time(model, measurements, now, time, [&](const Decision& decision) { carry_out(decision); });
  }
  void give(const DueAnalysis& due, const Finding& finding) {
    analyses.end(due);
    given = take_finding(model, due, finding, measurements, now);
    carry_out(given);
  }
  const rollout::Rollout& rollout() const { return model.rollouts().at(name("new.shop.example")); }
  std::string phase() const { return to_text(rollout().state.phase); }

  Time now = at(0);
  Model model;
  Measurements measurements{[](const wire::Name&, const std::string&) { return std::uint64_t{0}; }};
  Analyses analyses;
  Decision given;  // by the last result
  std::vector<std::string> events;
};

TEST_CASE(
    "an analysis is due an interval after the hold began, once, and again an interval after its result") {
  AnalysisWorld world;
  REQUIRE(world.start("errors").has_value());
  CHECK_FALSE(world.analyses.next(world.model).has_value());
  world.pass(11s);
  REQUIRE(world.phase() == "holding");
  CHECK(world.analyses.next(world.model) == at(31));
  CHECK(world.analyses.begin_due(world.model, world.now).empty());
  world.pass(20s);
  const auto due = world.analyses.begin_due(world.model, world.now);
  REQUIRE(due.size() == 1);
  CHECK(due[0].questions[0].analysis.name == "errors");
  CHECK(due[0].questions[0].name == "new.shop.example");
  CHECK(due[0].questions[0].pool == "v2");
  CHECK(due[0].questions[0].old == std::vector<std::string>{"v1"});
  CHECK(due[0].questions[0].share == 0.1);
  CHECK(world.analyses.begin_due(world.model, world.now).empty());
  CHECK_FALSE(world.analyses.next(world.model).has_value());
  world.pass(5s);
  world.give(due[0], success);
  CHECK_FALSE(world.given.in_answers);
  CHECK(world.analyses.next(world.model) == at(56));
  world.pass(35s);
  CHECK(world.phase() == "moving");
}

TEST_CASE("each of several targets is asked about, and the gravest finding counts") {
  AnalysisWorld world{R"([steer."three.shop.example"]
pools = { v1 = 1, v2 = 0, plain = 0 }
ttl = "5s"
)"};
  REQUIRE(world.start("errors", "three.shop.example", "v2=3,plain=1").has_value());
  world.pass(31s);
  const auto due = world.analyses.begin_due(world.model, world.now);
  REQUIRE(due.size() == 1);
  REQUIRE(due[0].questions.size() == 2);
  CHECK(due[0].questions[0].pool == "v2");
  CHECK(due[0].questions[0].share == doctest::Approx(0.075));
  CHECK(due[0].questions[1].pool == "plain");
  CHECK(due[0].questions[1].share == doctest::Approx(0.025));
  for (const auto& question : due[0].questions) CHECK(question.old == std::vector<std::string>{"v1"});
  const auto bad = gravest(due[0].questions, {success, failure});
  CHECK(bad.verdict == Verdict::failure);
  CHECK(bad.value == 0.2);
  CHECK(bad.text == "plain: 0.2 is more than the max of 0.05");
  CHECK(gravest(due[0].questions, {success, success}).text ==
        "v2: 0.01 is at most 0.05; plain: 0.01 is at most 0.05");
}

TEST_CASE("a result that could not be stored is not asked for again at once") {
  AnalysisWorld world;
  REQUIRE(world.start("errors").has_value());
  world.pass(31s);
  const auto due = world.analyses.begin_due(world.model, world.now);
  REQUIRE(due.size() == 1);
  world.analyses.end(due[0]);
  CHECK(world.analyses.next(world.model) == at(51));
}

TEST_CASE("a failure gives the share back, and says why") {
  AnalysisWorld world;
  REQUIRE(world.start("errors").has_value());
  world.pass(31s);
  const auto due = world.analyses.begin_due(world.model, world.now);
  REQUIRE(due.size() == 1);
  world.give(due[0], failure);
  CHECK(world.given.in_answers);
  CHECK(world.phase() == "returning");
  CHECK(world.rollout().state.reason == "analysis errors has failed: 0.2 is more than the max of 0.05");
  CHECK(world.model.weights(*world.model.config().find_steer(name("new.shop.example"))) ==
        std::vector<double>{1, 0});
  CHECK(world.events.back() == "rollout.abort");
  const auto status =
      rollouts_status(world.model, request(CommandId::rollout_status, "{}"), world.measurements, world.now);
  REQUIRE(status.has_value());
  const auto& shown = status->at("rollouts").at(0).at("analyses").at(0).as_object();
  CHECK(shown.at("failures") == 1);
  CHECK(shown.at("value") == 0.2);
  CHECK(shown.at("threshold") == 0.05);
}

TEST_CASE("a result of a step that is over counts for nothing") {
  AnalysisWorld world;
  REQUIRE(world.start("errors").has_value());
  world.pass(31s);
  const auto due = world.analyses.begin_due(world.model, world.now);
  REQUIRE(due.size() == 1);
  const auto promoted =
      say_to_rollout(world.model, request(CommandId::rollout_promote, R"({"name": "new.shop.example"})"),
                     rollout::Word::promote, world.measurements, world.now);
  REQUIRE(promoted.has_value());
  world.carry_out(*promoted);
  world.pass(12s);
  REQUIRE(world.phase() == "holding");
  world.give(due[0], failure);
  CHECK(world.phase() == "holding");
}

TEST_CASE("an analysis that the config has no more is an error") {
  AnalysisWorld world;
  REQUIRE(world.start("errors").has_value());
  world.pass(31s);
  auto text = analysis_config;
  text.replace(text.find("analysis.errors"), 15, "analysis.others");
  world.model.replace_config(parsed(text), world.now);
  const auto due = world.analyses.begin_due(world.model, world.now);
  REQUIRE(due.size() == 1);
  REQUIRE(due[0].finding.has_value());
  CHECK(due[0].finding->verdict == Verdict::error);
}

TEST_CASE("probes of the new pool are held against those of the old one, since the hold began") {
  AnalysisWorld world;
  for (int i = 0; i < 20; ++i) world.probe("v2", false, 10ms);
  for (int i = 0; i < 20; ++i) world.probe("v2", true, 10ms);
  REQUIRE(world.start("probes").has_value());
  world.pass(11s);
  REQUIRE(world.phase() == "holding");
  Verdict wanted{};
  SUBCASE("none") { wanted = Verdict::inconclusive; }
  SUBCASE("as good") {
    for (int i = 0; i < 5; ++i) world.probe("v1", true, 10ms), world.probe("v2", true, 12ms);
    wanted = Verdict::success;
  }
  SUBCASE("failures") {
    for (int i = 0; i < 5; ++i) world.probe("v1", true, 10ms), world.probe("v2", i != 2, 10ms);
    world.probe("v2", true, 10ms);
    wanted = Verdict::failure;
  }
  SUBCASE("both in less than is timed") {
    for (int i = 0; i < 5; ++i) world.probe("v1", true, 0ms), world.probe("v2", true, i == 2 ? 1ms : 0ms);
    wanted = Verdict::success;
  }
  SUBCASE("slow") {
    for (int i = 0; i < 5; ++i) world.probe("v1", true, 10ms), world.probe("v2", true, 30ms);
    wanted = Verdict::failure;
  }
  world.now += 20s;
  const auto due = world.analyses.begin_due(world.model, world.now);
  REQUIRE(due.size() == 1);
  REQUIRE(due[0].finding.has_value());
  CHECK(due[0].finding->verdict == wanted);
}

TEST_CASE("analyses that cannot be are refused") {
  AnalysisWorld world;
  CHECK(world.start("error").error().message == "there is no analysis 'error'; did you mean 'errors'?");
  CHECK(world.start("errors,").error().message.starts_with("'errors,' names no analyses"));
  CHECK(world.start("errors, errors").error().message == "analysis 'errors' is given twice");
  CHECK(world.start("probes", "old.shop.example").error().message ==
        "analysis probes compares probes, and pool plain has no check");
  CHECK(world.start("errors, probes").has_value());
  CHECK(world.rollout().plan.analyses.size() == 2);
}

}  // namespace
}  // namespace sluice::control
