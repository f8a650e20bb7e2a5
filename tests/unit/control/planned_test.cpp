// The TTL of names whose answers are known to change: how it falls, and when it has to be published again.
#include "control/planned.hpp"

#include <doctest/doctest.h>

#include "control/rollouts.hpp"
#include "control/words.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

const config::Steer& steered(const Model& model, std::string_view text) {
  return *model.config().find_steer(name(text));
}

// www has a TTL of 30 s, and 192.0.2.10 is one of its endpoints.
Model with_planned_drain(int seconds) {
  Model model(parsed(config_text));
  model.apply(store::ScheduledWord{address("192.0.2.10"), at(seconds), store::Word::drain, "root", "", at(0),
                                   std::nullopt});
  return model;
}

TEST_CASE("towards a scheduled word the TTL falls by powers of two, to ttl_min") {
  const auto model = with_planned_drain(100);
  const auto& www = steered(model, "www.shop.example");
  const std::pair<int, Duration> rows[] = {{0, 30s}, {70, 30s},  {71, 16s}, {84, 16s}, {85, 8s},
                                           {92, 8s}, {93, 4s},   {96, 4s},  {97, 2s},  {98, 2s},
                                           {99, 1s}, {100, 30s}, {200, 30s}};
  for (const auto& [second, ttl] : rows) {
    CAPTURE(second);
    CHECK(ttl_at(model, www, at(second)) == ttl);
  }
  CHECK(ttl_at(model, www, at(99) + 999ms) == 1s);
  CHECK(ttl_at(model, steered(model, "api.shop.example"), at(99)) == 60s);
  CHECK(planned_change(model, www, at(0))->what == "drain of 192.0.2.10");
  CHECK(names_with_other_ttl(model) == std::set{www.name});
}

TEST_CASE("towards the end of a word that holds for a time the TTL falls, too") {
  Model model(parsed(config_text));
  const auto& www = steered(model, "www.shop.example");
  model.apply(store::EndpointWord{address("192.0.2.10"), store::Word::drain, "root", "", at(0), {}});
  CHECK_FALSE(planned_change(model, www, at(0)).has_value());
  CHECK(names_with_other_ttl(model).empty());
  model.apply(store::EndpointWord{address("192.0.2.10"), store::Word::drain, "root", "", at(0), at(100)});
  CHECK(planned_change(model, www, at(0))->what == "the end of drain of 192.0.2.10");
  CHECK(names_with_other_ttl(model) == std::set{www.name});
  CHECK(ttl_at(model, www, at(60)) == 30s);
  CHECK(ttl_at(model, www, at(90)) == 8s);
  CHECK(next_ttl(model, www, at(90)) == at(92) + 1ms);
  CHECK(ttl_at(model, www, at(101)) == 30s);
  // What comes first counts.
  model.apply(store::ScheduledWord{address("192.0.2.11"), at(50), store::Word::drain, "root", "", at(0), {}});
  CHECK(planned_change(model, www, at(0))->what == "drain of 192.0.2.11");
}

TEST_CASE("at each time until the change the TTL that was published last is what is left, or less") {
  const auto model = with_planned_drain(100);
  const auto& www = steered(model, "www.shop.example");
  Time now = at(0);
  Duration published = ttl_at(model, www, now);
  int publications = 0;
  while (const auto due = next_ttl(model, www, now)) {
    REQUIRE(*due > now);
    // Only ttl_min is longer than what is left.
    CHECK((published <= at(100) - *due + 1ms || published == www.ttl_min));
    now = *due;
    published = ttl_at(model, www, now);
    ++publications;
  }
  CHECK(now == at(100) + 1ms);
  CHECK(published == 30s);
  CHECK(publications <= 7);
}

TEST_CASE("towards the first step of a rollout the TTL falls, too; not while it waits for somebody") {
  Model model(parsed(config_text));
  model.apply(store::EndpointWord{address("192.0.2.20"), store::Word::up, "root", "", at(0), {}});
  const auto begun = start_rollout(
      model,
      request(CommandId::canary_start, R"({"name": "www.shop.example", "to": "v2", "steps": "10,100"})"),
      rollout::Strategy::canary, at(0));
  REQUIRE(begun.has_value());
  take(model, *begun);
  const auto& www = steered(model, "www.shop.example");
  CHECK(ttl_at(model, www, at(0)) == 10s);
  CHECK(planned_change(model, www, at(0))->what == "the next step of rollout 1");
  CHECK(ttl_at(model, www, at(25)) == 4s);
  CHECK(ttl_at(model, www, at(31)) == 10s);  // it is late
  auto rollout = model.rollouts().at(www.name);
  rollout.state.phase = rollout::Phase::holding;
  rollout.plan.hold = 60s;
  CHECK(rollout::next_step_at(rollout) == at(60));
  rollout.state.paused = at(5);
  CHECK_FALSE(rollout::next_step_at(rollout).has_value());
  rollout.state.paused.reset();
  rollout.plan.gates = true;
  CHECK_FALSE(rollout::next_step_at(rollout).has_value());
  rollout.plan.gates = false;
  rollout.state.step = 1;  // the last
  CHECK_FALSE(rollout::next_step_at(rollout).has_value());
}

}  // namespace
}  // namespace sluice::control
