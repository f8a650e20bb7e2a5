// Health in the model: what results come to in answers, what is held while the checker is the suspect, what
// is kept over a restart.
#include <chrono>
#include <ctime>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "control/model.hpp"
#include "control/status.hpp"
#include "control/words.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

const std::string health_config = server_and_zone + R"(
[check.web]
type = "tcp"
port = 80
interval = "2s"
timeout = "1s"
rise = 2
fall = 3
slow_start = "16s"
[pool.v1]
check = "web"
endpoints = ["192.0.2.10", "192.0.2.11"]
[pool.v2]
check = "web"
endpoints = ["192.0.2.20"]
[pool.both]
check = "web"
endpoints = ["192.0.2.10", "192.0.2.20"]
[steer."www.shop.example"]
pools = { v1 = 95, v2 = 5 }
)";

HealthKey key(std::string_view endpoint) { return {address(endpoint), 80, "", "web"}; }

Model::Seen probe(Model& model, std::string_view endpoint, bool success, int second) {
  return model.apply_probe(key(endpoint), {success, success ? "connected" : "timeout", Duration{1}},
                           at(second));
}

Model::Seen refuse(Model& model, std::string_view endpoint, int second) {
  health::ProbeResult result{false, "connection refused", Duration{1}};
  result.answered = true;
  return model.apply_probe(key(endpoint), result, at(second));
}

void all(Model& model, bool success, int second) {
  for (const auto* endpoint : {"192.0.2.10", "192.0.2.11", "192.0.2.20"})
    probe(model, endpoint, success, second);
}

// "10 11": the last octets of what a pool has to hand out.
std::string usable(const Model& model, std::string_view pool) {
  std::string text;
  for (const auto& candidate : model.candidates(*model.config().find_pool(pool))) {
    const auto address = to_text(candidate.destination);
    if (candidate.usable) text += (text.empty() ? "" : " ") + address.substr(address.rfind('.') + 1);
  }
  return text;
}

TEST_CASE("an address that several pools check alike is one target, and changes all of them") {
  Model model(parsed(health_config));
  CHECK(model.health().size() == 3);
  const auto seen = probe(model, "192.0.2.10", true, 0);
  CHECK(seen.changed);
  CHECK(seen.to_publish == std::vector{key("192.0.2.10")});
  CHECK(model.health().at(key("192.0.2.10")).pools.size() == 2);
  CHECK(usable(model, "v1") == "10");
  CHECK(usable(model, "both") == "10");
}

TEST_CASE("only what shows in answers is published") {
  Model model(parsed(health_config));
  all(model, true, 0);
  CHECK(probe(model, "192.0.2.10", true, 2).to_publish.empty());
  // The first failure: the TTL has to be short from now on.
  CHECK(probe(model, "192.0.2.10", false, 4).to_publish.size() == 1);
  CHECK(model.pool_rules(*model.config().find_pool("v1")).ttl_max == 3);
  CHECK(model.pool_rules(*model.config().find_pool("both")).ttl_max == 3);
  CHECK(probe(model, "192.0.2.10", false, 6).to_publish.size() == 1);
  CHECK(model.pool_rules(*model.config().find_pool("v1")).ttl_max == 1);
  CHECK(model.pool_rules(*model.config().find_pool("v2")).ttl_max == steer::PoolRules().ttl_max);
  CHECK(refuse(model, "192.0.2.10", 8).changed);
  CHECK(model.pool_rules(*model.config().find_pool("v1")).ttl_max == steer::PoolRules().ttl_max);
  CHECK(probe(model, "192.0.2.10", false, 10).to_publish.empty());
}

TEST_CASE("status shows the TTL that answers carry while an endpoint is about to change") {
  Model model(parsed(health_config));
  const auto ttl = [&] { return status_of(model).at("steers").at(0).at("ttl_s").to_number<int>(); };
  all(model, true, 0);
  CHECK(ttl() == 30);
  // It took 1 ms of the interval.
  probe(model, "192.0.2.20", false, 2);
  CHECK(ttl() == 3);
  probe(model, "192.0.2.20", false, 4);
  CHECK(ttl() == 1);
  refuse(model, "192.0.2.20", 6);
  CHECK(ttl() == 30);
  probe(model, "192.0.2.20", true, 8);  // then v1 answers less in its stead
  CHECK(ttl() == 1);
}

TEST_CASE("status counts slow and quick answers, and their TTL falls with them") {
  auto text = health_config;
  text.replace(text.find("fall = 3"), 8, "fall = 3\nslow = \"100ms\"");
  Model model(parsed(text));
  const auto answer = [&](int second, int milliseconds) {
    model.apply_probe(key("192.0.2.20"), {true, "connected", Duration{milliseconds}}, at(second));
  };
  const auto shown = [&](const char* what) {
    return status_of(model).at("pools").at(1).at("endpoints").at(0).at(what).to_number<int>();
  };
  const auto ttl = [&] { return status_of(model).at("steers").at(0).at("ttl_s").to_number<int>(); };
  all(model, true, 0);
  CHECK(ttl() == 30);
  answer(2, 200);
  CHECK(shown("slow") == 1);
  CHECK(ttl() == 3);
  answer(4, 200);
  CHECK(ttl() == 1);
  answer(6, 200);
  CHECK(model.health().at(key("192.0.2.20")).state.verdict == health::Verdict::degraded);
  CHECK(ttl() == 30);
  answer(8, 1);
  CHECK(shown("quick") == 1);
  CHECK(shown("slow") == 0);
  CHECK(ttl() == 1);
  answer(10, 1);
  CHECK(model.health().at(key("192.0.2.20")).state.verdict == health::Verdict::up);
  CHECK(ttl() == 30);
}

TEST_CASE("status says why a share is a part of the weight, and until when") {
  Model model(parsed(health_config));
  const auto shown = [&](const char* what, int second) {
    auto around = surroundings();
    around.now = at(second);
    return status(model, around, nullptr).at("pools").at(0).at("endpoints").at(0).at(what);
  };
  all(model, true, 0);
  CHECK(shown("said_share", 0) == 1.0);
  CHECK(shown("slow_start_until", 0).is_null());
  for (int second = 2; second < 8; second += 2) refuse(model, "192.0.2.10", second);
  CHECK(shown("slow_start_until", 8).is_null());
  for (int second = 8; second < 12; second += 2) {
    health::ProbeResult half{true, "50%", Duration{1}};
    half.share = 0.5;
    model.apply_probe(key("192.0.2.10"), half, at(second));
  }
  CHECK(shown("said_share", 12) == 0.5);
  CHECK(shown("slow_start_until", 12) == boost::json::value(to_text(at(26))));
  CHECK(shown("slow_start_until", 26).is_null());
}

