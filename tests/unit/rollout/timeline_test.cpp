// Rollouts as timelines (tests/rollout/*.timeline). Each one is replayed with a crash after each of its
// lines: all that is left then is the record, and what follows has to be the same.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.hpp"
#include "rollout/record.hpp"
#include "rollout/rollout.hpp"

using namespace sluice;
using namespace sluice::rollout;
using namespace std::chrono_literals;

namespace {

constexpr Time start{1'800'000'000'000ms};

Time at_any_time(Time due) { return due; }

struct Moment {
  std::size_t line = 0;
  Duration at{};
  std::string event;
  std::vector<std::string> words;           // as they stand
  std::map<std::string, std::string> seen;  // "answered" -> "5", "dead" -> ""
  std::vector<std::string> expected;
};

struct Timeline {
  std::string name;
  Plan plan;
  std::vector<Moment> moments;
};

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

std::pair<std::string, std::string> pair_of(const std::string& word) {
  const auto at = word.find('=');
  return at == std::string::npos ? std::pair(word, std::string())
                                 : std::pair(word.substr(0, at), word.substr(at + 1));
}

std::vector<PoolWeight> weights_of(const std::string& text) {
  std::vector<PoolWeight> weights;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) {
    const auto at = part.find(':');
    weights.push_back({part.substr(0, at), std::stod(part.substr(at + 1))});
  }
  return weights;
}

// "errors:1m", or "errors:1m:failures_max=2:errors_max=3:successes_min=2"
AnalysisRules rules_of(const std::string& text) {
  AnalysisRules rules;
  std::istringstream in(text);
  std::getline(in, rules.name, ':');
  std::string part;
  std::getline(in, part, ':');
  rules.interval = parse_duration(part).value();
  while (std::getline(in, part, ':')) {
    const auto [key, value] = pair_of(part);
    const auto number = static_cast<std::uint32_t>(std::stoul(value));
    if (key == "failures_max") rules.failures_max = number;
    if (key == "errors_max") rules.errors_max = number;
    if (key == "successes_min") rules.successes_min = number;
    if (key == "relative") rules.relative = true;
  }
  return rules;
}

Plan plan_of(const std::vector<std::string>& words) {
  Plan plan;
  plan.name = "www.shop.example.";
  plan.before = {{"v1", 1}, {"v2", 0}};
  for (const auto& word : words) {
    const auto [key, value] = pair_of(word);
    if (key == "bluegreen") {
      plan.strategy = Strategy::bluegreen;
      plan.steps = {1};
    }
    if (key == "to") plan.targets = parse_targets(value).value();
    if (key == "steps") plan.steps = parse_steps(value).value();
    if (key == "hold") plan.hold = parse_duration(value).value();
    if (key == "ttl") plan.ttl = parse_duration(value).value();
    if (key == "ttl_before") plan.ttl_before = parse_duration(value).value();
    if (key == "grace") plan.grace = parse_duration(value).value();
    if (key == "gates") plan.gates = true;
    if (key == "before") plan.before = weights_of(value);
    if (key == "class") plan.client_class = value;
    if (key == "analysis") plan.analyses.push_back(rules_of(value));
  }
  // As control does it: the step of the class comes first.
  if (!plan.client_class.empty()) plan.steps.insert(plan.steps.begin(), share_before(plan));
  return plan;
}

Moment moment_of(const std::vector<std::string>& words, std::size_t line) {
  Moment moment{line, parse_duration(words.at(0)).value(), words.at(1), {}, {}, {}};
  auto word = words.begin() + 2;
  for (; word != words.end() && *word != "->"; ++word) {
    moment.words.push_back(*word);
    moment.seen.insert(pair_of(*word));
  }
  REQUIRE(word != words.end());
  moment.expected.assign(word + 1, words.end());
  return moment;
}

std::vector<Timeline> read_timelines(const std::filesystem::path& file) {
  std::vector<Timeline> timelines;
  std::ifstream in(file);
  std::size_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const auto words = words_of(line);
    if (words.empty() || words[0].starts_with('#')) continue;
    if (words[0] == "==")
      timelines.push_back({line.substr(3), {}, {}});
    else if (words[0] == "plan")
      timelines.back().plan = plan_of(words);
    else
      timelines.back().moments.push_back(moment_of(words, number));
  }
  return timelines;
}

