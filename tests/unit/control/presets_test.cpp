// What a start takes from a preset, and versions of names.
#include "control/presets.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "control/versions.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

const std::string preset_config = config_text + R"(
[analysis.errors]
type = "probes"
[rollout.careful]
steps = [0.5, 5, 100]
hold = "90s"
gates = true
ttl = "20s"
grace = "1m"
analysis = ["errors"]
[rollout.even]
linear = "25%"
[steer."usual.shop.example"]
pools = { v1 = 1, v2 = 0 }
ttl = "5s"
rollout = "even"
)";

struct Merged {
  const char* name;
  CommandId id;
  const char* arguments;
  const char* whole;
};

const Merged merges[] = {
    {"nothing is said", CommandId::canary_start, R"({"name": "www.shop.example"})",
     R"({"name": "www.shop.example"})"},
    {"all of a preset", CommandId::canary_start, R"({"preset": "careful"})",
     R"({"preset": "careful", "steps": "0.5,5,100", "hold": "90000ms", "gates": true, "ttl": "20000ms",
         "grace": "60000ms", "analysis": "errors"})"},
    {"what is said wins", CommandId::canary_start,
     R"({"preset": "careful", "steps": "100", "hold": "1s", "ttl": "7s", "grace": "0s", "analysis": "x"})",
     R"({"preset": "careful", "steps": "100", "hold": "1s", "gates": true, "ttl": "7s", "grace": "0s",
         "analysis": "x"})"},
    {"another word for the same wins, too", CommandId::canary_start,
     R"({"preset": "careful", "exponential": 2, "every": "1s", "gates": false, "ttl": "7s", "grace": "0s",
         "analysis": "x"})",
     R"({"preset": "careful", "exponential": 2, "every": "1s", "gates": false, "ttl": "7s", "grace": "0s",
         "analysis": "x"})"},
    {"a switch takes what it knows", CommandId::bluegreen_switch, R"({"preset": "careful"})",
     R"({"preset": "careful", "ttl": "20000ms", "grace": "60000ms", "analysis": "errors"})"},
};

TEST_CASE("a preset says what the request does not") {
  const auto config = parsed(preset_config);
  const auto& steer = *config.find_steer(name("www.shop.example"));
  for (const auto& [name, id, arguments, whole] : merges) {
    CAPTURE(name);
    const auto merged = with_preset(config, steer, request(id, arguments));
    REQUIRE(merged.has_value());
    CHECK(boost::json::value(merged->arguments) == boost::json::parse(whole));
  }
}

TEST_CASE("a name has a preset of its own, and its TTL is the most") {
  const auto config = parsed(preset_config);
  const auto& steer = *config.find_steer(name("usual.shop.example"));
  const auto usual = with_preset(config, steer, request(CommandId::canary_start, "{}"));
  REQUIRE(usual.has_value());
  CHECK(boost::json::value(usual->arguments) == boost::json::parse(R"({"preset": "even", "linear": "25%"})"));
  const auto other = with_preset(config, steer, request(CommandId::canary_start, R"({"preset": "careful"})"));
  REQUIRE(other.has_value());
  CHECK(other->arguments.at("ttl") == "5000ms");
  const auto none = with_preset(config, steer, request(CommandId::canary_start, R"({"preset": "carefull"})"));
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().message == "there is no preset 'carefull'; did you mean 'careful'?");
}

Result<Decision> set_if(const Model& model, int version, int v2, const char* who) {
  auto asked =
      request(CommandId::weight_set,
              fmt::format(R"({{"name": "www.shop.example", "weights": {{"v2": {}}}, "if-version": {}}})", v2,
                          version));
  asked.who = who;
  return set_weights(model, asked, at(version));
}

TEST_CASE("of two operators who saw the same version, the second is told of the first") {
  Model model(parsed(preset_config));
  const auto www = name("www.shop.example");
  CHECK(version_of(model, www) == 0);
  const auto early = set_if(model, 1, 7, "ann");
  REQUIRE_FALSE(early.has_value());
  CHECK(early.error().message ==
        "www.shop.example. is at version 0, and not at 1; it has never been changed");
  const auto first = set_if(model, 0, 10, "ann");
  REQUIRE(first.has_value());
  CHECK(first->reply.at("version") == 1);
  take(model, *first);
  const auto second = set_if(model, 0, 20, "bob");
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().code == ErrorCode::refused);
  CHECK(second.error().message ==
        "www.shop.example. is at version 1, and not at 0; changed by ann at 2027-01-15T08:00:00.000Z: v2 5 "
        "-> 10");
  take(model, *set_if(model, 1, 20, "bob"));
  CHECK(version_of(model, www) == 2);
  take(model,
       *reset_weights(model, request(CommandId::weight_reset, R"({"name": "www.shop.example"})"), at(9)));
  CHECK(version_of(model, www) == 3);
  CHECK(version_of(model, name("api.shop.example")) == 0);
}

TEST_CASE("another config's weights are a new version of what was laid out before") {
  Model model(parsed(config_text));
  take(model, settle_layouts(model, at(0)));
  CHECK(version_of(model, name("www.shop.example")) == 0);
  auto changed = config_text;
  changed.replace(changed.find("v1 = 95, v2 = 5"), 15, "v1 = 90, v2 = 5");
  model.replace_config(parsed(changed), at(5));
  take(model, settle_layouts(model, at(5)));
  take(model, settle_layouts(model, at(6)));
  CHECK(version_of(model, name("www.shop.example")) == 1);
  CHECK(version_of(model, name("api.shop.example")) == 0);
}

}  // namespace
}  // namespace sluice::control