TEST_CASE("a result of what is not watched changes nothing") {
  Model model(parsed(health_config));
  const auto seen = probe(model, "192.0.2.99", true, 0);
  CHECK_FALSE(seen.changed);
  CHECK(seen.to_publish.empty());
}

TEST_CASE("when all fail at once, nothing is pruned") {
  Model model(parsed(health_config));
  all(model, true, 0);
  for (int second = 2; second < 60; second += 2) all(model, false, second);
  REQUIRE(model.suspected_since());
  CHECK(usable(model, "v1") == "10 11");
  CHECK(usable(model, "v2") == "20");
  const auto& watched = model.health().at(key("192.0.2.20"));
  CHECK(watched.state.last.detail == "timeout");
  CHECK(watched.state.last_at == at(58));
  CHECK(watched.state.failures == 0);

  SUBCASE("one success, and verdicts change again, each after its own failures") {
    CHECK(probe(model, "192.0.2.10", true, 60).suspicion == health::Turn::ended);
    for (int second = 62; second < 66; second += 2)
      CHECK_FALSE(probe(model, "192.0.2.20", false, second).changed);
    CHECK(probe(model, "192.0.2.20", false, 66).changed);
    CHECK(usable(model, "v2").empty());
  }
  SUBCASE("status and metrics say so") {
    const auto status = status_of(model);
    CHECK(status.at("checker").at("suspected_since") ==
          boost::json::value(to_text(*model.suspected_since())));
    CHECK(status.at("checker").at("held") == 3);
    CHECK(status.at("warnings").as_array().size() == 1);
    CHECK(status.at("pools").at(0).at("endpoints").at(0).at("held") == true);
    CHECK(status.at("steers").at(0).at("rule") == "weights; verdicts are held: the checker is the suspect");
    CHECK(metrics_text(model, surroundings(), Counters()).find("sluice_checker_suspected 1\n") !=
          std::string::npos);
  }
}

// health_config, where one failure is enough.
std::string config_with_fall_1() {
  auto text = health_config;
  return text.replace(text.find("fall = 3"), 8, "fall = 1");
}

Model::Seen asked(Model& model, std::string_view endpoint, bool success, int second) {
  return model.apply_asked(key(endpoint),
                           health::ProbeResult{success, success ? "connected" : "timeout", Duration{1}},
                           at(second));
}

TEST_CASE("before the first silent target falls, others are asked") {
  Model model(parsed(config_with_fall_1()));
  all(model, true, 0);
  const auto seen = probe(model, "192.0.2.10", false, 2);
  CHECK_FALSE(seen.changed);
  CHECK(seen.to_ask == std::vector{key("192.0.2.20")});
  CHECK(to_text(model.target(seen.to_ask[0]).destination) == "192.0.2.20");
  // The next one waits for the same word.
  const auto next = probe(model, "192.0.2.11", false, 2);
  CHECK_FALSE(next.changed);
  CHECK(next.to_ask.empty());
  CHECK(usable(model, "v1") == "10 11");
  CHECK(model.health().at(key("192.0.2.10")).state.last.detail == "timeout");

  const auto expect_fall = [&](const Model::Seen& last) {
    CHECK(last.fallen == std::vector<std::pair<HealthKey, std::string>>{{key("192.0.2.10"), "one failure"},
                                                                        {key("192.0.2.11"), "one failure"}});
    CHECK(last.to_publish.size() >= 2);
    CHECK(usable(model, "v1").empty());
    CHECK_FALSE(model.suspected_since());
    CHECK_FALSE(model.next_question_end());
  };
  const auto expect_suspicion = [&](const Model::Seen& last) {
    CHECK(last.suspicion == health::Turn::began);
    CHECK(last.fallen.empty());
    CHECK(last.taken_back.empty());
    CHECK(usable(model, "v1") == "10 11");
    CHECK(usable(model, "v2") == "20");
    CHECK_FALSE(probe(model, "192.0.2.10", false, 10).changed);
  };
  SUBCASE("one answers: they fall at once") { expect_fall(asked(model, "192.0.2.20", true, 2)); }
  SUBCASE("one answers by its own cadence") { expect_fall(probe(model, "192.0.2.20", true, 2)); }
  SUBCASE("a refusal is an answer") { expect_fall(refuse(model, "192.0.2.20", 2)); }
  SUBCASE("all are silent: nobody falls") { expect_suspicion(asked(model, "192.0.2.20", false, 3)); }
  SUBCASE("a regular probe is silent: nobody falls") {
    expect_suspicion(probe(model, "192.0.2.20", false, 3));
    CHECK(asked(model, "192.0.2.20", false, 3).suspicion == health::Turn::none);
  }
  SUBCASE("who could not be probed is not silent: it is asked again") {
    const auto unrun =
        model.apply_asked(key("192.0.2.20"), Error{ErrorCode::refused, "too many probes"}, at(2));
    CHECK(unrun.suspicion == health::Turn::none);
    CHECK(unrun.to_ask.empty());  // at once, it would be refused again
    REQUIRE(model.next_question_end() == at(2) + std::chrono::milliseconds(250));
    const auto again = model.end_question(Side::away, *model.next_question_end());
    CHECK(again.suspicion == health::Turn::none);
    CHECK(again.to_ask == std::vector{key("192.0.2.20")});
    CHECK(usable(model, "v1") == "10 11");
    SUBCASE("and answers") { expect_fall(asked(model, "192.0.2.20", true, 3)); }
    SUBCASE("or not") { expect_suspicion(asked(model, "192.0.2.20", false, 3)); }
  }
  SUBCASE("who can never be probed says nothing in the end: nobody falls, and no TTL is short") {
    Time now = at(2);
    Model::Seen last = seen;
    while (!model.suspected_since() && now < at(60)) {
      CHECK(last.to_ask == std::vector{key("192.0.2.20")});
      model.apply_asked(key("192.0.2.20"), Error{ErrorCode::unavailable, "no route"}, now);
      now = *model.next_question_end();
      last = model.end_question(Side::away, now);
    }
    // A timeout, the time in which places become free, and an interval.
    CHECK(now == at(5) + std::chrono::milliseconds(250));
    expect_suspicion(last);
    CHECK(model.pool_rules(*model.config().find_pool("v1")).ttl_max == steer::PoolRules().ttl_max);
  }
  SUBCASE("no word from anybody in time: nobody falls") {
    CHECK(model.next_question_end() == at(3) + std::chrono::milliseconds(250));
    CHECK(model.end_question(Side::away, at(3)).suspicion == health::Turn::none);
    expect_suspicion(model.end_question(Side::away, *model.next_question_end()));
  }
  SUBCASE("one that has waited answers itself: it does not fall") {
    CHECK(probe(model, "192.0.2.10", true, 3).fallen.size() == 1);
    CHECK(usable(model, "v1") == "10");
  }
  SUBCASE("a reload: they go on waiting") {
    auto text = config_with_fall_1();
    text.replace(text.find("[pool.v1]"), 9,
                 "[pool.new]\ncheck = \"web\"\nendpoints = [\"192.0.2.5\"]\n[pool.v1]");
    model.replace_config(parsed(text), at(2));
    CHECK(usable(model, "v1") == "10 11");
    SUBCASE("to fall") { expect_fall(asked(model, "192.0.2.20", true, 2)); }
    SUBCASE("or not") { expect_suspicion(asked(model, "192.0.2.20", false, 3)); }
  }
  SUBCASE("a reload without who was asked: nobody is left to say that it is us") {
    model.replace_config(parsed(server_and_zone + "[check.web]\ntype = \"tcp\"\nport = 80\nfall = 1\n"
                                                  "[pool.v1]\ncheck = \"web\"\n"
                                                  "endpoints = [\"192.0.2.10\", \"192.0.2.11\"]\n"),
                         at(2));
    REQUIRE(model.next_question_end() == at(2));
    expect_fall(model.end_question(Side::away, at(2)));
  }
  SUBCASE("a reload that takes others in: they are asked instead") {
    model.replace_config(parsed(server_and_zone + "[check.web]\ntype = \"tcp\"\nport = 80\nfall = 1\n"
                                                  "[pool.v1]\ncheck = \"web\"\n"
                                                  "endpoints = [\"192.0.2.10\", \"192.0.2.11\"]\n"
                                                  "[pool.v3]\ncheck = \"web\"\n"
                                                  "endpoints = [\"192.0.2.30\"]\n"),
                         at(2));
    model.apply_probe(key("192.0.2.30"), {false, "timeout"}, at(2));  // it was never well
    expect_fall(model.end_question(Side::away, at(2)));
  }
}

