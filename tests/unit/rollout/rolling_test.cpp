// Rolling upgrades as timelines (tests/rollout/rolling.timeline). Each one is replayed with a crash after
// each of its lines: all that is left then are the record and the words, and what follows has to be the same.
#include "rollout/rolling.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.hpp"
#include "rollout/rolling_record.hpp"

namespace sluice::rolling {
namespace {

using namespace std::chrono_literals;

constexpr Time start{1'800'000'000'000ms};
constexpr Duration ttl = 30s;

using Values = std::map<std::string, std::string>;

struct Moment {
  std::size_t line = 0;
  Duration at{};
  std::string event, subject;  // "hooked", "a"
  Values seen, expected;       // "down" -> "b", "proven" -> "a"; "" -> the phase, "a" -> its place
};

struct Timeline {
  std::string name;
  Rolling rolling;
  bool once = false;  // without crashes
  std::vector<Moment> moments;
};

std::vector<std::string> split(const std::string& text, char by) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, by);)
    if (!part.empty()) parts.push_back(part);
  return parts;
}

std::pair<std::string, std::string> pair_of(const std::string& word) {
  const auto at = word.find('=');
  return at == std::string::npos ? std::pair(word, std::string())
                                 : std::pair(word.substr(0, at), word.substr(at + 1));
}

void take_plan(const std::vector<std::string>& words, Timeline& timeline) {
  auto& plan = timeline.rolling.plan;
  auto& state = timeline.rolling.state;
  timeline.rolling.id = 7;
  timeline.rolling.by = "root";
  timeline.rolling.started = state.since = start;
  plan.pool = "v1";
  plan.health_timeout = 300s;
  plan.hook_timeout = 60s;
  for (const auto& word : words) {
    const auto [key, value] = pair_of(word);
    if (key == "endpoints")
      for (const auto& name : split(value, ',')) state.endpoints.push_back({name, {}, start, 0, 0, {}, {}});
    if (key == "hook") plan.hook = "deploy";
    if (key == "batch") plan.batch = parse_batch(value, state.endpoints.size()).value();
    if (key == "least") plan.least = parse_least(value).value();
    if (key == "grace") plan.grace = parse_duration(value).value();
    if (key == "attempts") plan.attempts = static_cast<unsigned>(std::stoul(value));
    if (key == "ttl") {
      plan.ttl = parse_duration(value).value();
      state.phase = Phase::arming;
      state.caches_until = start + 31s;
    }
    if (key == "rollback") plan.on_failure = OnFailure::rollback;
    if (key == "once") timeline.once = true;
  }
}

Moment moment_of(const std::vector<std::string>& words, std::size_t line) {
  Moment moment{line, parse_duration(words.at(0)).value(), words.at(1), {}, {}, {}};
  auto word = words.begin() + 2;
  for (; word != words.end() && *word != "->"; ++word)
    if (word->find('=') == std::string::npos)
      moment.subject = *word;
    else
      moment.seen.insert(pair_of(*word));
  REQUIRE(word != words.end());
  moment.expected[""] = *++word;
  for (++word; word != words.end(); ++word) moment.expected.insert(pair_of(*word));
  return moment;
}

std::vector<Timeline> read_timelines() {
  std::vector<Timeline> timelines;
  std::ifstream in(TIMELINES_FOLDER "/rolling.timeline");
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    std::istringstream text(line);
    const std::vector<std::string> words{std::istream_iterator<std::string>(text), {}};
    if (words.empty() || words[0].starts_with('#')) continue;
    if (words[0] == "==")
      timelines.push_back({line.substr(3), {}, false, {}});
    else if (words[0] == "plan")
      take_plan(words, timelines.back());
    else
      timelines.back().moments.push_back(moment_of(words, number));
  }
  REQUIRE(timelines.size() >= 10);
  return timelines;
}

// What there is beside the record: the words about endpoints, and the hooks that run.
struct World {
  Rolling rolling;
  std::map<std::string, std::string> words{};  // "ours", "drained by root"
  std::set<std::string> hooks{};               // addresses
  Time watched_since{};
  std::size_t notes = 0;