View view_of(const Moment& moment, const Rollout& rollout) {
  View view;
  view.measured_since = rollout.state.since;
  if (const auto found = moment.seen.find("dead"); found != moment.seen.end())
    view.dead_target = found->second.empty() ? rollout.plan.targets.front().pool : found->second;
  view.others_live = !moment.seen.contains("lonely");
  if (moment.seen.contains("forbidden")) view.forbidden = "there is a freeze";
  const auto time_of = [&](const char* what) {
    const auto found = moment.seen.find(what);
    return found == moment.seen.end() ? std::optional<Time>() : start + parse_duration(found->second).value();
  };
  view.leased_until = time_of("leased");
  view.leased_here = moment.seen.contains("here");
  view.answered_last = time_of("last");
  if (const auto found = moment.seen.find("answered");
      found != moment.seen.end() && found->second != "none") {
    view.answers = 10'000;
    for (const auto part : comma_separated(found->second))
      view.answers_of_targets.push_back(
          static_cast<std::uint64_t>(std::lround(std::stod(std::string(part)) * 100)));
  }
  return view;
}

// "result errors failure 0.2": of which analysis, and what; the value has to be at most 0.05.
Turn result_of(const Moment& moment, const Rollout& rollout) {
  const auto& analyses = rollout.plan.analyses;
  const auto analysis = std::find_if(analyses.begin(), analyses.end(),
                                     [&](const auto& rules) { return rules.name == moment.words.at(0); });
  REQUIRE(analysis != analyses.end());
  Finding finding;
  for (const auto verdict : {Verdict::success, Verdict::failure, Verdict::inconclusive, Verdict::error})
    if (moment.words.at(1) == to_text(verdict)) finding.verdict = verdict;
  if (moment.words.size() > 2 && is_digit(moment.words[2][0])) {
    Measurement measured;
    measured.value = std::stod(moment.words[2]);
    const auto judged = judge({{}, 0.05}, measured);
    CHECK(judged.verdict == finding.verdict);
    finding = judged;
  }
  return observe(rollout, static_cast<std::size_t>(analysis - analyses.begin()), std::move(finding),
                 view_of(moment, rollout), start + moment.at);
}

Result<Turn> turn_of(const Moment& moment, const Rollout& rollout) {
  const Time now = start + moment.at;
  const auto view = view_of(moment, rollout);
  if (moment.event == "tick") return tick(rollout, view, now);
  if (moment.event == "result") return result_of(moment, rollout);
  for (const auto word : {Word::pause, Word::resume, Word::promote, Word::abort, Word::undo}) {
    if (moment.event != to_text(word)) continue;
    Command command{word, moment.seen.contains("full"), {}, {}};
    if (const auto over = moment.seen.find("over"); over != moment.seen.end())
      command.over = parse_duration(over->second).value();
    return obey(rollout, command, view, now);
  }
  FAIL("no such event: " << moment.event);
  return Error{};
}

// "moving 5 5s", as far as the line says it.
std::string text_of(const Rollout& rollout, Time now, std::size_t words) {
  const auto asked = ttl(rollout);
  std::vector<std::string> all{to_text(rollout.state.phase), fmt::format("{:.4g}", share(rollout, now) * 100),
                               asked ? to_text(*asked) : "-"};
  if (!rollout.plan.client_class.empty()) all.push_back(leads_class(rollout) ? "led" : "as-before");
  // Successes, failures, inconclusive, errors, of each analysis.
  for (std::size_t i = 0; i < rollout.plan.analyses.size(); ++i) {
    const auto counts = counts_of(rollout.state, i);
    all.push_back(
        fmt::format("{}+{}-{}?{}!", counts.successes, counts.failures, counts.inconclusive, counts.errors));
  }
  return fmt::format("{}", fmt::join(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(words), " "));
}

