// Endpoint health as timelines: one character a probe, one character the verdict after it.
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "health/endpoint.hpp"

using namespace sluice;
using namespace sluice::health;
using namespace std::chrono_literals;

namespace {

Time at_second(std::size_t second) { return Time(1'000'000s + std::chrono::seconds(second)); }

// '+' a success, 's' a slow one, '-' a failure; what an agent says: 'R' drain, 'X' down, '5' up with half of
// its weight.
ProbeResult probe_result(char symbol) {
  switch (symbol) {
    case 's':
      return {true, "200 OK", 300ms};
    case '-':
      return {false, "connection refused", 3ms};
    case 'R':
      return {true, "drain", 3ms, Word::drain};
    case 'X':
      return {false, "down", 3ms, Word::down};
    case '5':
      return {true, "50%", 3ms, Word::none, 0.5};
    default:
      return {true, "200 OK", 3ms};
  }
}

char symbol_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::unknown:
      return '?';
    case Verdict::up:
      return 'U';
    case Verdict::degraded:
      return 'g';
    case Verdict::drained:
      return 'r';
    case Verdict::down:
      return 'd';
  }
  return ' ';
}

// Probes are one second apart; a space is a second without one.
std::string run(const Rules& rules, const std::string& probes) {
  std::string verdicts;
  State state;
  for (std::size_t i = 0; i < probes.size(); ++i) {
    if (probes[i] != ' ') state = step(state, rules, probe_result(probes[i]), at_second(i)).state;
    verdicts += symbol_of(state.verdict);
  }
  return verdicts;
}

Rules counting(unsigned rise, unsigned fall, unsigned clear) {
  Rules rules;
  rules.rise = rise;
  rules.fall = fall;
  rules.clear = clear;
  return rules;
}

Rules holding(Duration hold_down, Duration hold_down_max) {
  Rules rules = counting(1, 1, 1);
  rules.hold_down = hold_down;
  rules.hold_down_max = hold_down_max;
  return rules;
}

Rules with_slow(unsigned rise, unsigned fall) {
  Rules rules = counting(rise, fall, 2 * fall);
  rules.slow = 200ms;
  return rules;
}

struct Row {
  std::string name;
  Rules rules;
  std::string probes;
  std::string verdicts;
};

void check(const std::vector<Row>& rows) {
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CHECK(run(row.rules, row.probes) == row.verdicts);
  }
}

}  // namespace

TEST_CASE("rise and fall") {
  check({
      {"the first success decides at once", counting(2, 3, 6), "+", "U"},
      {"the first failure decides at once", counting(2, 3, 6), "-", "d"},
      {"fall failures in a row bring it down", counting(2, 3, 6), "++---", "UUUUd"},
      {"rise successes in a row bring it up", counting(2, 3, 6), "-+-++", "ddddU"},
      {"a failure in between starts the count of successes anew", counting(3, 1, 2), "-++-+++", "ddddddU"},
      {"rise 1, fall 1: every result decides", counting(1, 1, 1), "+-+--++", "UdUddUU"},
      {"more failures do not make it harder to come up", counting(2, 3, 6), "----++", "dddddU"},
      {"once up, the whole of fall is needed", counting(2, 3, 6), "---++--", "ddddUUU"},
      {"long rows change nothing more", counting(2, 2, 4), "++++++++--------++", "UUUUUUUUUddddddddU"},
  });
}

TEST_CASE("failures add up until a clean run clears them") {
  check({
      {"a success in between does not save it", counting(2, 3, 6), "+-+-+-", "UUUUUd"},
      {"nor do clear less one", counting(2, 3, 4), "+-+++-+++-", "UUUUUUUUUd"},
      {"clear successes in a row do", counting(2, 3, 4), "+-++++-++++-", "UUUUUUUUUUUU"},
      {"clear 1: only failures in a row count", counting(2, 3, 1), "+--+--+--+---", "UUUUUUUUUUUUd"},
      {"while it is down, a flapping endpoint does not rise", counting(3, 2, 4), "+--++-++-++-+++",
       "UUddddddddddddU"},
  });
}