  View view(const Moment& moment) const {
    View view;
    view.cached_for = ttl;
    if (const auto leased = moment.seen.find("leased"); leased != moment.seen.end())
      view.leased_until = start + parse_duration(leased->second).value();
    if (const auto armed = moment.seen.find("armed"); armed != moment.seen.end())
      view.armed_at = start + parse_duration(armed->second).value();
    if (moment.seen.contains("frozen") && start + moment.at >= rolling.state.unfrozen_until)
      view.forbidden = "there is a freeze";
    const auto is = [&](const char* what, const std::string& address) {
      const auto found = moment.seen.find(what);
      if (found == moment.seen.end()) return false;
      const auto all = split(found->second, ',');
      return std::find(all.begin(), all.end(), address) != all.end();
    };
    for (const auto& endpoint : rolling.state.endpoints) {
      Seen seen;
      const auto word = words.find(endpoint.address);
      seen.exists = !is("gone", endpoint.address);
      seen.weight = is("heavy", endpoint.address) ? 3 : 1;
      seen.ours = word != words.end() && word->second == "ours";
      if (word != words.end() && !seen.ours) seen.word = word->second;
      seen.available = seen.exists && word == words.end() && !is("down", endpoint.address) &&
                       !is("climbs", endpoint.address);
      seen.condition = is("down", endpoint.address) ? "down" : "up";
      seen.proven = is("proven", endpoint.address);
      seen.climbs = is("climbs", endpoint.address);
      seen.watched_since = std::max(watched_since, endpoint.since);
      seen.hook_runs = hooks.contains(endpoint.address);
      view.endpoints[endpoint.address] = seen;
    }
    return view;
  }
  void carry_out(Turn turn) {
    CHECK_MESSAGE((turn.notes.empty() || !(turn.state == rolling.state)),
                  "nothing is told that did not happen");
    rolling.state = std::move(turn.state);
    notes += turn.notes.size();
    for (const auto& [deed, address, attempt] : turn.effects) {
      if (deed == Deed::drain) words[address] = "ours";
      if (deed == Deed::take_back && words.contains(address) && words.at(address) == "ours")
        words.erase(address);
      if (deed == Deed::run_hook) CHECK_MESSAGE(hooks.insert(address).second, "one hook at a time");
    }
  }
  void settle(const Moment& moment) {
    for (int i = 0; i < 50; ++i) {
      auto turn = tick(rolling, view(moment), start + moment.at);
      if (turn.state == rolling.state) return;
      carry_out(std::move(turn));
    }
    FAIL("it goes round in circles");
  }
  // Whether it was refused.
  bool obey_word(const Moment& moment, Word word) {
    Command command{word, "asked for", "root", {}};
    if (const auto until = moment.seen.find("override"); until != moment.seen.end())
      command.unfrozen_until = start + parse_duration(until->second).value();
    auto turn = obey(rolling, command, view(moment), start + moment.at);
    if (turn) carry_out(*std::move(turn));
    return !turn.has_value();
  }
  bool happen(const Moment& moment) {
    for (const auto word : {Word::pause, Word::resume, Word::abort})
      if (moment.event == to_text(word)) return obey_word(moment, word);
    if (moment.event == "drains") words[moment.subject] = "drained by root";
    if (moment.event == "undrains") words.erase(moment.subject);
    if (moment.event == "hooked" || moment.event == "fails") {
      CHECK(hooks.erase(moment.subject) == 1);
      const auto endpoints = rolling.state.endpoints;  // as they were: each turn replaces them
      for (const auto& endpoint : endpoints)
        if (endpoint.address == moment.subject)
          carry_out(take(rolling,
                         {moment.subject, endpoint.attempt, moment.event == "hooked", "exit status", "said"},
                         start + moment.at));
    }
    return false;
  }
  // kill -9, and a new start.
  void crash(const Moment& moment) {
    const auto read = parse_record(to_record(rolling));
    REQUIRE_MESSAGE(read.has_value(), read.error().message);
    CHECK(*read == rolling);
    rolling = *read;
    hooks.clear();
    watched_since = start + moment.at;
    settle(moment);
  }
  std::string drained() const {
    std::vector<std::string> ours;
    for (const auto& [address, word] : words)
      if (word == "ours") ours.push_back(address);
    return ours.empty() ? "-" : fmt::format("{}", fmt::join(ours, ","));
  }
  void check(const Values& expected) const {
    for (const auto& [key, value] : expected) {
      CAPTURE(key);
      if (key.empty()) CHECK(to_text(rolling.state.phase) == value);
      if (key == "words") CHECK(drained() == value);
      if (key == "running") CHECK(fmt::format("{}", fmt::join(hooks, ",")) == (value == "-" ? "" : value));
      for (const auto& endpoint : rolling.state.endpoints) {
        if (endpoint.address == key) CHECK(to_text(endpoint.place) == value);
        if (key == endpoint.address + "#") CHECK(std::to_string(endpoint.attempt) == value);
      }
    }
  }
};