Rollout begun(const Plan& plan) {
  Rollout rollout{7, "root", start, plan, {}};
  rollout.state.since = start;
  rollout.state.caches_until = start + time_in_caches(plan.ttl_before);
  rollout.state.caches_ttl = plan.ttl_before;
  return rollout;
}

Rollout reread(const Rollout& rollout) {
  const auto read = parse(to_text(rollout));
  REQUIRE_MESSAGE(read.has_value(), read.error().message);
  CHECK(*read == rollout);
  return *read;
}

std::vector<Timeline> all_timelines() {
  std::vector<Timeline> all;
  for (const auto& entry : std::filesystem::directory_iterator(TIMELINES_FOLDER)) {
    if (entry.path().extension() != ".timeline" || entry.path().stem() == "rolling") continue;
    for (auto& timeline : read_timelines(entry.path())) all.push_back(std::move(timeline));
  }
  REQUIRE(all.size() >= 10);
  return all;
}

}  // namespace

TEST_CASE("timelines of rollouts, with a crash after each line") {
  for (const auto& timeline : all_timelines()) {
    CAPTURE(timeline.name);
    for (std::size_t crash = 0; crash <= timeline.moments.size(); ++crash) {
      CAPTURE(crash);
      auto rollout = begun(timeline.plan);
      REQUIRE(!objection(timeline.plan).has_value());
      for (std::size_t i = 0; i < timeline.moments.size(); ++i) {
        const auto& moment = timeline.moments[i];
        const Time now = start + moment.at;
        CAPTURE(moment.line);
        if (moment.event != "start") {
          auto turn = turn_of(moment, rollout);
          if (moment.expected[0] == "refused") {
            CHECK_FALSE(turn.has_value());
            continue;
          }
          REQUIRE_MESSAGE(turn.has_value(), turn.error().message);
          const bool counted = moment.event == "result";  // is told when it is something new
          auto before = rollout.state;
          const bool changed = !(turn->state == before);
          before.waits_for = turn->state.waits_for;  // follows what is seen, also when it is over
          const bool quietly = counted || turn->state == before;
          CHECK_MESSAGE((changed != turn->notes.empty() || (quietly && changed)), "what changes is told");
          rollout.state = turn->state;
        }
        CHECK(text_of(rollout, now, moment.expected.size()) ==
              fmt::format("{}", fmt::join(moment.expected, " ")));
        if (i == crash) rollout = reread(rollout);
      }
    }
  }
}

TEST_CASE("weights give the target its share, and leave the others in proportion") {
  Plan plan;
  plan.targets = {{"v3", 1}};
  plan.before = {{"v1", 60}, {"v2", 20}, {"v3", 20}};
  CHECK(share_before(plan) == doctest::Approx(0.2));
  CHECK(weights(plan, share_before(plan)) == plan.before);
  const auto half = weights(plan, 0.5);
  CHECK(half[0].weight == doctest::Approx(37.5));
  CHECK(half[1].weight == doctest::Approx(12.5));
  CHECK(half[2].weight == doctest::Approx(50));
  const auto all = weights(plan, 1);
  CHECK(all[0].weight == 0);
  CHECK(all[1].weight == 0);
}

TEST_CASE("several targets grow evenly from what they had to their parts of all") {
  Plan plan;
  plan.targets = {{"v2", 2}, {"v3", 1}};
  plan.before = {{"v1", 80}, {"v2", 10}, {"v3", 0}, {"v4", 10}};
  CHECK(share_before(plan) == doctest::Approx(0.1));
  CHECK(weights(plan, share_before(plan)) == plan.before);
  struct Case {
    double share, v1, v2, v3, v4;
  };
  for (const auto& c : {Case{0.1, 80, 10, 0, 10}, Case{0.4, 160.0 / 3, 260.0 / 9, 100.0 / 9, 60.0 / 9},
                        Case{1, 0, 200.0 / 3, 100.0 / 3, 0}}) {
    CAPTURE(c.share);
    const auto at = weights(plan, c.share);
    CHECK(at[0].weight == doctest::Approx(c.v1));
    CHECK(at[1].weight == doctest::Approx(c.v2));
    CHECK(at[2].weight == doctest::Approx(c.v3));
    CHECK(at[3].weight == doctest::Approx(c.v4));
    CHECK(at[1].weight + at[2].weight == doctest::Approx(100 * c.share));
  }
}

