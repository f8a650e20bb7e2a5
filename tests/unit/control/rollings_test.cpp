// Rolling upgrades over the model, with a clock of our own: the words that they say, what counts as healthy,
// what they are refused, and that nothing but the store's changes is needed to go on.
#include "control/rollings.hpp"

#include <set>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/text.hpp"
#include "control/planned.hpp"
#include "control/words.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

// A director without its thread.
struct RollingWorld {
  // `more`: of the config.
  explicit RollingWorld(const std::string& more = "") : model(Model(parsed(config_text + more))) {
    probe(true);
  }

  void probe(const std::string& endpoint, bool healthy) {
    for (const auto& pool : model->config().pools)
      for (const auto& one : pool.endpoints)
        if (pool.check && to_text(one.destination) == endpoint) {
          const auto key = health_key(probe::target_of(one, *model->config().find_check(*pool.check)));
          model->apply_probe(key, {healthy, "given", Duration{1}, {}, 1, true, {}}, now);
          proofs.take(key, healthy);
        }
    settle();
  }
  void probe(bool healthy) {
    for (const auto* endpoint : {"192.0.2.10", "192.0.2.11", "2001:db8::10", "192.0.2.20"})
      probe(endpoint, healthy);
  }
  RollingSight sight() { return {proofs, hooks, {}, leased_if_taken}; }
  void carry_out(const Decision& decision) {
    for (const auto& change : decision.changes) {
      model->apply(change);
      kept.push_back(change);
    }
    for (const auto& event : decision.events) events.push_back(event.kind);
    for (const auto& run : decision.hooks) {
      hooks.insert(key_of(run));
      runs.push_back(run);
    }
  }
  void settle() {
    for (auto due = due_rollings(*model, sight(), now); !due.changes.empty();
         due = due_rollings(*model, sight(), now))
      carry_out(due);
  }
  void pass(Duration time) {
    now += time;
    settle();
  }
  Result<Decision> start(std::string_view arguments = R"({"pool": "v1", "hook": "deploy"})") {
    auto asked = request(CommandId::rolling_start, arguments);
    asked.arguments.emplace("ttl", "60s");  // unless it says another, the names keep theirs
    auto decision = start_rolling(*model, asked, sight(), 7, now);
    if (decision) carry_out(*decision);
    settle();
    return decision;
  }
  Result<Decision> say(rolling::Word word) {
    auto decision =
        say_to_rolling(*model, request(CommandId::rolling_abort, R"({"pool": "v1"})"), word, sight(), now);
    if (decision) carry_out(*decision);
    settle();
    return decision;
  }
  Result<Decision> resume(std::string_view arguments) {
    auto decision = say_to_rolling(*model, request(CommandId::rolling_resume, arguments),
                                   rolling::Word::resume, sight(), now);
    if (decision) carry_out(*decision);
    settle();
    return decision;
  }
  void end_hook(const Result<probe::ProgramEnd>& end) { end_with(end); }
  void end_request(const Result<probe::WebReply>& reply) { end_with(reply); }
  void end_with(const auto& end) {
    hooks.erase(key_of(runs.back()));
    carry_out(take_hook_end(*model, runs.back(), end, now));
    settle();
  }
  void prove(const std::string& endpoint) {
    probe(endpoint, true);
    probe(endpoint, true);
  }
  // What kill -9 leaves is the store.
  void restart() {
    Model fresh(parsed(config_text));
    for (const auto& change : kept) fresh.apply(change);
    model.emplace(std::move(fresh));
    hooks.clear();
    proofs = {};
    probe(true);
  }
  std::string drained() const {
    std::string text;
    for (const auto& [destination, word] : model->words())
      text += fmt::format("{}{} by {}", text.empty() ? "" : ", ", to_text(destination), word.by);
    return text;
  }
  const rolling::Rolling& rolling() const { return model->rollings().at("v1"); }
  std::string state() const {
    return fmt::format("{} {}", to_text(rolling().state.phase),
                       to_text(rolling().state.endpoints[rolling().state.first].place));
  }

  Time now = at(0);
  std::optional<Model> model;
  Proofs proofs;
  Hooks hooks;
  std::vector<HookRun> runs;
  std::vector<store::Change> kept;
  std::vector<std::string> events;
  LeasedIfTaken leased_if_taken{};
};

const probe::ProgramEnd good{probe::Ending::exited, 0, "all\nwell\n", 5ms};