void replay(const Timeline& timeline, std::size_t crash) {
  World world{timeline.rolling};
  for (std::size_t i = 0; i < timeline.moments.size(); ++i) {
    const auto& moment = timeline.moments[i];
    CAPTURE(moment.line);
    if (moment.event == "crash") {
      world.crash(moment);
    } else if (world.happen(moment)) {
      CHECK(moment.expected.at("") == "refused");
      continue;
    }
    world.settle(moment);
    world.check(moment.expected);
    if (i == crash) {
      world.crash(moment);
      world.check(moment.expected);
    }
  }
}

TEST_CASE("timelines of rolling upgrades, with a crash after each line") {
  for (const auto& timeline : read_timelines()) {
    CAPTURE(timeline.name);
    const std::size_t none = timeline.moments.size();
    for (std::size_t crash = timeline.once ? none : 0; crash <= none; ++crash) {
      CAPTURE(crash);
      replay(timeline, crash);
    }
  }
}

Rolling of_three() {
  Timeline timeline;
  take_plan({"plan", "endpoints=a,b,c", "hook"}, timeline);
  return timeline.rolling;
}

TEST_CASE("what would leave too little is not begun") {
  struct Row {
    const char* what;
    std::size_t endpoints, batch;
    const char* least;  // "": all others
    const char* seen;
    bool refused;
  };
  const Row rows[] = {
      {"three, one at once", 3, 1, "", "up=a", false},
      {"a single endpoint", 1, 1, "", "up=a", true},
      {"a single endpoint that nobody needs", 1, 1, "0", "up=a", false},
      {"all at once", 3, 3, "", "up=a", true},
      {"another one is down", 3, 1, "", "down=b", true},
      {"another one is down, and one is enough", 3, 1, "1", "down=b", false},
      {"another one is down, and two are wanted", 3, 1, "2", "down=b", true},
      {"half of the weight", 2, 1, "50%", "up=a", false},
      {"half of the weight, which one has", 2, 1, "50%", "heavy=a", true},
      {"more than there is", 3, 1, "3", "up=a", true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    auto rolling = of_three();
    rolling.state.endpoints.resize(row.endpoints);
    rolling.plan.batch = row.batch;
    if (*row.least != '\0') rolling.plan.least = parse_least(row.least).value();
    Moment moment;
    moment.seen.insert(pair_of(row.seen));
    CHECK(objection(rolling, World{rolling}.view(moment)).has_value() == row.refused);
  }
}

TEST_CASE("the reason of a refusal says what is missing") {
  auto rolling = of_three();
  Moment moment;
  moment.seen["down"] = "b";
  const auto why = objection(rolling, World{rolling}.view(moment));
  REQUIRE(why.has_value());
  CHECK(
      why->message ==
      "without a there would be 1 healthy endpoint left, with 33.33 % of the weight; all others, and one at "
      "least, are wanted; b is down");
}

TEST_CASE("when each batch can be taken at the earliest") {
  struct Row {
    const char* what;
    const char* plan;
    std::map<std::string, Duration> leased;  // by address, from the start on
    std::vector<Duration> times;
  };
  const Row rows[] = {
      {"by the TTL alone", "hook", {}, {0s, 30s, 60s, 90s}},
      {"two at once", "batch=2", {}, {0s, 30s, 60s}},
      {"with a margin", "grace=5s", {}, {0s, 35s, 70s, 105s}},
      {"all are asked for", "hook", {{"a", 21s}, {"b", 21s}, {"c", 21s}}, {0s, 21s, 51s, 81s}},
      {"nobody asks", "hook", {{"a", -9s}, {"b", -9s}, {"c", -9s}}, {0s, 0s, 0s, 0s}},
      {"one is asked for", "batch=2", {{"a", -9s}, {"b", 12s}, {"c", -9s}}, {0s, 12s, 12s}},
      {"by a TTL that was longer", "hook", {{"a", 900s}, {"b", 900s}, {"c", -9s}}, {0s, 900s, 930s, 930s}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    Timeline timeline;
    take_plan({"plan", "endpoints=a,b,c", row.plan}, timeline);
    auto view = World{timeline.rolling}.view({});
    for (const auto& [address, leased] : row.leased) view.endpoints[address].leased_until = start + leased;
    std::vector<Duration> times;
    for (const auto at : earliest_times(
             timeline.rolling, view, [](Time due) { return due; }, start))
      times.push_back(at - start);
    CHECK(times == row.times);
  }
}

TEST_CASE("what a batch leaves of its pool") {
  auto rolling = of_three();
  rolling.state.first = 1;
  Moment moment;
  moment.seen["down"] = "c";
  moment.seen["heavy"] = "a";
  const auto left = capacity_without_batch(rolling, World{rolling}.view(moment));
  CHECK(left.endpoints == 3);
  CHECK(left.available == 1);
  CHECK(left.total == 5);
  CHECK(left.left == 3);
}

TEST_CASE("batches and the least") {
  CHECK(parse_batch("2", 10).value() == 2);
  CHECK(parse_batch("25%", 10).value() == 2);
  CHECK(parse_batch("1%", 10).value() == 1);
  CHECK(parse_batch("100%", 10).value() == 10);
  CHECK(parse_batch("70", 10).value() == 10);
  CHECK(parse_least("0").value() == Least{0, false});
  CHECK(parse_least("50%").value() == Least{0.5, true});
  for (const char* bad : {"", "0", "-1", "two", "0%", "101%", "1.5"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_batch(bad, 10).has_value());
  }
  for (const char* bad : {"", "-1", "two", "101%", "1.5"}) CHECK_FALSE(parse_least(bad).has_value());
}

TEST_CASE("records of rollings that are damaged are refused") {
  const auto good = to_record(of_three());
  CHECK(parse_record(good).has_value());
  for (const char* bad : {"", "3", "{}", "[]"}) CHECK_FALSE(parse_record(bad).has_value());
  for (const auto& [from, to] :
       {std::pair("\"holding\"", "\"held\""), std::pair("\"first\":0", "\"first\":3"),
        std::pair("\"batch\":1", "\"batch\":0"), std::pair("\"stop\"", "\"go\"")}) {
    CAPTURE(from);
    auto bad = good;
    REQUIRE(bad.find(from) != std::string::npos);
    bad.replace(bad.find(from), std::string(from).size(), to);
    CHECK_FALSE(parse_record(bad).has_value());
  }
}

TEST_CASE("the end of a hook that is not waited for changes nothing") {
  World world{of_three()};
  Moment moment{0, 0s, "start", {}, {}, {}};
  world.settle(moment);
  moment.at = ttl;
  world.settle(moment);
  CHECK(take(world.rolling, {"a", 2, true, "", ""}, start + 31s).state == world.rolling.state);
  CHECK(take(world.rolling, {"b", 1, true, "", ""}, start + 31s).state == world.rolling.state);
  CHECK_FALSE(take(world.rolling, {"a", 1, true, "", ""}, start + 31s).state == world.rolling.state);
}

}  // namespace
}  // namespace sluice::rolling