TEST_CASE("targets as text, and back") {
  struct Case {
    const char *given, *text;
  };
  for (const auto& c :
       {Case{"v2", "v2"}, Case{"v2=7", "v2"}, Case{"v2, v3", "v2,v3"}, Case{"v2=2,v3=2", "v2,v3"},
        Case{"v2=2,v3", "v2=2,v3=1"}, Case{"v2=0.5,v3=1", "v2=0.5,v3=1"}}) {
    CAPTURE(c.given);
    Plan plan;
    const auto targets = parse_targets(c.given);
    REQUIRE(targets.has_value());
    plan.targets = *targets;
    CHECK(targets_text(plan) == c.text);
  }
  for (const char* bad : {"", ",", "v2,", "=1", "v2=", "v2=0", "v2=-1", "v2=nan", "v2=inf", "v2=1e7", "v2=1x",
                          "v2,v2", "v2=1,v3=2,v2=3"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_targets(bad).has_value());
  }
}

TEST_CASE("what caches hold of the targets is the mean of what was answered for as long as they keep it") {
  Plan plan;
  plan.targets = {{"v2", 1}};
  plan.before = {{"v1", 1}, {"v2", 0}};
  plan.steps = {0.2, 1};
  plan.ttl = plan.ttl_before = 9s;  // and a second: caches keep it for 10
  plan.grace = 30s;
  auto rollout = begun(plan);
  View view;
  const auto leased = [&](Duration at) { return leased_share(rollout, view, start + at).value_or(-1); };
  CHECK(leased(5s) == 0);
  rollout.state = tick(rollout, view, start + 10s).state;
  REQUIRE(rollout.state.phase == Phase::moving);
  CHECK(leased(10s) == 0);
  CHECK(leased(15s) == doctest::Approx(0.1));
  CHECK(leased(20s) == doctest::Approx(0.2));
  rollout.state = obey(rollout, {Word::promote, false, {}, {}}, view, start + 20s).value().state;
  CHECK(leased(25s) == doctest::Approx(0.6));
  // Over 20 s, and so evenly.
  rollout.state = obey(rollout, {Word::abort, false, 20s, {}}, view, start + 40s).value().state;
  CHECK(leased(40s) == doctest::Approx(1));
  CHECK(leased(50s) == doctest::Approx(0.75));
  CHECK(leased(60s) == doctest::Approx(0.25));
  CHECK(leased(65s) == doctest::Approx(0.0625));
  CHECK(leased(80s) == doctest::Approx(0));
  view.answered_last = start + 55s;
  CHECK(leased(64s) > 0);
  CHECK(leased(65s) == -1);
}

TEST_CASE("caches hold what was answered with the TTL of before, too") {
  auto rollout = begun(plan_of(words_of("plan bluegreen to=v2 ttl=9s ttl_before=29s")));
  View view;
  const auto leased = [&](Duration at) { return leased_share(rollout, view, start + at); };
  view.answered_last = start;
  CHECK(leased(29s) == 0);
  CHECK_FALSE(leased(30s).has_value());
  view.answered_last.reset();
  rollout.state = tick(rollout, view, start + 30s).state;
  REQUIRE(rollout.state.phase == Phase::moving);
  CHECK(rollout.state.caches_ttl == 9s);
  view.answered_last = start + 31s;
  CHECK(leased(40s).has_value());
  CHECK_FALSE(leased(41s).has_value());
  rollout.state.phase = Phase::done;
  CHECK(leased(60s).has_value());
  CHECK_FALSE(leased(61s).has_value());

  rollout.state = obey(rollout, {Word::undo, false, {}, {}}, view, start + 70s).value().state;
  CHECK(rollout.state.caches_until == start + 100s);
  CHECK(rollout.state.caches_ttl == 29s);
  view.answered_last = start + 69s;
  CHECK(leased(98s).has_value());
  CHECK_FALSE(leased(99s).has_value());
}