TEST_CASE("questions of both sides that end at once begin two suspicions") {
  Model model(parsed(config_with_fall_1() +
                     "[pool.near1]\ncheck = \"web\"\nendpoints = [\"127.0.1.1\", \"127.0.1.3\"]\n"
                     "[pool.near2]\ncheck = \"web\"\nendpoints = [\"127.0.1.2\"]\n"));
  all(model, true, 0);
  for (const auto* endpoint : {"127.0.1.1", "127.0.1.2", "127.0.1.3"}) probe(model, endpoint, true, 0);
  CHECK(probe(model, "192.0.2.10", false, 2).to_ask.size() == 1);
  CHECK(probe(model, "127.0.1.1", false, 2).to_ask.size() == 1);
  for (const auto side : sides) CHECK(model.end_question(side, at(9)).suspicion == health::Turn::began);
}

TEST_CASE("what is asked for says nothing about who was asked") {
  Model model(parsed(config_with_fall_1()));
  all(model, true, 0);
  probe(model, "192.0.2.10", false, 2);
  asked(model, "192.0.2.20", true, 2);
  const auto& state = model.health().at(key("192.0.2.20")).state;
  CHECK(state.successes == 1);
  CHECK(state.last_at == at(0));
  // A silence from before that answer, of one that nobody has asked any more.
  CHECK(asked(model, "192.0.2.11", false, 2).suspicion == health::Turn::none);
  CHECK(usable(model, "v1") == "11");
}