TEST_CASE("the hold-down grows with each fall, up to its bound") {
  check({
      {"none after the first fall", holding(4s, 60s), "+-+", "UdU"},
      {"hold_down after the second", holding(4s, 60s), "+-+-+++++", "UdUddddUU"},
      {"twice as long after the third", holding(4s, 60s), "+-+-++++-++++++++++", "UdUddddUddddddddUUU"},
      {"never longer than hold_down_max", holding(4s, 6s), "+-+-++++-++++++++++", "UdUddddUddddddUUUUU"},
      {"up for as long as hold_down_max: the past is forgotten", holding(4s, 6s), "+-+-++++++++++-+",
       "UdUddddUUUUUUUdU"},
      {"failures while it is held do not lengthen it", holding(4s, 60s), "+-+---+++", "UdUddddUU"},
      {"a hold-down longer than may be is none", holding(4s, 0s), "+-+-+", "UdUdU"},
      {"hold_down 0s: none", holding(0s, 60s), "+-+-+-+-+", "UdUdUdUdU"},
  });
}

TEST_CASE("slow answers degrade") {
  check({
      {"fall slow ones in a row", with_slow(2, 3), "+sss", "UUUg"},
      {"a quick one in between", with_slow(2, 3), "+ss+ss+ss", "UUUUUUUUU"},
      {"rise quick ones in a row end it", with_slow(2, 3), "+ssss+s++",
       "UUUggggg"
       "U"},
      {"it can go down from there", with_slow(2, 2), "+ss--", "UUggd"},
      {"and comes up as any other", with_slow(2, 2), "+ss--ss",
       "UUggdd"
       "U"},
      {"without a limit nothing is slow", counting(2, 3, 6), "+sssss", "UUUUUU"},
  });
}

TEST_CASE("what an endpoint says of itself takes effect at once") {
  check({
      {"drain", counting(2, 3, 6), "+R", "Ur"},
      {"drain as the first word", counting(2, 3, 6), "R", "r"},
      {"up again: it was not ill", counting(2, 3, 6), "+RR+", "UrrU"},
      {"a drained one that fails", counting(2, 3, 6), "+R---", "Urrrd"},
      {"down", counting(2, 3, 6), "+X", "Ud"},
      {"after down it has to rise", counting(2, 3, 6), "+X++", "UddU"},
      {"from down to drained", counting(2, 3, 6), "-R+", "drU"},
      {"a drain is no way around rise", counting(3, 1, 6), "+-R+++", "UdrrUU"},
      {"nor around the hold-down", holding(4s, 60s), "+-+-R++++", "UdUdrrrUU"},
      {"from degraded to drained", with_slow(1, 1), "+sR", "Ugr"},
  });
}

TEST_CASE("each change has its reason") {
  const Rules rules = with_slow(2, 3);
  const std::string probes = "+---++sss++RX";
  const std::map<std::size_t, std::string> reasons{
      {0, "the first result"},          {3, "3 failures"},
      {5, "2 successes in a row"},      {8, "3 slow answers in a row"},
      {10, "2 quick answers in a row"}, {11, "it says so itself"},
      {12, "it says so itself"},
  };
  State state;
  for (std::size_t i = 0; i < probes.size(); ++i) {
    CAPTURE(i);
    const auto next = step(state, rules, probe_result(probes[i]), at_second(i));
    CHECK(next.changed == reasons.contains(i));
    CHECK(next.why == (reasons.contains(i) ? reasons.at(i) : ""));
    CHECK(next.state.since == (next.changed ? at_second(i) : state.since));
    CHECK(next.state.last_at == at_second(i));
    CHECK(next.state.last.detail == probe_result(probes[i]).detail);
    state = next.state;
  }
}