TEST_CASE("what is undone is waited for by the TTL that answers have had since") {
  auto rollout = begun(plan_of(words_of("plan bluegreen to=v2 ttl=9s ttl_before=29s grace=5s")));
  rollout.state.phase = Phase::done;
  View view;
  view.held = LeaseEnd{start + 600s, 500s};
  const auto undone = obey(rollout, {Word::undo, false, {}, {}}, view, start + 100s).value().state;
  CHECK(undone.caches_until == start + 605s);
  CHECK(undone.caches_ttl == 500s);
  view.held = LeaseEnd{start + 101s, 500s};
  CHECK(obey(rollout, {Word::undo, false, {}, {}}, view, start + 100s).value().state.caches_until ==
        start + 135s);
}

TEST_CASE("what was answered with a longer TTL since is waited for by a second abort, too") {
  auto rollout = begun(plan_of(words_of("plan bluegreen to=v2 ttl=9s ttl_before=29s grace=5s")));
  rollout.state.phase = Phase::done;
  View view;
  view.held = LeaseEnd{start + 601s, 500s};
  rollout.state = obey(rollout, {Word::undo, false, 100s, {}}, view, start + 100s).value().state;
  REQUIRE(rollout.state.caches_until == start + 706s);
  const auto at_once = obey(rollout, {Word::abort, false, {}, {}}, view, start + 110s).value().state;
  CHECK(at_once.caches_until == start + 606s);
}

TEST_CASE("what goes back at once has gone, whatever the clock says") {
  auto rollout = begun(plan_of(words_of("plan to=v2 steps=50,100 ttl=9s ttl_before=9s")));
  View view;
  rollout.state = tick(rollout, view, start + 10s).state;
  rollout.state = obey(rollout, {Word::abort, false, {}, {}}, view, start + 20s).value().state;
  REQUIRE(rollout.state.phase == Phase::returning);
  for (const Duration at : {-1000s, 15s, 20s, 25s}) {
    CAPTURE(at.count());
    CHECK(share(rollout, start + at) == 0);
    CHECK(tick(rollout, view, start + at).state == rollout.state);
  }
}

TEST_CASE("the margin for caches that do not obey is waited for once") {
  auto rollout = begun(plan_of(words_of("plan bluegreen to=v2 ttl=9s ttl_before=9s grace=100s")));
  View view;
  rollout.state = tick(rollout, view, start + 10s).state;
  view.leased_until = start + 15s;
  view.leased_here = true;
  CHECK(caches_until(rollout, view) == start + 115s);
  CHECK(tick(rollout, view, start + 114s).state.phase == Phase::moving);
  rollout.state = tick(rollout, view, start + 115s).state;
  REQUIRE(rollout.state.phase == Phase::settling);
  CHECK(caches_until(rollout, view) == start + 115s);
  view.measured_since = start + 115s;
  rollout.state = tick(rollout, view, start + 124s).state;
  REQUIRE(rollout.state.phase == Phase::holding);
  const auto done = tick(rollout, view, start + 124s);
  CHECK(done.notes.front().text == "v2 has 100 %, and no cache holds what was answered before");
}