TEST_CASE("who cannot be told from a dead one asks nobody: there is no other pool") {
  Model model(parsed(server_and_zone + R"(
[check.web]
type = "tcp"
port = 80
fall = 1
[pool.v1]
check = "web"
endpoints = ["192.0.2.10", "192.0.2.11"]
[pool.both]
check = "web"
endpoints = ["192.0.2.10"]
)"));
  probe(model, "192.0.2.10", true, 0);
  probe(model, "192.0.2.11", true, 0);
  const auto seen = probe(model, "192.0.2.10", false, 2);
  CHECK(seen.changed);
  CHECK(seen.to_ask.empty());
  // Should it have been our network all the same, what has gone down is taken back.
  const auto next = probe(model, "192.0.2.11", false, 4);
  CHECK(next.suspicion == health::Turn::began);
  CHECK(next.taken_back == std::vector{key("192.0.2.10")});
  CHECK(usable(model, "v1") == "10 11");
}

// A pool that is probed often, and one that is probed seldom.
TEST_CASE("with unequal intervals") {
  Model model(parsed(server_and_zone + R"(
[check.fast]
type = "tcp"
port = 80
interval = "300ms"
timeout = "100ms"
fall = 3
[check.slow]
type = "tcp"
port = 80
interval = "6s"
timeout = "1s"
fall = 3
[pool.fast]
check = "fast"
endpoints = ["192.0.2.10"]
[pool.slow]
check = "slow"
endpoints = ["192.0.2.20"]
)"));
  const HealthKey fast{address("192.0.2.10"), 80, "", "fast"}, slow{address("192.0.2.20"), 80, "", "slow"};
  const health::ProbeResult well{true, "connected"}, silent{false, "timeout"};
  const auto after = [](int milliseconds) { return at(0) + Duration(milliseconds); };
  model.apply_probe(fast, well, after(0));
  model.apply_probe(slow, well, after(0));
  CHECK(model.apply_probe(fast, silent, after(400)).to_ask.empty());
  CHECK(model.apply_probe(fast, silent, after(700)).to_ask.empty());
  const auto third = model.apply_probe(fast, silent, after(1000));
  CHECK_FALSE(third.changed);
  CHECK(third.to_ask == std::vector{slow});

  SUBCASE("a network that is gone takes nobody out, for no moment") {
    CHECK_FALSE(model.apply_probe(fast, silent, after(1300)).changed);
    CHECK(model.apply_asked(slow, silent, after(2000)).suspicion == health::Turn::began);
    CHECK(usable(model, "fast") == "10");
    CHECK(model.health().at(fast).state.failures == 0);
    CHECK(model.apply_asked(slow, silent, after(2001)).to_publish.empty());
  }
  SUBCASE("a dead target falls with the first answer of the other one") {
    CHECK(model.apply_asked(slow, well, after(1001)).fallen.size() == 1);
    CHECK(usable(model, "fast").empty());
    CHECK(model.health().at(fast).state.since == after(1001));
    CHECK(model.health().at(fast).state.last_at == after(1000));
  }
  SUBCASE("a dead target falls as ever when the other one has answered since") {
    Model other(parsed(config_with_fall_1()));
    all(other, true, 0);
    CHECK_FALSE(probe(other, "192.0.2.10", false, 2).changed);
    probe(other, "192.0.2.20", true, 2);
    CHECK(usable(other, "v1") == "11");
  }
}

TEST_CASE("an address that leaves this machine after a reload is asked about the network again") {
  Model model(parsed(config_with_fall_1()));
  health::ProbeResult result{true, "connected"};
  result.answered = true;
  const auto answer_all = [&](bool own, int second) {
    result.own = own;
    for (const char* each : {"192.0.2.10", "192.0.2.11", "192.0.2.20"})
      model.apply_probe(key(each), result, at(second));
  };
  answer_all(true, 0);
  model.replace_config(parsed(config_with_fall_1()), at(1));
  answer_all(false, 2);
  const auto silent = probe(model, "192.0.2.10", false, 4);
  CHECK_FALSE(silent.changed);
  CHECK(silent.to_ask == std::vector{key("192.0.2.20")});
}

// Two pools or three, one of which is probed often; the network is cut at 0, while a slow server has a
// connection.
TEST_CASE("a connection from before the cut prunes nothing when it hangs afterwards") {
  const std::string two = R"(
[check.fast]
type = "http"
port = 80
interval = "1s"
timeout = "500ms"
fall = 3
[check.slow]
type = "http"
port = 80
interval = "10s"
timeout = "5s"
fall = 1
[pool.a]
check = "fast"
endpoints = ["192.0.2.10"]
[pool.b]
check = "slow"
endpoints = ["192.0.2.20"]
)",
                    third = "[pool.c]\ncheck = \"slow\"\nendpoints = [\"192.0.2.30\"]\n";
  const HealthKey a{address("192.0.2.10"), 80, "", "fast"}, b{address("192.0.2.20"), 80, "", "slow"},
      c{address("192.0.2.30"), 80, "", "slow"};
  const health::ProbeResult well{true, "200 OK"}, silent{false, "timeout", std::chrono::milliseconds(500)},
      long_silent{false, "timeout", std::chrono::seconds(5)};
  auto hangs = long_silent;
  hangs.answered = true;
  hangs.quiet = hangs.took;
  for (const bool is_three : {false, true}) {
    CAPTURE(is_three);
    Model model(parsed(server_and_zone + two + (is_three ? third : "")));
    for (const auto& each : {a, b, c}) model.apply_probe(each, well, at(-5));
    for (int second = 1; second < 3; ++second) CHECK_FALSE(model.apply_probe(a, silent, at(second)).changed);
    CHECK(model.apply_probe(a, silent, at(3)).to_ask.size() == (is_three ? 2 : 1));
    const auto hung = model.apply_probe(b, hangs, at(4));
    CHECK(hung.fallen.empty());
    CHECK_FALSE(hung.changed);
    CHECK(model.health().at(b).state.last.detail == "timeout");
    // Nor does one that an earlier question asked for.
    CHECK(model.apply_asked(b, hangs, at(4)).fallen.empty());
    CHECK_FALSE(model.suspected_since());
    auto last = model.apply_asked(b, long_silent, at(8));
    if (is_three) last = model.apply_asked(c, long_silent, at(8));
    CHECK(last.suspicion == health::Turn::began);
    CHECK(model.apply_asked(b, hangs, at(12)).suspicion == health::Turn::none);
    CHECK(usable(model, "a") == "10");
    CHECK(usable(model, "b") == "20");
    // One that was taken since: the network is well.
    CHECK(model.apply_asked(b, hangs, at(14)).suspicion == health::Turn::ended);
  }
}

// Two pools that are probed often, and one that is probed every hour.
TEST_CASE("who is probed seldom holds nobody up") {
  const std::string often = "interval = \"1s\"\ntimeout = \"1s\"\nfall = 3\n";
  Model model(parsed(server_and_zone + "[check.fast]\ntype = \"tcp\"\nport = 80\n" + often +
                     "[check.slow]\ntype = \"tcp\"\nport = 80\ninterval = \"1h\"\ntimeout = \"1s\"\n"
                     "[pool.v1]\ncheck = \"fast\"\nendpoints = [\"192.0.2.10\"]\n"
                     "[pool.v2]\ncheck = \"fast\"\nendpoints = [\"192.0.2.20\"]\n"
                     "[pool.v3]\ncheck = \"slow\"\nendpoints = [\"192.0.2.30\"]\n"));
  const HealthKey v1{address("192.0.2.10"), 80, "", "fast"}, v2{address("192.0.2.20"), 80, "", "fast"},
      v3{address("192.0.2.30"), 80, "", "slow"};
  const health::ProbeResult well{true, "connected"}, silent{false, "timeout"};
  for (const auto& each : {v1, v2, v3}) model.apply_probe(each, well, at(0));
  for (int second = 2; second < 4; ++second)
    for (const auto& each : {v1, v2}) {
      const auto seen = model.apply_probe(each, silent, at(second));
      CHECK(seen.suspicion == health::Turn::none);
      CHECK(seen.to_ask.empty());
    }
  CHECK(model.apply_probe(v1, silent, at(4)).to_ask == std::vector{v3});
  CHECK(model.apply_probe(v2, silent, at(4)).to_ask.empty());

  SUBCASE("it answers: the dead fall") {
    CHECK(model.apply_asked(v3, well, at(4)).fallen.size() == 2);
    CHECK(usable(model, "v1").empty());
    CHECK_FALSE(model.suspected_since());
  }
  SUBCASE("it is silent: it is asked again every shortest interval until one answers") {
    CHECK(model.apply_asked(v3, silent, at(5)).suspicion == health::Turn::began);
    CHECK(model.next_question_end() == at(6));
    const auto again = model.end_question(Side::away, at(6));
    CHECK(again.suspicion == health::Turn::none);
    CHECK(again.to_ask.size() == 3);
    CHECK(model.next_question_end() == at(7) + std::chrono::milliseconds(250));
    CHECK(model.apply_asked(v3, silent, at(7)).suspicion == health::Turn::none);
    CHECK(model.end_question(Side::away, at(8)).to_ask.size() == 3);
    CHECK(model.apply_asked(v3, well, at(8)).suspicion == health::Turn::ended);
    CHECK_FALSE(model.next_question_end());
    for (int second = 9; second < 11; ++second)
      CHECK_FALSE(model.apply_probe(v1, silent, at(second)).changed);
    CHECK(model.apply_probe(v1, silent, at(11)).changed);
  }
}

TEST_CASE("when all refuse, it is an outage, and no fault of the checker") {
  Model model(parsed(health_config));
  all(model, true, 0);
  for (int second = 2; second < 8; second += 2)
    for (const auto* endpoint : {"192.0.2.10", "192.0.2.11", "192.0.2.20"}) refuse(model, endpoint, second);
  CHECK_FALSE(model.suspected_since());
  CHECK(usable(model, "v1").empty());
  CHECK(usable(model, "v2").empty());
  CHECK(status_of(model).at("pools").at(0).at("endpoints").at(0).at("held") == false);
}

TEST_CASE("a refusal ends a suspicion, and is a failure like any other") {
  Model model(parsed(health_config));
  all(model, true, 0);
  for (int second = 2; second < 10; second += 2) all(model, false, second);
  REQUIRE(model.suspected_since());
  CHECK(refuse(model, "192.0.2.20", 10).suspicion == health::Turn::ended);
  CHECK(model.health().at(key("192.0.2.20")).state.failures == 1);
}

TEST_CASE("who hangs has answered, unless it may have done so before the suspicion") {
  Model model(parsed(health_config));
  const auto hang = [&](std::string_view endpoint, int second) {
    health::ProbeResult result{false, "timeout", std::chrono::seconds(1)};
    result.answered = true;
    result.quiet = result.took;
    return model.apply_probe(key(endpoint), result, at(second));
  };
  all(model, true, 0);
  SUBCASE("all hang: all are down") {
    for (int second = 2; second <= 6; second += 2)
      for (const auto* endpoint : {"192.0.2.10", "192.0.2.11", "192.0.2.20"}) hang(endpoint, second);
    CHECK_FALSE(model.suspected_since());
    CHECK(usable(model, "v1").empty());
    CHECK(usable(model, "v2").empty());
  }
  SUBCASE("a connection from before proves nothing") {
    all(model, false, 2);
    REQUIRE(model.suspected_since() == at(2));
    hang("192.0.2.10", 2);
    CHECK(model.suspected_since());
    CHECK(model.health().at(key("192.0.2.10")).state.failures == 0);
    CHECK(hang("192.0.2.10", 4).suspicion == health::Turn::ended);
  }
}

TEST_CASE("a probe that began before the end of a suspicion counts for nothing when it is silent") {
  Model model(parsed(health_config));
  all(model, true, 0);
  for (int second = 2; second < 10; second += 2) all(model, false, second);
  REQUIRE(model.suspected_since());
  probe(model, "192.0.2.10", true, 10);
  const auto silent = [&](Duration took) {
    model.apply_probe(key("192.0.2.11"), {false, "timeout", took}, at(11));
    return model.health().at(key("192.0.2.11")).state;
  };
  CHECK(silent(Duration{2000}).failures == 0);
  CHECK(silent(Duration{2000}).last_at == at(11));
  CHECK(silent(Duration{1000}).failures == 1);
}

// health_config with endpoints on loopback, and a pool whose check crosses no network.
std::string config_with_sides() {
  return health_config + R"(
[check.disk]
type = "push"
fall = 1
[pool.near1]
check = "web"
endpoints = ["127.0.1.1"]
[pool.near2]
check = "web"
endpoints = ["::1"]
[pool.disks]
check = "disk"
endpoints = ["192.0.2.10", "192.0.2.20"]
)";
}

