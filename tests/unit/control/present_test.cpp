// What the pools of a name get when some of them fail, and the words that status has for it.
#include "control/present.hpp"

#include <algorithm>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "control/words.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

// Pools a (two endpoints), b, c; `rules` stands in the pool a, `keys` in the steer.
config::Config three_pools(std::string_view rules, std::string_view keys) {
  return parsed(config_head + fmt::format(R"(
[pool.a]
check = "web"
endpoints = ["192.0.2.1", "192.0.2.2"]
{}
[pool.b]
check = "web"
endpoints = ["192.0.2.3"]
[pool.c]
check = "web"
endpoints = ["192.0.2.4"]
[steer."www.shop.example"]
{}
)",
                                          rules, keys));
}

void say(Model& model, std::string_view endpoint, store::Word word) {
  const auto asked = request(CommandId::endpoint_drain, fmt::format(R"({{"address": "{}"}})", endpoint));
  take(model, say_word(model, asked, word, at(0)).value());
}

// Endpoints by number, one state each: u(p), d(own) or x (taken out).
Model model_with(config::Config config, std::string_view states) {
  Model model(std::move(config));
  for (std::size_t i = 0; i < states.size(); ++i) {
    const auto endpoint = fmt::format("192.0.2.{}", i + 1);
    if (states[i] == 'x') say(model, endpoint, store::Word::down);
    if (states[i] == 'u') say(model, endpoint, store::Word::up);
  }
  return model;
}