TEST_CASE(
    "what a rollout waits for is told when it is another thing, kept up to date, and over when it goes on") {
  auto rollout =
      begun(plan_of(words_of("plan to=v2 steps=10,100 hold=60s ttl=5s ttl_before=5s analysis=errors:1m")));
  View view;
  Turn turn{rollout.state};
  const auto look = [&](Duration at) {
    turn = tick(rollout, view, start + at);
    rollout.state = turn.state;
    return rollout.state.waits_for;
  };
  view.forbidden = "a freeze until 12:00";
  CHECK(look(1s) == "");
  CHECK(look(6s) == "the next step, 10 % to v2, has to wait: a freeze until 12:00");
  CHECK(turn.notes.size() == 1);
  view.forbidden = "a freeze until 13:00";
  CHECK(look(7s) == "the next step, 10 % to v2, has to wait: a freeze until 13:00");
  CHECK(turn.notes.empty());
  view.forbidden = "v2 is too small";
  CHECK(look(8s) == "the next step, 10 % to v2, has to wait: v2 is too small");
  CHECK(turn.notes.size() == 1);
  view.forbidden.clear();
  CHECK(look(9s) == "");
  REQUIRE(rollout.state.phase == Phase::moving);
  look(15s);
  REQUIRE(rollout.state.phase == Phase::settling);
  view.measured_since = start + 15s;
  view.answers = 100;
  view.answers_of_targets = {30};
  CHECK(look(20s) == "30 of 100 answers were v2's instead of 10 %: the step is not done");
  view.measured_since = start + 20s;
  view.answers_of_targets = {50};
  CHECK(look(21s) == "30 of 100 answers were v2's instead of 10 %: the step is not done");
  CHECK(look(25s) == "50 of 100 answers were v2's instead of 10 %: the step is not done");
  CHECK(turn.notes.empty());
  view.measured_since = start + 25s;
  view.answers_of_targets = {10};
  CHECK(look(30s) == "");
  REQUIRE(rollout.state.phase == Phase::holding);
  CHECK(look(90s) == "the hold is over, but analysis errors has not brought a result yet");
  view.dead_target = "v2";
  view.others_live = false;
  CHECK(look(91s) == "neither v2 is alive nor who would have to take its share");
  CHECK(turn.notes.size() == 1);
  view.dead_target.clear();
  view.others_live = true;
  CHECK(look(92s) == "the hold is over, but analysis errors has not brought a result yet");
  rollout.state = observe(rollout, 0, {Verdict::success, {}, {}, "well"}, view, start + 93s).state;
  CHECK(rollout.state.phase == Phase::moving);
  CHECK(rollout.state.waits_for == "");
  CHECK(rollout.state.reason == "");
}

TEST_CASE(
    "pools that have gone give what they had to the others, and the targets have what they would have") {
  Plan plan;
  plan.targets = {{"v3", 1}, {"v2", 1}};
  plan.before = {{"v1", 60}, {"v4", 30}, {"v2", 10}, {"v3", 0}};
  const std::vector<std::string> all{"v1", "v4", "v2", "v3"}, left{"v4", "new", "v2", "v3"};
  CHECK(is_possible(plan, all));
  CHECK(is_possible(plan, left));
  CHECK_FALSE(is_possible(plan, {"v2", "v3"}));
  CHECK_FALSE(is_possible(plan, {"v1", "v2"}));
  CHECK(weights(plan, 0.12, all) == weights(plan, 0.12));
  for (const double share : {share_before(plan), 0.12, 0.5, 1.0}) {
    CAPTURE(share);
    const auto whole = weights(plan, share);
    const auto parts = weights(plan, share, left);
    REQUIRE(parts.size() == 3);
    CHECK(parts[0].pool == "v4");
    CHECK(parts[0].weight == doctest::Approx(whole[0].weight + whole[1].weight));
    CHECK(parts[1] == whole[2]);
    CHECK(parts[2] == whole[3]);
  }
}

TEST_CASE("a record of before there were several targets is good, and one without its target is not") {
  Plan plan;
  plan.targets = {{"v2", 1}};
  plan.steps = {1};
  plan.before = {{"v1", 1}, {"v2", 0}};
  auto old = to_json(begun(plan));
  old.at("plan").as_object().erase("targets");
  CHECK_FALSE(from_json(old).has_value());
  old.at("plan").as_object()["to"] = "v2";
  const auto read = from_json(old);
  REQUIRE(read.has_value());
  CHECK(read->plan.targets == plan.targets);
  old.at("plan").as_object()["to"] = "v3";
  CHECK_FALSE(from_json(old).has_value());
}