TEST_CASE("verdicts have a text that reads back") {
  for (const auto verdict :
       {Verdict::unknown, Verdict::up, Verdict::degraded, Verdict::drained, Verdict::down})
    CHECK(parse_verdict(to_text(verdict)) == verdict);
  CHECK(!parse_verdict("Up"));
  CHECK(!parse_verdict(""));
}

TEST_CASE("a state by another clock, where what has no time goes on having none") {
  State state;
  state.since = state.held_until = at_second(10);
  const auto ahead = shifted(state, 1h);
  CHECK(ahead.since == at_second(3610));
  CHECK(ahead.held_until == at_second(3610));
  CHECK(ahead.warm_since == Time{});
  CHECK(ahead.last_at == Time{});
  CHECK(shifted(ahead, -1h).since == state.since);
}

TEST_CASE("who falls and is not held down is held until no time") {
  const auto held_until = [](const Rules& rules, const std::string& probes) {
    State state;
    for (std::size_t i = 0; i < probes.size(); ++i)
      state = step(state, rules, probe_result(probes[i]), at_second(i)).state;
    return state.held_until;
  };
  CHECK(held_until(holding(4s, 60s), "+-") == Time{});
  CHECK(held_until(holding(4s, 60s), "+-+-") == at_second(7));
  CHECK(held_until(holding(0s, 60s), "+-+-") == Time{});
}

TEST_CASE("rules that a reload made stricter hold from the next probe on") {
  State state;
  for (std::size_t i = 0; i < 5; ++i)
    state = step(state, counting(2, 9, 18), probe_result("+----"[i]), at_second(i)).state;
  CHECK(state.verdict == Verdict::up);
  CHECK(step(state, counting(2, 2, 4), probe_result('-'), at_second(5)).state.verdict == Verdict::down);
}

TEST_CASE("the share climbs in a slow start, after a recovery only") {
  Rules rules = counting(1, 1, 1);
  rules.slow_start = 32s;
  State state = step({}, rules, probe_result('+'), at_second(0)).state;
  CHECK(share(state, rules, at_second(0)) == 1);
  CHECK(!next_share(state, rules, at_second(0)));
  state = step(state, rules, probe_result('-'), at_second(1)).state;
  CHECK(share(state, rules, at_second(1)) == 0);
  state = step(state, rules, probe_result('+'), at_second(2)).state;

  struct {
    std::size_t second;
    double share;
    std::optional<std::size_t> next;
  } const rows[] = {{2, 1 / 16., 6},    {5, 1 / 16., 6}, {6, 2 / 16., 8}, {18, 8 / 16., 20},
                    {33, 15 / 16., 34}, {34, 1, {}},     {99, 1, {}}};
  for (const auto& row : rows) {
    CAPTURE(row.second);
    CHECK(share(state, rules, at_second(row.second)) == row.share);
    CHECK(next_share(state, rules, at_second(row.second)) ==
          (row.next ? std::optional(at_second(*row.next)) : std::nullopt));
  }
  // A clock that was set back does not stop it from serving.
  CHECK(share(state, rules, at_second(0)) == 1 / 16.);
}

TEST_CASE("share of the degraded, and of what an agent says") {
  Rules rules = with_slow(1, 1);
  rules.degraded_share = 0.25;
  State state = step({}, rules, probe_result('5'), at_second(0)).state;
  CHECK(share(state, rules, at_second(0)) == 0.5);
  state = step(state, rules, probe_result('s'), at_second(1)).state;
  CHECK(state.verdict == Verdict::degraded);
  CHECK(share(state, rules, at_second(1)) == 0.25);
  state = step(state, rules, probe_result('R'), at_second(2)).state;
  CHECK(share(state, rules, at_second(2)) == 0);
  CHECK(share({}, rules, at_second(2)) == 0);
}