TEST_CASE("shares when pools fail, and the rules that made them") {
  const char* const stable_and_canary = "pools = { a = 15, b = 1 }";
  struct Row {
    const char* what;
    const char* rules;
    const char* keys;
    const char* states;  // of a, a, b, c
    std::vector<double> shares;
    const char* rule;
  };
  const Row rows[] = {
      {"all up", "", stable_and_canary, "uuuu", {0.9375, 0.0625}, "weights"},
      {"half of a pool", "", stable_and_canary, "uduu", {0.9375, 0.0625}, "weights"},
      {"a dead canary", "", stable_and_canary, "uudu", {1, 0}, "dead pools' shares moved"},
      {"a dead stable pool",
       "",
       stable_and_canary,
       "dduu",
       {0.375, 0.625},
       "dead pools' shares moved; the others may take no more: dead pools answer as if healthy"},
      {"no limit", "", "pools = { a = 15, b = 1 }\noverflow = 0", "dduu", {0, 1}, "dead pools' shares moved"},
      {"nothing over",
       "",
       "pools = { a = 15, b = 1 }\noverflow = 1",
       "dduu",
       {0.9375, 0.0625},
       "the others may take no more: dead pools answer as if healthy"},
      {"standby",
       "",
       "pools = { a = 15, b = 1 }\nstandby = [\"c\"]",
       "dduu",
       {0, 0.625, 0.375},
       "dead pools' shares moved; standby pools help out"},
      {"standby alone",
       "",
       "pools = { a = 1 }\nstandby = [\"c\", \"b\"]",
       "dddu",
       {0, 1, 0},
       "dead pools' shares moved; standby pools help out"},
      {"standby up to its max_share",
       "max_share = \"25%\"",
       "pools = { b = 1 }\nstandby = [\"a\"]",
       "uudu",
       {0.75, 0.25},
       "dead pools' shares moved; standby pools help out; the others may take no more: dead pools answer as "
       "if "
       "healthy"},
      {"below min_healthy",
       "min_healthy = \"60%\"",
       "pools = { a = 1, b = 1 }",
       "uduu",
       {0, 1},
       "pools below min_healthy: shares moved"},
      {"at min_healthy", "min_healthy = \"50%\"", "pools = { a = 1, b = 1 }", "uduu", {0.5, 0.5}, "weights"},
      {"two reasons",
       "min_healthy = \"60%\"",
       "pools = { a = 1, b = 1, c = 2 }",
       "uddu",
       {0, 0, 1},
       "dead pools' shares moved; pools below min_healthy: shares moved"},
      {"fails open",
       "min_healthy = \"60%\"\nfail_open = \"all\"",
       "pools = { a = 1, b = 1 }",
       "uduu",
       {0.5, 0.5},
       "pool a fails open: all of its endpoints"},
      {"fails open beside a dead one",
       "fail_open = \"all\"",
       "pools = { a = 1, b = 1, c = 2 }",
       "dddu",
       {0.25, 0, 0.75},
       "dead pools' shares moved; pool a fails open: all of its endpoints"},
      {"all dead",
       "",
       stable_and_canary,
       "dddd",
       {0.9375, 0.0625},
       "all pools dead: answering as if healthy"},
      {"all dead or below",
       "min_healthy = \"60%\"",
       stable_and_canary,
       "uddd",
       {0.9375, 0.0625},
       "all pools dead or below min_healthy: answering as if healthy"},
      {"taken out", "", "pools = { a = 1, b = 1 }", "xxuu", {0, 1}, "taken-out pools' shares moved"},
      {"taken out, and too much for the other",
       "",
       stable_and_canary,
       "xxuu",
       {0, 1},
       "taken-out pools' shares moved; all else is taken out: the others take more than they may"},
      {"taken out beside dead",
       "",
       stable_and_canary,
       "xxdd",
       {0, 1},
       "all pools dead: answering as if healthy"},
      {"all taken out",
       "",
       stable_and_canary,
       "xxxx",
       {0.9375, 0.0625},
       "all endpoints taken out: answering as if they were not"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    const Model model = model_with(three_pools(row.rules, row.keys), row.states);
    const auto now = present(model, model.config().steers[0]);
    CHECK(now.shares == row.shares);
    CHECK(now.rule == row.rule);
    const auto reply = status_of(model);
    CHECK(reply.at("steers").at(0).at("rule") == row.rule);
  }
}

TEST_CASE("status says how much each pool may have, and whether a pool is alive") {
  const Model model = model_with(three_pools("min_healthy = \"60%\"\nmax_share = \"75%\"",
                                             "pools = { b = 1, c = 15 }\nstandby = [\"a\"]"),
                                 "uduu");
  const auto reply = status_of(model);
  const auto& pools = reply.at("steers").at(0).at("pools").as_array();
  CHECK(pools.at(0).at("cap") == 0.625);
  CHECK(pools.at(1).at("cap") == nullptr);
  CHECK(pools.at(2).at("pool") == "a");
  CHECK(pools.at(2).at("cap") == 0.75);
  CHECK(reply.at("pools").at(0).at("pool") == "a");
  CHECK_FALSE(reply.at("pools").at(0).at("alive").as_bool());
  CHECK(reply.at("pools").at(1).at("alive").as_bool());
}

TEST_CASE("status says that what fails open is in answers, and what waits as standby is not") {
  const auto in_answers = [](const Model& model) {
    const auto status = status_of(model);
    std::string text;
    for (const auto& pool : status.at("pools").as_array())
      for (const auto& endpoint : pool.at("endpoints").as_array())
        text += endpoint.at("serving").as_bool() ? 'y' : 'n';
    return text;
  };
  const char* const keys = "pools = { a = 1, b = 1 }\nstandby = [\"c\"]";
  CHECK(in_answers(model_with(three_pools("", keys), "uduu")) == "ynyn");
  CHECK(in_answers(model_with(three_pools("", keys), "dddu")) == "nnny");
  CHECK(in_answers(model_with(three_pools("fail_open = \"all\"", keys), "xddu")) == "nyny");
  CHECK(in_answers(model_with(three_pools("fail_open = \"all\"\nmin_healthy = \"60%\"", keys), "uddd")) ==
        "yyyn");
}

TEST_CASE("weights of standby pools can be set, and the standby pool then shares") {
  Model model = model_with(three_pools("", "pools = { a = 1, b = 1 }\nstandby = [\"c\"]"), "uuuu");
  const auto set =
      request(CommandId::weight_set, R"({"name": "www.shop.example", "weights": {"a": 0, "b": 0, "c": 1}})");
  take(model, set_weights(model, set, at(0)).value());
  CHECK(present(model, model.config().steers[0]).shares == std::vector<double>{0, 0, 1});
  CHECK(rated(model, model.config().steers[0], Family::v4)[2].standby == 0);
}

}  // namespace
}  // namespace sluice::control