TEST_CASE("what ends a rollout says whether caches hold what was before") {
  auto rollout = begun(plan_of(words_of("plan bluegreen to=v2 ttl=9s ttl_before=9s")));
  View view;
  rollout.state = tick(rollout, view, start + 10s).state;
  REQUIRE(rollout.state.phase == Phase::moving);
  const auto promoted = obey(rollout, {Word::promote, false, {}, {}}, view, start + 12s);
  REQUIRE(promoted.has_value());
  CHECK(promoted->notes.front().text ==
        "v2 has 100 %, and caches may hold what was answered before until 2027-01-15T08:00:20.000Z");
  CHECK(promoted->state.caches_until == start + 20s);
  rollout.state = promoted->state;
  CHECK(leased_share(rollout, view, start + 15s) == doctest::Approx(0.5));
  view.leased_until = start + 11s;  // nobody has asked since
  rollout.state.phase = Phase::moving;
  const auto unasked = obey(rollout, {Word::promote, false, {}, {}}, view, start + 12s);
  CHECK(unasked->notes.front().text == "v2 has 100 %, and no cache holds what was answered before");
  CHECK(unasked->state.caches_until <= start + 12s);
}

TEST_CASE("what cannot be begun is refused") {
  Plan plan;
  plan.name = "www.shop.example.";
  plan.targets = {{"v2", 1}};
  plan.steps = {0.05, 1};
  plan.before = {{"v1", 0}, {"v2", 1}};
  REQUIRE(objection(plan).has_value());
  CHECK(objection(plan)->message == "v2 has all of www.shop.example. already");
  plan.before = {{"v1", 9}, {"v2", 1}};
  REQUIRE(objection(plan).has_value());
  CHECK(objection(plan)->message == "v2 has 10 % of www.shop.example. already, and the first step is 5 %");
  plan.before = {{"v1", 1}, {"v2", 0}};
  CHECK_FALSE(objection(plan).has_value());

  plan.analyses = {{"errors", 20s, 1, 3, 1, true}};
  CHECK_FALSE(objection(plan).has_value());
  plan.steps = {1};
  REQUIRE(objection(plan).has_value());
  CHECK(objection(plan)->message ==
        "analysis errors is relative_to_old, and no step leaves the old pools a share");
  plan.analyses.clear();

  plan.targets = {{"v2", 1}, {"v3", 3}};
  plan.before = {{"v1", 6}, {"v2", 4}, {"v3", 0}};
  plan.steps = {0.5, 1};
  REQUIRE(objection(plan).has_value());
  CHECK(objection(plan)->message == "v2 has 40 % of www.shop.example. already, and would have 25 % of all");
  plan.targets = {{"v2", 2}, {"v3", 3}};
  CHECK_FALSE(objection(plan).has_value());
  plan.targets = {{"v2", 3}, {"v3", 10}};  // just what it has
  plan.before = {{"v1", 2}, {"v2", 3}, {"v3", 8}};
  plan.steps = {1};
  CHECK_FALSE(objection(plan).has_value());
  plan.targets = {{"v2", 2}, {"v3", 3}};
  plan.before = {{"v1", 6}, {"v2", 4}, {"v3", 0}};
  plan.steps = {0.5, 1};
  plan.strategy = Strategy::bluegreen;
  CHECK(objection(plan)->message == "a switch goes to one pool");
  plan.strategy = Strategy::canary;
  plan.client_class = "testers";
  plan.steps = {0.4, 0.5, 1};
  CHECK(objection(plan)->message == "a class is led to one pool, and there are several targets");
}

TEST_CASE("steps") {
  CHECK(parse_steps("1,5,25,50,100").value() == std::vector{0.01, 0.05, 0.25, 0.5, 1.0});
  CHECK(parse_steps("10%, 100%").value() == std::vector{0.1, 1.0});
  CHECK(parse_steps("0.5").value() == std::vector{0.005});
  for (const char* bad : {"", "0", "5,5", "50,10", "101", "1,,2", "ten", "5,", "-1"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_steps(bad).has_value());
  }
}

TEST_CASE("records that are damaged are refused") {
  Plan plan;
  plan.targets = {{"v2", 1}};
  plan.steps = {1};
  plan.before = {{"v1", 1}, {"v2", 0}};
  const auto good = to_json(begun(plan));
  CHECK(from_json(good).has_value());
  CHECK_FALSE(from_json(boost::json::value(3)).has_value());
  for (const char* member : {"id", "by", "started_ms", "plan", "state"}) {
    auto bad = good;
    bad.erase(member);
    CHECK_FALSE(from_json(bad).has_value());
  }
  auto bad = good;
  bad["state"].as_object()["step"] = 1;
  CHECK_FALSE(from_json(bad).has_value());
  bad = good;
  bad["state"].as_object()["phase"] = "moved";
  CHECK_FALSE(from_json(bad).has_value());
}