TEST_CASE(
    "a rolling lowers the TTL of the names that use its pool, and begins when caches have let go of it") {
  RollingWorld world;
  const auto ttl = [&](const char* of) {
    return world.model->ttl(*world.model->config().find_steer(name(of)));
  };
  const auto begun = world.start(R"({"pool": "v1", "hook": "deploy", "ttl": "5s"})");
  REQUIRE(begun.has_value());
  CHECK(begun->reply.at("plan").at(0).at("at") == "2027-01-15T08:00:25.000Z");
  CHECK(world.state() == "arming waiting");
  CHECK(ttl("www.shop.example") == 5s);
  CHECK(ttl("api.shop.example") == 60s);
  CHECK(names_with_other_ttl(*world.model) == std::set{name("www.shop.example")});
  world.pass(24s);
  CHECK(world.state() == "arming waiting");
  world.pass(1s);
  CHECK(world.state() == "emptying drained");
  world.pass(5s);
  CHECK(world.state() == "emptying drained");
  world.pass(1s);
  CHECK(world.state() == "working hooking");
  REQUIRE(world.say(rolling::Word::abort).has_value());
  CHECK(ttl("www.shop.example") == 5s);
  world.end_hook(good);
  world.prove("192.0.2.10");
  CHECK(world.model->running_rollings().empty());
  CHECK(ttl("www.shop.example") == 30s);
}

TEST_CASE("the TTL that a rolling lowers is waited for by what was really handed out") {
  RollingWorld world;
  Time leased{};
  world.leased_if_taken = [&](const wire::Destination&) { return rollout::LeaseEnd{leased, 30s}; };
  SUBCASE("nobody has asked for a TTL") { leased = world.now - 10s; }
  SUBCASE("somebody has, and goes on until it is published") {
    leased = world.now + 20s;
    REQUIRE(world.start(R"({"pool": "v1", "hook": "deploy", "ttl": "5s"})").has_value());
    leased = world.now + 33s;
    world.pass(26s);
    CHECK(world.state() == "arming waiting");
    world.pass(1s);
    CHECK(world.state() == "emptying drained");
    return;
  }
  REQUIRE(world.start(R"({"pool": "v1", "hook": "deploy", "ttl": "5s"})").has_value());
  CHECK(world.state() == "emptying drained");
}

// A late word must not be taken for one about the next batch.
TEST_CASE("a word about another batch than the present one is refused") {
  const auto say_about = [](RollingWorld& world, rolling::Word word, int batch) {
    const auto arguments = fmt::format(R"({{"pool": "v1", "batch": {}}})", batch);
    auto decision = say_to_rolling(*world.model, request(CommandId::rolling_resume, arguments), word,
                                   world.sight(), world.now);
    if (decision) world.carry_out(*decision);
    world.settle();
    return refusal(decision);
  };
  RollingWorld world;
  REQUIRE(world.start(R"({"pool": "v1"})").has_value());
  world.pass(31s);
  CHECK(say_about(world, rolling::Word::resume, 1).empty());
  world.prove("192.0.2.10");
  world.pass(31s);
  REQUIRE(world.state() == "working hooking");
  for (const auto word : {rolling::Word::pause, rolling::Word::resume, rolling::Word::abort})
    for (const int batch : {0, 1, 3}) {
      CAPTURE(to_text(word));
      CHECK(say_about(world, word, batch) ==
            fmt::format("rolling 1 of v1 is at batch 2 of 3, and not at {}", batch));
    }
  CHECK(world.state() == "working hooking");
  CHECK(say_about(world, rolling::Word::resume, 2).empty());
  CHECK(world.state() == "working proving");
}

// From the start of a batch until its endpoint is back.
void upgrade(RollingWorld& world, const std::string& endpoint) {
  CHECK(world.drained() == endpoint + " by rolling 1");
  world.pass(31s);
  world.end_hook(good);
  world.prove(endpoint);
}