TEST_CASE("sides") {
  using config::CheckType;
  const struct {
    const char* endpoint;
    CheckType type;
    std::optional<Side> side;
  } rows[] = {
      {"127.0.0.1", CheckType::tcp, Side::here},
      {"127.255.0.9", CheckType::http, Side::here},
      {"128.0.0.1", CheckType::tcp, Side::away},
      {"::1", CheckType::tcp, Side::here},
      {"::2", CheckType::tcp, Side::away},
      {"::ffff:127.1.2.3", CheckType::tcp, Side::here},
      {"::ffff:192.0.2.1", CheckType::tcp, Side::away},
      {"::127.0.0.1", CheckType::tcp, Side::away},
      {"edge.cdn.example", CheckType::tcp, Side::away},
      {"127.0.0.1", CheckType::exec, {}},
      {"192.0.2.1", CheckType::push, {}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.endpoint);
    CHECK(side_of(wire::parse_destination(row.endpoint).value(), row.type) == row.side);
  }
}

TEST_CASE("loopback says nothing about the network, nor does what does not cross it") {
  Model model(parsed(config_with_sides()));
  const HealthKey disk{address("192.0.2.10"), 0, "", "disk"},
      other_disk{address("192.0.2.20"), 0, "", "disk"};
  REQUIRE(model.health().contains(disk));
  all(model, true, 0);
  for (const auto* endpoint : {"127.0.1.1", "::1"}) probe(model, endpoint, true, 0);
  for (const auto& each : {disk, other_disk}) model.apply_probe(each, {true, "reported up"}, at(0));

  SUBCASE("their successes end no suspicion of others") {
    for (int second = 2; second < 20; second += 2) {
      all(model, false, second);
      probe(model, "127.0.1.1", true, second);
      model.apply_probe(disk, {true, "reported up"}, at(second));
    }
    CHECK(model.suspected_since());
    CHECK(model.held() == 3);
    CHECK(usable(model, "v1") == "10 11");
    CHECK(model.apply_probe(disk, {false, "no report"}, at(20)).changed);  // as ever
  }
  SUBCASE("they are suspected by themselves") {
    for (int second = 2; second < 20; second += 2) {
      all(model, true, second);
      for (const auto* endpoint : {"127.0.1.1", "::1"}) probe(model, endpoint, false, second);
    }
    CHECK(model.suspected_since());
    CHECK(model.held() == 2);
    CHECK(usable(model, "near1") == "1");
    // Of the names whose endpoints are not held, no rule tells of it.
    CHECK(status_of(model).at("steers").at(0).at("rule") == "weights");
  }
  SUBCASE("what reports for itself is not suspected") {
    for (const auto& each : {disk, other_disk})
      CHECK(model.apply_probe(each, {false, "no report"}, at(2)).changed);
    CHECK_FALSE(model.suspected_since());
  }
}