TEST_CASE("steps by a rule") {
  CHECK(linear_steps(0, 0.25) == std::vector{0.25, 0.5, 0.75, 1.0});
  CHECK(linear_steps(0.5, 0.25) == std::vector{0.75, 1.0});
  CHECK(linear_steps(0, 0.4).size() == 3);
  CHECK(linear_steps(0, 0.3).size() == 4);
  CHECK(linear_steps(0, 0.1).size() == 10);
  CHECK(linear_steps(0, 0.01).size() == 100);
  CHECK(linear_steps(0, 0.33) == std::vector{0.33, 0.66, 1.0});
  CHECK(linear_steps(0, 1) == std::vector{1.0});
  CHECK(linear_steps(0.99, 0.25) == std::vector{1.0});
  CHECK(exponential_steps(0, 10) == std::vector{0.01, 0.1, 1.0});
  CHECK(exponential_steps(0.2, 2) == std::vector{0.4, 0.8, 1.0});
}

TEST_CASE("the earliest times are those of a rollout that nothing holds up") {
  struct Row {
    const char* what;
    const char* plan;
    std::optional<Duration> leased, answered;  // as in View, from the start on
    std::vector<Duration> times;
  };
  const Row rows[] = {
      {"by the TTLs alone", "ttl_before=30s", {}, {}, {31s, 102s, 173s}},
      {"the TTL stays", "ttl_before=5s", {}, {}, {0s, 71s, 142s}},
      {"just asked for", "ttl_before=30s", 31s, 0s, {31s, 102s, 173s}},
      {"asked for a moment ago", "ttl_before=30s", 28s, -3s, {28s, 99s, 170s}},
      {"asked for longer ago than the new TTL", "ttl_before=30s", 11s, -20s, {11s, 71s, 131s}},
      {"nobody asks", "ttl_before=30s", -100s, -131s, {0s, 60s, 120s}},
      {"an analysis is longer than the hold",
       "ttl_before=30s analysis=errors:70s",
       {},
       {},
       {31s, 112s, 193s}},
      {"a switch", "ttl_before=5s bluegreen", {}, {}, {0s, 71s}},
      {"a switch that is analysed before", "ttl_before=5s bluegreen analysis=errors:20s", {}, {}, {20s, 91s}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    Rollout rollout{1,
                    "root",
                    start,
                    plan_of(words_of("plan to=v2 steps=10,100 hold=60s ttl=5s " + std::string(row.plan))),
                    {}};
    rollout.state.since = start;
    rollout.state.caches_until = armed_at(rollout.plan, {}, start).at;
    View view;
    if (row.leased) view.leased_until = start + *row.leased;
    if (row.answered) view.answered_last = start + *row.answered;
    std::vector<Duration> times;
    for (const auto at : earliest_times(rollout, view, at_any_time, start)) times.push_back(at - start);
    CHECK(times == row.times);
  }
}

TEST_CASE("a rollout is armed when caches let go of the TTL of before, and of longer ones from before that") {
  Plan plan = plan_of(words_of("plan to=v2 steps=100 ttl=5s ttl_before=30s"));
  CHECK(armed_at(plan, {}, start).at == start + 31s);
  CHECK(armed_at(plan, LeaseEnd{start + 31s, 30s}, start).at == start + 31s);
  CHECK(armed_at(plan, LeaseEnd{start + 200s, 300s}, start).at == start + 200s);
  CHECK(armed_at(plan, LeaseEnd{start + 20s, 300s}, start).at == start + 31s);
  plan.ttl_before = 5s;
  CHECK(armed_at(plan, LeaseEnd{start + 6s + 1ms, 5s}, start).at == start);
  CHECK(armed_at(plan, LeaseEnd{start + 200s, 300s}, start).at == start + 200s);
}