TEST_CASE("a rolling drains, runs the hook, and takes the drain back, endpoint by endpoint") {
  RollingWorld world;
  const auto begun = world.start();
  REQUIRE(begun.has_value());
  CHECK(begun->reply.at("text") == "rolling 1 of v1: 3 endpoints in 3 batches, hook 'deploy'");
  CHECK(world.state() == "emptying drained");
  world.pass(30s);
  CHECK(world.runs.empty());
  world.pass(1s);
  REQUIRE(world.runs.size() == 1);
  CHECK(world.runs[0].program.arguments == std::vector<std::string>{"/bin/sh", "-c", "deploy"});
  CHECK(world.runs[0].program.environment ==
        std::vector<std::string>{"ADDRESS=192.0.2.10", "POOL=v1", "ROLLOUT=1", "ATTEMPT=1"});
  CHECK(world.runs[0].program.timeout == 5min);
  world.end_hook(good);
  CHECK(world.rolling().state.endpoints[0].output == "all well");
  CHECK(world.state() == "working proving");
  world.prove("192.0.2.10");
  upgrade(world, "192.0.2.11");
  upgrade(world, "2001:db8::10");
  CHECK(world.state() == "done returned");
  CHECK(world.drained().empty());
  CHECK(world.model->running_rollings().empty());
}

TEST_CASE("the plan of a rolling tells when its batches can be, and what each leaves of the pool") {
  RollingWorld world;
  auto sight = world.sight();
  sight.leased_if_taken = [&](const wire::Destination& endpoint) {
    const bool asked = to_text(endpoint) != "192.0.2.11";
    return rollout::LeaseEnd{asked ? world.now + 12s : world.now - 50s, 30s};
  };
  const auto start = request(CommandId::rolling_start, R"({"pool": "v1", "hook": "deploy", "ttl": "60s"})");
  const auto begun = start_rolling(*world.model, start, sight, 7, world.now);
  REQUIRE(begun.has_value());
  const auto pools = boost::json::parse(
      R"([{"pool": "v1", "endpoints": 3, "healthy": 2, "weight": 3E0, "healthy_weight": 2E0}])");
  std::string times;
  for (const auto& step : begun->reply.at("plan").as_array()) {
    times += fmt::format("{} {}\n", std::string_view(step.at("at").as_string()).substr(17, 2),
                         std::string_view(step.at("what").as_string()));
    if (const auto* left = step.as_object().if_contains("pools")) CHECK(*left == pools);
  }
  CHECK(times ==
        "00 batch 1: 192.0.2.10\n12 batch 2: 192.0.2.11\n12 batch 3: 2001:db8::10\n"
        "43 done, if the work takes no time\n");
}

TEST_CASE("healthy is who was probed after the hook ended") {
  RollingWorld world;
  REQUIRE(world.start().has_value());
  world.pass(31s);
  world.probe("192.0.2.10", true);
  world.end_hook(good);
  CHECK(world.state() == "working proving");
  world.probe("192.0.2.10", true);  // this one may have begun before
  CHECK(world.state() == "working proving");
  world.probe("192.0.2.10", false);
  CHECK(world.state() == "working proving");
  world.probe("192.0.2.10", true);
  CHECK(world.state() == "emptying drained");
  CHECK(world.drained() == "192.0.2.11 by rolling 1");
}

TEST_CASE("a restart after each transition ends the same") {
  for (int crash = 0; crash < 6; ++crash) {
    CAPTURE(crash);
    RollingWorld world;
    int step = 0;
    const auto crash_here = [&] {
      if (step++ == crash) world.restart();
    };
    REQUIRE(world.start().has_value());
    crash_here();
    CHECK(world.drained() == "192.0.2.10 by rolling 1");
    world.pass(31s);
    crash_here();
    REQUIRE(world.state() == "working hooking");
    CHECK(world.hooks.size() == 1);
    world.end_hook(good);
    crash_here();
    CHECK(world.state() == "working proving");
    world.prove("192.0.2.10");
    crash_here();
    upgrade(world, "192.0.2.11");
    crash_here();
    upgrade(world, "2001:db8::10");
    crash_here();
    CHECK(world.state() == "done returned");
    CHECK(world.drained().empty());
    CHECK(world.runs.size() == (crash == 1 ? 4U : 3U));
  }
}