TEST_CASE("what an agent has said of its share stands until it says another one") {
  Rules rules;
  rules.rise = rules.fall = 1;
  ProbeResult half{true, "50%", {}}, bare{true, "up", {}}, failed{false, "timeout", {}};
  half.share = 0.5;
  bare.keeps_share = true;
  State state;
  const auto after = [&](const ProbeResult& result, int second) {
    state = step(state, rules, result, at_second(second)).state;
    return share(state, rules, at_second(second));
  };
  CHECK(after(bare, 0) == 1);
  CHECK(after(half, 1) == 0.5);
  CHECK(after(bare, 2) == 0.5);
  CHECK(after(failed, 3) == 0);
  CHECK(after(bare, 4) == 0.5);
  half.share = 1;
  CHECK(after(half, 5) == 1);
}

TEST_CASE("an agent that has said 0% is drained until it says another share") {
  Rules rules;
  rules.rise = rules.fall = 1;
  const auto says = [](std::string detail, bool success, Word word, std::optional<double> share) {
    ProbeResult result{success, std::move(detail), {}};
    result.word = word;
    result.share = share.value_or(1);
    result.keeps_share = !share;
    return result;
  };
  const struct {
    ProbeResult result;
    Verdict verdict;
    double share;
  } rows[] = {
      {says("50%", true, Word::none, 0.5), Verdict::up, 0.5},
      {says("0%", true, Word::drain, 0), Verdict::drained, 0},
      {says("up", true, Word::none, {}), Verdict::drained, 0},
      {says("down", false, Word::down, {}), Verdict::down, 0},
      {says("up", true, Word::none, {}), Verdict::drained, 0},
      {{false, "timeout", {}}, Verdict::down, 0},
      {says("ready", true, Word::none, {}), Verdict::drained, 0},
      {says("drain 40%", true, Word::drain, 0.4), Verdict::drained, 0},
      {says("ready", true, Word::none, {}), Verdict::up, 0.4},
      {says("down 30%", false, Word::down, 0.3), Verdict::down, 0},
      {says("up", true, Word::none, {}), Verdict::up, 0.3},
  };
  State state;
  int second = 0;
  for (const auto& row : rows) {
    CAPTURE(row.result.detail);
    state = step(state, rules, row.result, at_second(++second)).state;
    CHECK(state.verdict == row.verdict);
    CHECK(share(state, rules, at_second(second)) == row.share);
  }
}

TEST_CASE("the least time to a change, where there are signs of one") {
  struct {
    std::string name, probes;
    std::optional<Duration> least;
  } const rows[] = {
      {"well", "++", {}},
      {"one of three failures", "++-", 4s},
      {"two of three", "++--", 2s},
      {"a success after it: they still count", "++--+", 2s},
      {"down", "---", {}},
      {"down, one of three successes", "---+", 4s},
      {"two of three", "---++", 2s},
      {"never probed", "", {}},
      {"one of three slow answers", "++s", 4s},
      {"two of three", "++ss", 2s},
      {"degraded", "sss", {}},
      {"degraded, one of three quick answers", "sss+", 4s},
      {"two of three", "sss++", 2s},
      {"a slow one after them", "sss++s", {}},
      {"degraded, one of three failures", "sss-", 4s},
      {"degraded, and quick ones are nearer than failures", "sss-++", 2s},
      {"quick again", "sss+++", {}},
  };
  Rules rules = counting(3, 3, 6);
  rules.slow = 100ms;
  for (const auto& row : rows) {
    CAPTURE(row.name);
    State state;
    for (std::size_t i = 0; i < row.probes.size(); ++i) {
      auto result = probe_result(row.probes[i]);
      result.took = row.probes[i] == 's' ? 200ms : 0ms;
      state = step(state, rules, result, at_second(2 * i)).state;
    }
    if (row.probes.ends_with('s') && row.least) state.last.took = 0ms;
    CHECK(least_time_to_change(state, rules, 2s) == row.least);
  }
  SUBCASE("from when the last probe was due, which began late and took its time") {
    State state = step({}, rules, probe_result('+'), at_second(0)).state;
    auto failure = probe_result('-');
    failure.took = 900ms;
    failure.late = 200ms;
    CHECK(least_time_to_change(step(state, rules, failure, at_second(2)).state, rules, 2s) == 2900ms);
    failure.took = 5s;
    CHECK(least_time_to_change(step(state, rules, failure, at_second(2)).state, rules, 2s) == 0s);
  }
  SUBCASE("held down for longer") {
    State state;
    const Rules held = holding(60s, 60s);
    for (std::size_t i = 0; i < 5; ++i)
      state = step(state, held, probe_result("+-+-+"[i]), at_second(i)).state;
    CHECK(least_time_to_change(state, held, 1s) == 59s);
  }
}

