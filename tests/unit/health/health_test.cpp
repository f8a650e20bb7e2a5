// Endpoint health as timelines: one character a probe, one character the verdict after it.
#include <random>
#include <string>

#include <doctest/doctest.h>

#include "health/endpoint.hpp"

using namespace sluice;
using namespace sluice::health;
using namespace std::chrono_literals;

namespace {

Time at_second(std::size_t second) { return Time(1'000'000s + std::chrono::seconds(second)); }

// Probes are one second apart: '+' a success, '-' a failure.
ProbeResult probe_result(char symbol) {
  return {symbol == '+', symbol == '+' ? "200 OK" : "connection refused", 3ms};
}

char symbol_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::unknown:
      return '?';
    case Verdict::up:
      return 'U';
    case Verdict::down:
      return 'd';
  }
  return ' ';
}

std::string run(const Rules& rules, const std::string& probes) {
  std::string verdicts;
  State state;
  for (std::size_t i = 0; i < probes.size(); ++i) {
    state = step(state, rules, probe_result(probes[i]), at_second(i)).state;
    verdicts += symbol_of(state.verdict);
  }
  return verdicts;
}

}  // namespace

TEST_CASE("timelines") {
  struct Row {
    std::string name;
    Rules rules;
    std::string probes;
    std::string verdicts;
  };
  const Row rows[] = {
      {"the first success decides at once", {2, 3}, "+", "U"},
      {"the first failure decides at once", {2, 3}, "-", "d"},
      {"fall failures in a row bring it down", {2, 3}, "++-+---", "UUUUUUd"},
      {"a success in between starts the count of failures anew", {2, 3}, "+--+--+--+---", "UUUUUUUUUUUUd"},
      {"rise successes in a row bring it up", {2, 3}, "-+-++", "ddddU"},
      {"a failure in between starts the count of successes anew", {3, 1}, "-++-+++", "ddddddU"},
      {"rise 1, fall 1: every result decides", {1, 1}, "+-+--++", "UdUddUU"},
      {"more failures do not make it harder to come up", {2, 3}, "----++", "dddddU"},
      {"once up, the whole of fall is needed", {2, 3}, "---++--+---", "ddddUUUUUUd"},
      {"long rows change nothing more", {2, 2}, "++++++--------++", "UUUUUUUddddddddU"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CHECK(run(row.rules, row.probes) == row.verdicts);
  }
}

TEST_CASE("an endpoint that was never probed is unknown") {
  const State state;
  CHECK(state.verdict == Verdict::unknown);
  CHECK(std::string(to_text(state.verdict)) == "unknown");
}

TEST_CASE("since is the time of the verdict, last_at that of the latest probe") {
  const Rules rules{2, 2};
  const std::string probes = "++---++";
  const std::size_t since[] = {0, 0, 0, 3, 3, 3, 6};
  const bool changed[] = {true, false, false, true, false, false, true};
  State state;
  for (std::size_t i = 0; i < probes.size(); ++i) {
    CAPTURE(i);
    const auto [next, has_changed] = step(state, rules, probe_result(probes[i]), at_second(i));
    CHECK(next.since == at_second(since[i]));
    CHECK(has_changed == changed[i]);
    CHECK(next.last_at == at_second(i));
    CHECK(next.last.success == (probes[i] == '+'));
    CHECK(next.last.detail == probe_result(probes[i]).detail);
    CHECK(next.last.took == 3ms);
    state = next;
  }
}

TEST_CASE("counts stop at the rules' numbers") {
  State state;
  for (std::size_t i = 0; i < 10; ++i) state = step(state, {2, 3}, probe_result('+'), at_second(i)).state;
  CHECK(state.successes == 2);
  CHECK(state.failures == 0);
  for (std::size_t i = 10; i < 20; ++i) state = step(state, {2, 3}, probe_result('-'), at_second(i)).state;
  CHECK(state.successes == 0);
  CHECK(state.failures == 3);
}

TEST_CASE("rules that a reload made stricter hold from the next probe on") {
  State state;
  for (std::size_t i = 0; i < 5; ++i)
    state = step(state, {2, 9}, probe_result("+----"[i]), at_second(i)).state;
  CHECK(state.verdict == Verdict::up);
  CHECK(step(state, {2, 2}, probe_result('-'), at_second(5)).state.verdict == Verdict::down);
}

// The rules once more, from the whole history instead of from counts.
TEST_CASE("any sequence: the verdict changes by the rules only, and always then") {
  std::mt19937 random(20260131);
  for (int sequence = 0; sequence < 500; ++sequence) {
    const Rules rules{1 + static_cast<unsigned>(random() % 4), 1 + static_cast<unsigned>(random() % 4)};
    std::string history;
    State state;
    for (std::size_t i = 0; i < 100; ++i) {
      history += random() % 2 == 0 ? '+' : '-';
      const auto [next, changed] = step(state, rules, probe_result(history.back()), at_second(i));
      const bool rose = history.ends_with(std::string(rules.rise, '+'));
      const bool fell = history.ends_with(std::string(rules.fall, '-'));
      Verdict expected = state.verdict;
      if (i == 0) expected = history == "+" ? Verdict::up : Verdict::down;
      if (state.verdict == Verdict::down && rose) expected = Verdict::up;
      if (state.verdict == Verdict::up && fell) expected = Verdict::down;
      REQUIRE(next.verdict == expected);
      REQUIRE(changed == (next.verdict != state.verdict));
      REQUIRE(next.since == (changed ? at_second(i) : state.since));
      state = next;
    }
  }
}