TEST_CASE("who answers from this machine says nothing about the network") {
  Model model(parsed(health_config + "[pool.near]\ncheck = \"web\"\nendpoints = [\"192.0.2.50\"]\n"));
  const auto near = [&](int second, bool own = true) {
    health::ProbeResult result{true, "connected", Duration{1}};
    result.answered = true;
    result.own = own;
    return model.apply_probe(key("192.0.2.50"), result, at(second));
  };
  all(model, true, 0);
  const auto expect_suspicion = [&] {
    for (int second = 2; second < 20; second += 2) {
      all(model, false, second);
      near(second);
    }
    CHECK(model.suspected_since());
    CHECK(model.held() == 3);
    CHECK(usable(model, "v1") == "10 11");
    CHECK(usable(model, "near") == "50");
  };
  SUBCASE("its answers end no suspicion, and nobody waits for its silence") {
    near(0);
    expect_suspicion();
    health::ProbeResult refused{false, "connection refused", Duration{1}};
    refused.answered = refused.own = true;
    for (int second = 20; second < 26; second += 2) model.apply_probe(key("192.0.2.50"), refused, at(second));
    CHECK(usable(model, "near").empty());
    CHECK(model.suspected_since());
  }
  SUBCASE("although it was elsewhere before") {
    near(0, false);
    expect_suspicion();
  }
  SUBCASE("nor after a reload") {
    near(0);
    model.replace_config(
        parsed(health_config + "[pool.near]\ncheck = \"web\"\nendpoints = [\"192.0.2.50\"]\n"), at(1));
    expect_suspicion();
  }
  SUBCASE("once it has moved to another machine, it does") {
    near(0);
    expect_suspicion();
    CHECK(near(20, false).suspicion == health::Turn::ended);
  }
  SUBCASE("whoever turns out to be here when it is asked is not asked again") {
    near(0, false);
    for (int second = 2; second < 6; second += 2)
      for (const auto* endpoint : {"192.0.2.10", "192.0.2.11"}) probe(model, endpoint, false, second);
    probe(model, "192.0.2.20", false, 5);
    CHECK(probe(model, "192.0.2.10", false, 6).to_ask == std::vector{key("192.0.2.50")});
    health::ProbeResult own{true, "connected", Duration{1}};
    own.answered = own.own = true;
    CHECK(model.apply_asked(key("192.0.2.50"), own, at(6)).fallen.empty());
    CHECK(model.end_question(Side::away, at(9)).to_ask == std::vector{key("192.0.2.20")});
    CHECK(usable(model, "v1") == "10 11");
  }
}

TEST_CASE("a reload keeps what is known of the silent ones") {
  Model model(parsed(health_config));
  all(model, true, 0);
  probe(model, "192.0.2.10", false, 2);
  probe(model, "192.0.2.11", false, 2);
  auto text = health_config;
  text.replace(text.find("[pool.v1]"), 9,
               "[pool.new]\ncheck = \"web\"\nendpoints = [\"192.0.2.5\"]\n[pool.v1]");
  model.replace_config(parsed(text), at(3));
  CHECK(probe(model, "192.0.2.20", false, 4).suspicion == health::Turn::began);
  CHECK(model.health().at(key("192.0.2.10")).state.failures == 0);
  // And a suspicion itself.
  model.replace_config(parsed(text), at(5));
  CHECK(model.suspected_since() == at(4));
  CHECK(model.held() == 3);
  CHECK_FALSE(probe(model, "192.0.2.11", false, 6).changed);
}

TEST_CASE("a reload that leaves nothing to be probed ends what only results would end") {
  Model model(parsed(config_with_sides()));
  all(model, true, 0);
  for (int second = 2; second < 10; second += 2) all(model, false, second);
  model.apply_trouble(key("192.0.2.10"), "too many open files", at(10));
  health::ProbeResult late{false, "timeout", Duration{1}};
  late.late = std::chrono::seconds(5);
  model.apply_probe(key("192.0.2.10"), late, at(10));
  REQUIRE(model.suspected_since());
  REQUIRE(model.trouble().since());
  REQUIRE(model.lateness().since());

  const std::string here =
                        "[check.web]\ntype = \"tcp\"\nport = 80\n"
                        "[pool.near]\ncheck = \"web\"\nendpoints = [\"127.0.1.1\"]\n",
                    reporting =
                        "[check.disk]\ntype = \"push\"\n"
                        "[pool.disks]\ncheck = \"disk\"\nendpoints = [\"192.0.2.10\"]\n";
  const auto one_side = model.replace_config(parsed(server_and_zone + here), at(11));
  CHECK(one_side.suspicion == health::Turn::ended);
  CHECK(one_side.idle);
  CHECK_FALSE(model.suspected_since());
  CHECK(one_side.trouble == health::Turn::ended);  // who was in trouble is gone
  CHECK_FALSE(model.trouble().since());
  const auto none = model.replace_config(parsed(server_and_zone + reporting), at(12));
  CHECK(none.lateness == health::Turn::ended);
  CHECK_FALSE(model.lateness().since());
  CHECK(model.lateness().greatest(at(12)) == Duration{});
}

TEST_CASE("one pool alone may well be dead") {
  Model model(parsed(health_config));
  all(model, true, 0);
  for (int second = 2; second < 8; second += 2) {
    probe(model, "192.0.2.10", false, second);
    probe(model, "192.0.2.11", false, second);
    probe(model, "192.0.2.20", true, second);
  }
  CHECK_FALSE(model.suspected_since());
  CHECK(usable(model, "v1").empty());
  CHECK(usable(model, "both") == "20");
}