// What answers are given after a result of a state that has begun to change lives no longer than the state.
TEST_CASE("any sequence: no change comes sooner than the least time to one") {
  constexpr Duration interval = 2s;
  std::mt19937 random(20260301);
  for (int sequence = 0; sequence < 1000; ++sequence) {
    Rules rules = counting(1 + static_cast<unsigned>(random() % 4), 1 + static_cast<unsigned>(random() % 4),
                           1 + static_cast<unsigned>(random() % 8));
    rules.hold_down = rules.hold_down_max = Duration(random() % 9000);
    if (random() % 2 == 0) rules.slow = 700ms;
    State state;
    Time earliest{};  // by what has been counted
    for (int i = 0; i < 60; ++i) {
      auto result = probe_result("+-"[random() % 2]);
      result.late = Duration(random() % 300);
      result.took = Duration(random() % 1600);
      const Time now = at_second(0) + interval * i + result.late + result.took;
      const auto next = step(state, rules, result, now);
      if (next.changed) REQUIRE(now >= earliest);
      if (next.changed) earliest = {};
      state = next.state;
      if (const auto least = least_time_to_change(state, rules, interval))
        earliest = std::max(earliest, now + *least);
    }
  }
}

TEST_CASE("any sequence: the verdict changes by the table only, and the rules say when") {
  std::set<std::pair<Verdict, Verdict>> allowed;
  std::set<std::pair<Verdict, Cause>> seen;
  for (const auto& transition : transitions()) {
    allowed.emplace(transition.from, transition.to);
    CHECK(seen.emplace(transition.from, transition.cause).second);
  }
  std::mt19937 random(20260131);
  for (int sequence = 0; sequence < 1000; ++sequence) {
    Rules rules = with_slow(1 + static_cast<unsigned>(random() % 4), 1 + static_cast<unsigned>(random() % 4));
    rules.clear = 1 + static_cast<unsigned>(random() % 6);
    rules.hold_down = std::chrono::seconds(random() % 5);
    rules.hold_down_max = rules.hold_down * 3;
    State state;
    std::string history;
    for (std::size_t i = 0; i < 100; ++i) {
      history += "++++s---RX"[random() % 10];
      const auto [next, changed, why] = step(state, rules, probe_result(history.back()), at_second(i));
      REQUIRE(changed == (next.verdict != state.verdict));
      if (changed) REQUIRE(allowed.contains({state.verdict, next.verdict}));
      // Said from the history, and not from the counts.
      if (state.verdict == Verdict::down && next.verdict == Verdict::up) {
        REQUIRE(history.size() >= rules.rise);
        REQUIRE(history.substr(history.size() - rules.rise).find_first_of("-X") == std::string::npos);
        REQUIRE(at_second(i) >= state.held_until);
      }
      if (history.ends_with(std::string(rules.fall, '-'))) REQUIRE(next.verdict == Verdict::down);
      const double part = share(next, rules, at_second(i));
      REQUIRE((part > 0) == (next.verdict == Verdict::up || next.verdict == Verdict::degraded));
      REQUIRE(part <= 1);
      state = next;
    }
  }
}