TEST_CASE("how a hook ends") {
  struct Row {
    const char* what;
    Result<probe::ProgramEnd> end;
    const char* reason;
  };
  const Row rows[] = {
      {"status", probe::ProgramEnd{probe::Ending::exited, 3, "no disk", 5ms},
       "192.0.2.10: hook: exit status 3"},
      {"timeout", probe::ProgramEnd{probe::Ending::timed_out, 0, "", 5min},
       "192.0.2.10: hook: timeout after 5m"},
      {"signal", probe::ProgramEnd{probe::Ending::killed, 9, "", 5ms},
       "192.0.2.10: hook: killed by signal 9 (Killed)"},
      {"no runner", Error{ErrorCode::unavailable, "there is none"}, "192.0.2.10: hook: there is none"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    RollingWorld world;
    REQUIRE(world.start().has_value());
    world.pass(31s);
    world.end_hook(row.end);
    CHECK(world.state() == "failed failed");
    CHECK(world.rolling().state.reason == row.reason);
    CHECK(world.drained() == "192.0.2.10 by rolling 1");
    REQUIRE(world.say(rolling::Word::abort).has_value());
    CHECK(world.state() == "aborted failed");
    CHECK(world.drained() == "192.0.2.10 by rolling 1");
  }
}

TEST_CASE("a hook that is a URL is posted to, and how it answers") {
  struct Row {
    const char* what;
    Result<probe::WebReply> reply;
    const char *place, *detail, *output;
  };
  const Row rows[] = {
      {"done", probe::WebReply{200, "restarted\n"}, "proving", "", "restarted"},
      {"done, says nothing", probe::WebReply{204, ""}, "proving", "", ""},
      {"redirected", probe::WebReply{302, ""}, "failed", "hook: status 302", ""},
      {"failed", probe::WebReply{500, "no\x1b such host"}, "failed", "hook: status 500", "no  such host"},
      {"silent", Error{ErrorCode::unavailable, "h: timeout after 5m"}, "failed", "hook: h: timeout after 5m",
       ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    RollingWorld world;
    REQUIRE(world.start(R"({"pool": "v1", "hook-url": "http://deploy.example/x"})").has_value());
    world.pass(31s);
    REQUIRE(world.runs.size() == 1);
    REQUIRE(world.runs[0].request.has_value());
    const auto& request = *world.runs[0].request;
    REQUIRE(request.has_value());
    CHECK(request->url.host_field == "deploy.example");
    CHECK(request->timeout == 5min);
    CHECK(boost::json::parse(*request->json) ==
          boost::json::parse(R"({"address": "192.0.2.10", "pool": "v1", "rollout": 1, "attempt": 1})"));
    world.restart();
    world.settle();  // its end was not seen
    REQUIRE(world.runs.size() == 2);
    CHECK(boost::json::parse(*world.runs[1].request->value().json).at("attempt") == 2);
    world.end_request(row.reply);
    const auto& endpoint = world.rolling().state.endpoints[0];
    CHECK(std::string(to_text(endpoint.place)) == row.place);
    CHECK(endpoint.output == row.output);
    if (*row.detail != 0) CHECK(endpoint.detail == row.detail);
  }
}

TEST_CASE(
    "a hook of the config: it is asked as it stands there then, and fails when it stands there no more") {
  const std::string hook = "[hook.deploy]\nurl = \"http://deploy.example/x\"\nsecret = \"hush\"\n";
  RollingWorld world(hook);
  CHECK(world.start(R"({"pool": "v1", "hook-url": "deplyo"})")
            .error()
            .message.ends_with("; did you mean 'deploy'?"));
  REQUIRE(world.start(R"({"pool": "v1", "hook-url": "deploy", "attempts": 2})").has_value());
  const auto record = std::get<store::RollingRecord>(world.kept.back()).record;
  CHECK(record.find("hush") == std::string::npos);
  CHECK(record.find("http") == std::string::npos);
  world.pass(31s);
  REQUIRE(world.runs.size() == 1);
  const auto& request = world.runs[0].request->value();
  CHECK(request.url.host_field == "deploy.example");
  REQUIRE(request.headers.size() == 1);
  CHECK(request.headers[0].name == "Sluice-Signature");
  world.model.emplace(parsed(config_text));
  for (const auto& change : world.kept) world.model->apply(change);
  world.end_request(Error{ErrorCode::unavailable, "refused"});
  world.pass(60s);
  REQUIRE(world.runs.size() == 2);
  CHECK(world.runs[1].request->error().message.find("[hook.NAME]") != std::string::npos);
}

TEST_CASE("an operator's word about an endpoint wins") {
  RollingWorld world;
  REQUIRE(world.start(R"({"pool": "v1", "hook": "deploy", "min-available": "1"})").has_value());
  const auto said = say_word(*world.model, request(CommandId::endpoint_up, R"({"address": "192.0.2.10"})"),
                             store::Word::up, world.now);
  REQUIRE(said.has_value());
  world.carry_out(*said);
  world.settle();
  CHECK(world.rolling().state.endpoints[0].detail == "it is held up by root");
  CHECK(world.drained() == "192.0.2.10 by root, 192.0.2.11 by rolling 1");
  REQUIRE(world.say(rolling::Word::abort).has_value());
  CHECK(world.drained() == "192.0.2.10 by root");
}

TEST_CASE("a pool that the config has no more ends its rolling, and its words are taken back") {
  RollingWorld world;
  REQUIRE(world.start().has_value());
  auto text = config_text;
  text.replace(text.find("[pool.v1]"), 9, "[pool.v7]");
  text.replace(text.find("{ v1 = 95"), 9, "{ v7 = 95");
  world.model->replace_config(parsed(text), world.now);
  world.settle();
  CHECK(world.model->running_rollings().empty());
  CHECK(world.drained().empty());
}

TEST_CASE("what cannot be rolled is refused") {
  struct Row {
    const char* what;
    const char* arguments;
    const char* error;
  };
  const Row rows[] = {
      {"another pool", R"({"pool": "v3"})", "there is no pool 'v3'; did you mean 'v1'?"},
      {"an order", R"({"pool": "v1", "order": "size"})",
       "'size' is no order; expected config, weight or random"},
      {"a batch", R"({"pool": "v1", "batch": "none"})",
       "'none' is no batch; expected a number of endpoints, or a part such as 25%"},
      {"a least", R"({"pool": "v1", "min-available": "most"})",
       "'most' is no least; expected a number of endpoints, or a part such as 50%"},
      {"attempts", R"({"pool": "v1", "attempts": 0})", "attempts are 1 to 100"},
      {"on failure", R"({"pool": "v1", "on-failure": "cry"})",
       "on-failure is stop or rollback, and not 'cry'"},
      {"no time", R"({"pool": "v1", "hook-timeout": "0s"})", "a hook needs some time: hook-timeout is 0"},
      {"two hooks", R"({"pool": "v1", "hook": "a", "hook-url": "http://h"})",
       "hook and hook-url exclude each other"},
      {"a hook that is no URL", R"({"pool": "v1", "hook-url": "deploy"})",
       "hook-url: expected a URL such as \"http://127.0.0.1:8080/deploy\", without a user and a fragment, "
       "or a section [hook.NAME] of the config, got 'deploy'"},
      {"a single endpoint", R"({"pool": "v2"})",
       "without 192.0.2.20 there would be 0 healthy endpoints left, with 0 % of the weight; all others, and "
       "one at least, are wanted"},
  };
  RollingWorld world;
  for (const auto& row : rows) {
    CAPTURE(row.what);
    const auto refused = world.start(row.arguments);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().message == row.error);
  }
  CHECK(world.start(R"({"pool": "v2", "min-available": "0"})").has_value());
  CHECK(world.start().has_value());
  const auto twice = world.start();
  REQUIRE_FALSE(twice.has_value());
  CHECK(twice.error().message == "rolling 2 of v1 is emptying: abort it, or wait for its end");
}

TEST_CASE("the status of rollings") {
  RollingWorld world;
  const auto of = [&](std::string_view arguments) {
    return rollings_status(*world.model, request(CommandId::rolling_status, arguments), world.sight(),
                           world.now);
  };
  CHECK(of(R"({"pool": "v1"})").error().message == "v1 has had no rolling");
  REQUIRE(world.start(R"({"pool": "v1", "order": "weight"})").has_value());
  world.probe("192.0.2.11", false);
  const auto status = of("{}");
  REQUIRE(status.has_value());
  const auto& rolling = status->at("rollings").at(0).as_object();
  CHECK(rolling.at("phase") == "holding");
  CHECK(rolling.at("batches") == 3);
  CHECK(rolling.at("shortage") ==
        "without 192.0.2.10 there would be 1 healthy endpoint left, with 33.33 % of the weight; all others, "
        "and one at least, are wanted; 192.0.2.11 is down (given)");
  CHECK(rolling.at("endpoints").at(0).at("place") == "waiting");
}

TEST_CASE("what caches hold of a batch is told by the TTL of the lease that ends last") {
  RollingWorld world;
  REQUIRE(world.start().has_value());
  auto sight = world.sight();
  const auto span = [&] {
    const auto status =
        rollings_status(*world.model, request(CommandId::rolling_status, "{}"), sight, world.now);
    const auto& leases = status->at("rollings").at(0).at("leases");
    const auto time = [&](const char* member) {
      return parse_time(std::string_view(leases.at(member).as_string())).value();
    };
    return time("certain") - time("p50");
  };
  CHECK(span() == 15s);  // not known: the config's longest, 30 s
  sight.leased_out = [&](const wire::Destination&) { return rollout::LeaseEnd{world.now + 5s, 4s}; };
  CHECK(span() == 2s);
}

TEST_CASE("the history of rollings: as they were kept, of a pool or of all") {
  RollingWorld world;
  const auto pool = [&](std::string_view arguments) {
    return pool_of_history(*world.model, request(CommandId::rolling_history, arguments));
  };
  CHECK(pool("{}").value() == std::nullopt);
  CHECK(pool(R"({"pool": "v2"})").value() == "v2");
  CHECK_FALSE(pool(R"({"pool": "v9"})").has_value());
  REQUIRE(world.start().has_value());
  REQUIRE(world.say(rolling::Word::abort).has_value());
  const auto& kept_last = std::get<store::RollingRecord>(world.kept.back());
  const auto history = rolling_history_status({kept_last, {9, "v1", "no record"}}, world.now);
  REQUIRE(history.at("rollings").as_array().size() == 1);
  const auto& one = history.at("rollings").at(0);
  CHECK(one.at("phase") == "aborted");
  CHECK(one.at("hook") == "deploy");
  CHECK(one.at("running") == false);
}

// Of a name that v1 answers for. 2027-01-15, a Friday, 08:00 is at(0).
std::string freeze_section(std::string_view window) {
  return fmt::format("[steer.\"frozen.shop.example\"]\npools = {{ v1 = 1 }}\nfreeze = [\"{}\"]\n", window);
}

TEST_CASE("no batch is taken in a freeze, and one that was taken goes on") {
  RollingWorld world(freeze_section("Fri 08:01 - Fri 09:00"));
  REQUIRE(world.start().has_value());
  world.pass(90s);
  world.end_hook(good);
  world.prove("192.0.2.10");
  CHECK(world.state() == "holding waiting");
  CHECK(world.drained().empty());
  CHECK(world.events.back() == "rolling.hold");
  const auto status =
      rollings_status(*world.model, request(CommandId::rolling_status, "{}"), world.sight(), world.now);
  CHECK(std::string(status->at("rollings").at(0).at("shortage").as_string())
            .starts_with("changes are frozen until 2027-01-15T09:00:00.000Z"));
  world.pass(3600s);
  CHECK(world.drained() == "192.0.2.11 by rolling 1");
}

TEST_CASE("a rolling begins in a freeze by an operator's word only, and goes on in it") {
  RollingWorld world(freeze_section("Fri 08:00 - Fri 09:00"));
  CHECK(refusal(world.start()).starts_with("batch 1 of 3: changes are frozen until"));
  REQUIRE(world.start(R"({"pool": "v1", "hook": "deploy", "override-freeze": true, "reason": "a hole"})")
              .has_value());
  for (const auto* endpoint : {"192.0.2.10", "192.0.2.11", "2001:db8::10"}) upgrade(world, endpoint);
  CHECK(world.rolling().state.phase == rolling::Phase::done);
}

TEST_CASE("a rolling that waits for the end of a freeze goes on by an operator's word with a reason") {
  RollingWorld world(freeze_section("Fri 08:01 - Fri 09:00"));
  REQUIRE(world.start().has_value());
  CHECK(refusal(world.resume(R"({"pool": "v1", "override-freeze": true, "reason": "too early"})")) ==
        "rolling 1 of v1 is emptying: there is nothing to resume");
  world.pass(90s);
  world.end_hook(good);
  world.prove("192.0.2.10");
  REQUIRE(world.state() == "holding waiting");
  CHECK_FALSE(world.resume(R"({"pool": "v1"})").has_value());
  CHECK(refusal(world.resume(R"({"pool": "v1", "override-freeze": true})")) ==
        "--override-freeze needs a --reason");
  const auto resumed = world.resume(R"({"pool": "v1", "override-freeze": true, "reason": "a hole"})");
  REQUIRE(resumed.has_value());
  CHECK(resumed->reply.at("text") ==
        "v1: goes on (a hole); overrides the freeze until 2027-01-15T09:00:00.000Z");
  CHECK(world.drained() == "192.0.2.11 by rolling 1");
}

TEST_CASE("a rolling whose batches leave too little of a name is refused") {
  RollingWorld world(R"(
[steer."safe.shop.example"]
pools = { v1 = 1 }
endpoints_min = 3
)");
  CHECK(refusal(world.start()) ==
        "batch 1 of 3: safe.shop.example.: 2 healthy endpoints would be left; endpoints_min is 3");
}

}  // namespace
}  // namespace sluice::control