TEST_CASE("a check that got another name goes on from what the one before has found out") {
  Model model(parsed(health_config));
  all(model, true, 0);
  for (int second = 2; second < 8; second += 2) {
    probe(model, "192.0.2.11", false, second);
    probe(model, "192.0.2.10", true, second);
  }
  auto text = health_config;
  for (auto at = text.find("web"); at != std::string::npos; at = text.find("web", at + 4))
    text.replace(at, 3, "site");
  model.replace_config(parsed(text), at(8));
  CHECK(usable(model, "v1") == "10");
  CHECK(usable(model, "v2") == "20");
  CHECK(model.health().at({address("192.0.2.10"), 80, "", "site"}).state.last_at == Time{});
}

// One address under two checks, in a pool each.
std::string config_of_two_checks(std::string_view pools, int web_port = 80) {
  return fmt::format("{}[check.web]\ntype = \"tcp\"\nport = {}\n[check.db]\ntype = \"tcp\"\nport = 5432\n{}",
                     server_and_zone, web_port, pools);
}

TEST_CASE("a reload takes nothing over from what another pool asked of the address") {
  const std::string ssh = "[pool.p1]\ncheck = \"db\"\nendpoints = [\"192.0.2.10\"]\n",
                    web = "[pool.p2]\ncheck = \"web\"\nendpoints = [\"192.0.2.10\"]\n";
  const HealthKey by_db{address("192.0.2.10"), 5432, "", "db"}, by_web{address("192.0.2.10"), 80, "", "web"},
      by_new_web{address("192.0.2.10"), 8080, "", "web"};
  SUBCASE("where its own pool has asked before, that holds") {
    Model model(parsed(config_of_two_checks(ssh + web)));
    model.apply_probe(by_db, {false, "timeout"}, at(0));
    model.apply_probe(by_web, {true, "connected"}, at(0));
    for (const auto& left : {web, ssh + web}) {
      const auto next = config_of_two_checks(left, 8080);
      CHECK(model.unknown_in(parsed(next)).empty());
      model.replace_config(parsed(next), at(1));
      CHECK(model.health().at(by_new_web).state.verdict == health::Verdict::up);
      model.replace_config(parsed(config_of_two_checks(ssh + web)), at(2));
      CHECK(model.health().at(by_web).state.verdict == health::Verdict::up);
    }
  }
  SUBCASE("where it has not, the new endpoint is waited for") {
    Model model(parsed(config_of_two_checks(web)));
    model.apply_probe(by_web, {true, "connected"}, at(0));
    const auto next = config_of_two_checks(ssh);
    CHECK(model.unknown_in(parsed(next)) == std::set{by_db});
    model.replace_config(parsed(next), at(1));
    CHECK(model.health().at(by_db).state.verdict == health::Verdict::unknown);
    CHECK(usable(model, "p1").empty());
  }
  SUBCASE("what a pool asks in the stead of a check that stays with others goes on from that") {
    const auto swapped = [](std::string text) { return text.replace(text.find("\"web\""), 5, "\"db\""); };
    Model model(
        parsed(config_of_two_checks("[pool.p3]\ncheck = \"web\"\nendpoints = [\"192.0.2.10\"]\n" + web)));
    model.apply_probe(by_web, {true, "connected"}, at(0));
    model.replace_config(parsed(config_of_two_checks(
                             "[pool.p3]\ncheck = \"web\"\nendpoints = [\"192.0.2.10\"]\n" + swapped(web))),
                         at(1));
    CHECK(usable(model, "p2") == "10");
    CHECK(usable(model, "p3") == "10");
  }
}

TEST_CASE("trouble is told of, and changes no verdict") {
  Model model(parsed(health_config));
  all(model, true, 0);
  const auto meet = [&](int second) {
    return model.apply_trouble(key("192.0.2.10"), "too many open files", at(second)).trouble;
  };
  const auto shown = [&] { return status_of(model).at("pools").at(0).at("endpoints").at(0).at("trouble"); };
  CHECK(meet(2) == health::Turn::began);
  CHECK(meet(4) == health::Turn::none);
  CHECK(status_of(model).at("checker").at("trouble") ==
        "check 'web' of 192.0.2.10 could not be run: too many open files");
  CHECK(shown() == "too many open files");
  CHECK(usable(model, "v1") == "10 11");
  CHECK(probe(model, "192.0.2.10", true, 20).trouble == health::Turn::ended);
  CHECK(status_of(model).at("checker").at("trouble").is_null());
  CHECK(shown().is_null());
  CHECK(model.apply_trouble(key("192.0.2.99"), "too many open files", at(21)).trouble == health::Turn::none);
}

TEST_CASE("trouble names the endpoints, and what is asked") {
  auto text = health_config;
  const std::string checked = "\"192.0.2.20\"";
  text.replace(text.find(checked), checked.size(),
               R"({ address = "192.0.2.20", check_address = "10.0.0.20" }, )"
               R"({ address = "192.0.2.21", check_address = "10.0.0.20" })");
  Model model(parsed(text));
  model.apply_trouble(key("10.0.0.20"), "no route", at(0));
  CHECK(model.trouble().reason() ==
        "check 'web' of 192.0.2.20 and 1 more, which asks 10.0.0.20, could not be run: no route");
}

TEST_CASE("trouble of a target that is probed seldom lasts until that target has a result") {
  Model model(parsed(health_config));
  all(model, true, 0);
  const auto meet = [&](int second) {
    return model.apply_trouble(key("192.0.2.10"), "no route", at(second)).trouble;
  };
  CHECK(meet(0) == health::Turn::began);
  CHECK(probe(model, "192.0.2.20", true, 12).trouble == health::Turn::none);
  CHECK(meet(13) == health::Turn::none);
  CHECK(probe(model, "192.0.2.20", true, 24).trouble == health::Turn::none);
  model.replace_config(parsed(health_config), at(25));
  CHECK(probe(model, "192.0.2.20", true, 40).trouble == health::Turn::none);
  CHECK(probe(model, "192.0.2.10", false, 50).trouble == health::Turn::ended);
}

TEST_CASE("probes that begin late are told of") {
  Model model(parsed(health_config));
  all(model, true, 0);
  CHECK(status_of(model).at("checker").at("late_since").is_null());
  health::ProbeResult result{true, "connected", Duration{1}};
  result.late = std::chrono::milliseconds(2500);
  CHECK(model.apply_probe(key("192.0.2.10"), result, at(5)).lateness == health::Turn::began);
  auto around = surroundings();
  around.now = at(6);
  const auto shown = status(model, around, nullptr);
  CHECK(shown.at("checker").at("late_since") == boost::json::value(to_text(at(5))));
  CHECK(shown.at("checker").at("lateness_ms") == 2500);
  CHECK(shown.at("warnings").at(0) ==
        "probes begin late since 2027-01-15T08:00:05.000Z, by up to 2s: verdicts are late, too");
  CHECK(metrics_text(model, around, Counters()).find("sluice_probe_lateness_seconds 2.5\n") !=
        std::string::npos);
  CHECK(probe(model, "192.0.2.10", true, 65).lateness == health::Turn::ended);
}

TEST_CASE("a slow start climbs by itself") {
  Model model(parsed(health_config));
  all(model, true, 0);
  CHECK_FALSE(model.next_share());
  for (int second = 2; second < 8; second += 2) refuse(model, "192.0.2.10", second);
  probe(model, "192.0.2.10", true, 10);
  probe(model, "192.0.2.10", true, 12);
  const auto share = [&] { return model.candidates(*model.config().find_pool("v1"))[0].share; };
  CHECK(share() == 1 / 16.);
  CHECK(model.next_share() == at(14));
  CHECK(model.warmed(at(13)).empty());
  CHECK(model.warmed(at(14)) == std::vector{key("192.0.2.10")});
  CHECK(share() == 2 / 16.);
  CHECK(model.warmed(at(28)).size() == 1);
  CHECK(share() == 1);
  CHECK_FALSE(model.next_share());
}

// This thread's.
std::chrono::nanoseconds processor_time() {
  timespec spent{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return std::chrono::seconds(spent.tv_sec) + std::chrono::nanoseconds(spent.tv_nsec);
}

TEST_CASE("slow starts of many climb in the order of their steps, and the next one is found at once") {
  constexpr int targets = 4000;
  std::string endpoints;
  const auto endpoint = [](int i) { return fmt::format("10.0.{}.{}", i / 250, i % 250); };
  for (int i = 0; i < targets; ++i) endpoints += fmt::format("\"{}\", ", endpoint(i));
  Model model(parsed(server_and_zone + "[check.web]\ntype = \"tcp\"\nport = 80\nslow_start = \"1h\"\n" +
                     "rise = 1\nfall = 1\nhold_down = \"0s\"\n[pool.v1]\ncheck = \"web\"\nendpoints = [" +
                     endpoints + "]\n"));
  const auto recover = [&](int i) {
    refuse(model, endpoint(i), i);
    probe(model, endpoint(i), true, i);
  };
  for (int i = targets; i-- > 0;) recover(i);
  const auto first = *model.next_share();
  CHECK(model.warmed(first) == std::vector{key(endpoint(0))});
  CHECK(model.next_share() == first + std::chrono::seconds(1));
  refuse(model, endpoint(1), 1);  // it climbs no more
  CHECK(model.next_share() == first + std::chrono::seconds(2));

  const auto before = processor_time();
  std::size_t found = 0;
  for (int i = 0; i < 10'000; ++i) found += model.next_share().has_value() ? 1 : 0;
  CHECK(found == 10'000);
  CHECK(processor_time() - before < std::chrono::milliseconds(250));
}

TEST_CASE("an event of health names the endpoints that are answered, and what is asked in their stead") {
  std::string many;
  for (int i = 1; i <= 11; ++i) many += fmt::format("\"192.0.2.{}\", ", 100 + i);
  Model model(parsed(server_and_zone + R"(
[check.web]
type = "tcp"
port = 80
[check.shared]
type = "tcp"
port = 80
address = "127.0.0.13"
[pool.v1]
check = "web"
endpoints = ["192.0.2.10", { address = "192.0.2.99", check_address = "127.0.0.12" }]
[pool.v2]
check = "web"
endpoints = [{ address = "192.0.2.99", check_address = "127.0.0.12" }, { address = "192.0.2.98", check_address = "127.0.0.12" }]
[pool.many]
check = "shared"
endpoints = [)" + many +
                     "]\n"));
  const auto sentences = [&](const char* target) {
    std::string text;
    for (const auto& [asked, watched] : model.health())
      if (asked.destination == address(target))
        for (const auto& [subject, sentence] : health_sentences(asked, watched, "by check web"))
          text += subject + ": " + sentence + "\n";
    return text;
  };
  CHECK(sentences("192.0.2.10") == "192.0.2.10: 192.0.2.10 is unknown by check web\n");
  CHECK(sentences("127.0.0.12") ==
        "192.0.2.99: 192.0.2.99 is unknown by check web; it asks 127.0.0.12\n"
        "192.0.2.98: 192.0.2.98 is unknown by check web; it asks 127.0.0.12\n");
  const auto shared = sentences("127.0.0.13");
  CHECK(std::count(shared.begin(), shared.end(), '\n') == 8);
  CHECK(
      shared.ends_with("192.0.2.108: 192.0.2.108 is unknown by check web; it asks 127.0.0.13; so it is with "
                       "3 more endpoints\n"));
}

TEST_CASE("health comes back from the store, and goes on from there") {
  Model before(parsed(health_config));
  all(before, true, 0);
  probe(before, "192.0.2.10", false, 2);
  probe(before, "192.0.2.10", false, 4);
  Model after(parsed(health_config));
  for (const auto& [key, watched] : before.health())
    CHECK(after.restore_health({key.destination, key.port, key.host, key.check, watched.state}, at(5)));
  CHECK(usable(after, "v1") == "10 11");
  CHECK(refuse(after, "192.0.2.10", 6).changed);
  CHECK(usable(after, "v1") == "11");
  CHECK_FALSE(after.restore_health({address("192.0.2.99"), 80, "", "web", {}}, at(5)));
}

TEST_CASE("the operator's word comes before health, and no TTL waits for what it hides") {
  Model model(parsed(health_config));
  all(model, true, 0);
  probe(model, "192.0.2.10", false, 2);
  take(model, say_word(model, request(CommandId::endpoint_up, R"({"address": "192.0.2.10"})"),
                       store::Word::up, at(3))
                  .value());
  CHECK(model.pool_rules(*model.config().find_pool("v1")).ttl_max == steer::PoolRules().ttl_max);
  for (int second = 4; second < 20; second += 2) {
    probe(model, "192.0.2.10", false, second);
    probe(model, "192.0.2.20", true, second);
  }
  CHECK(usable(model, "v1") == "10 11");
  CHECK(usable(model, "both") == "10 20");
}

}  // namespace
}  // namespace sluice::control
