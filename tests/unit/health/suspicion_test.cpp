// When all fails at once, the checker is the suspect.
#include "health/suspicion.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::health;
using namespace std::chrono_literals;

namespace {

Time at(Duration since_start) { return Time(1'000'000s) + since_start; }

Evidence evidence(char symbol) {
  return symbol == '+' ? Evidence::success : symbol == '?' ? Evidence::answer : Evidence::silence;
}

// "a+ 100ms, b- 200ms, c? 300ms": successes, silence and bad answers of the targets a, b, ...; ends with '!'
// for suspected, '.' for not.
char run(const std::vector<std::vector<Suspicion::Id>>& pools, const std::string& sound,
         const std::vector<std::pair<std::string, Duration>>& results) {
  Suspicion suspicion;
  suspicion.set_pools(8, pools);
  for (const char target : sound) suspicion.assume_sound(static_cast<Suspicion::Id>(target - 'a'));
  for (const auto& [what, time] : results)
    suspicion.result(static_cast<Suspicion::Id>(what[0] - 'a'), evidence(what[1]), at(time));
  return suspicion.suspected_since() ? '!' : '.';
}

}  // namespace

TEST_CASE("suspicion") {
  using Pools = std::vector<std::vector<Suspicion::Id>>;
  const Pools two{{0, 1}, {2}}, three{{0}, {1}, {2}}, one{{0, 1, 2}}, shared{{0}, {0}};
  struct {
    std::string name;
    Pools pools;
    std::string sound;
    std::vector<std::pair<std::string, Duration>> results;
    char expected;
  } const rows[] = {
      {"all of two pools", two, "abc", {{"a-", 0ms}, {"b-", 300ms}, {"c-", 600ms}}, '!'},
      {"not all of them", two, "abc", {{"a-", 0ms}, {"c-", 600ms}}, '.'},
      {"one pool may well be dead", one, "abc", {{"a-", 0ms}, {"b-", 300ms}, {"c-", 600ms}}, '.'},
      {"one address in two pools is one address", shared, "a", {{"a-", 0ms}, {"a-", 1s}}, '.'},
      {"another pool is well",
       three,
       "abc",
       {{"a-", 0ms}, {"b-", 100ms}, {"c+", 200ms}, {"a-", 1s}, {"b-", 1100ms}},
       '.'},
      {"another pool says nothing: it may be probed seldom",
       three,
       "abc",
       {{"a-", 0ms}, {"b-", 100ms}, {"a-", 1s}, {"b-", 1600ms}, {"a-", 1h}},
       '.'},
      {"a success ends it", two, "abc", {{"a-", 0ms}, {"b-", 300ms}, {"c-", 600ms}, {"b+", 1300ms}}, '.'},
      {"failures after it are the targets' own",
       two,
       "abc",
       {{"a-", 0ms}, {"b-", 300ms}, {"c-", 600ms}, {"b+", 1300ms}, {"a-", 2s}, {"c-", 2600ms}},
       '.'},
      {"a bad answer ends it", two, "abc", {{"a-", 0ms}, {"b-", 300ms}, {"c-", 600ms}, {"b?", 1300ms}}, '.'},
      {"bad answers of all are an outage", two, "abc", {{"a?", 0ms}, {"b?", 300ms}, {"c?", 600ms}}, '.'},
      {"a bad answer clears what was silent before",
       two,
       "abc",
       {{"c-", 0ms}, {"a?", 300ms}, {"b-", 600ms}, {"a-", 1300ms}, {"b-", 9s}},
       '.'},
      {"a bad answer makes nobody sound",
       two,
       "c",
       {{"a?", 0ms}, {"a-", 1s}, {"c-", 1600ms}, {"c-", 9s}},
       '.'},
      {"who answered badly and was well is silent with the others",
       two,
       "ac",
       {{"a?", 0ms}, {"a-", 1s}, {"c-", 1600ms}},
       '!'},
      {"what was bad before does not count", two, "ac", {{"b-", 0ms}, {"a-", 100ms}, {"c-", 600ms}}, '!'},
      {"nobody was ever well", two, "", {{"a-", 0ms}, {"b-", 300ms}, {"c-", 600ms}}, '.'},
      {"only one pool was well", two, "c", {{"a-", 0ms}, {"b-", 300ms}, {"c-", 600ms}, {"c-", 9s}}, '.'},
      {"a success makes sound",
       two,
       "",
       {{"a+", 0ms}, {"c+", 10ms}, {"a-", 1s}, {"b-", 1300ms}, {"c-", 1600ms}},
       '!'},
      {"one after the other, hours apart, but none well in between",
       {{0}, {1}},
       "ab",
       {{"a-", 0ms}, {"b-", 2h}},
       '!'},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CHECK(run(row.pools, row.sound, row.results) == row.expected);
  }
}

TEST_CASE("who failed since the last success is listed, to be as it was before") {
  Suspicion suspicion;
  suspicion.set_pools(3, {{0, 1}, {2}});
  for (const Suspicion::Id target : {0U, 1U, 2U}) suspicion.assume_sound(target);
  CHECK(suspicion.result(0, Evidence::silence, at(0s)) == Turn::none);
  CHECK(suspicion.result(1, Evidence::silence, at(1s)) == Turn::none);
  CHECK(suspicion.result(2, Evidence::silence, at(2s)) == Turn::began);
  CHECK(suspicion.suspected_since() == at(2s));
  CHECK(suspicion.failed() == std::set<Suspicion::Id>{0, 1, 2});
  CHECK(suspicion.result(0, Evidence::silence, at(3s)) == Turn::none);
  CHECK(suspicion.result(1, Evidence::success, at(4s)) == Turn::ended);
  CHECK(!suspicion.suspected_since());
  CHECK(suspicion.failed().empty());
}

TEST_CASE("a new list of pools does not end a suspicion") {
  Suspicion suspicion;
  suspicion.set_pools(2, {{0}, {1}});
  suspicion.assume_sound(0);
  suspicion.assume_sound(1);
  suspicion.result(0, Evidence::silence, at(0s));
  suspicion.result(1, Evidence::silence, at(1s));
  suspicion.set_pools(3, {{0}, {1}, {2}});
  CHECK(suspicion.suspected_since() == at(1s));
  CHECK(suspicion.result(2, Evidence::silence, at(2s)) == Turn::none);
  CHECK(suspicion.result(0, Evidence::success, at(3s)) == Turn::ended);
}

TEST_CASE("a suspicion ends with the last target that could end it") {
  Suspicion suspicion;
  suspicion.set_pools(2, {{0}, {1}});
  suspicion.nobody_answered(at(0s));
  CHECK(suspicion.set_pools(1, {{0}, {}}) == Turn::none);
  CHECK(suspicion.set_pools(1, {{}, {}}) == Turn::ended);
  CHECK_FALSE(suspicion.suspected_since());
  CHECK(suspicion.set_pools(0, {}) == Turn::none);
}

TEST_CASE("what has failed goes over to a new list of pools") {
  Suspicion suspicion;
  suspicion.set_pools(2, {{0}, {1}});
  suspicion.assume_sound(0);
  suspicion.assume_sound(1);
  suspicion.result(0, Evidence::silence, at(0s));
  suspicion.set_pools(3, {{2}, {1, 2}, {0}});
  suspicion.assume_failed(2);
  CHECK(suspicion.failed() == std::set<Suspicion::Id>{2});
  SUBCASE("to be suspected with what fails next") {
    suspicion.assume_sound(1);
    CHECK(suspicion.result(1, Evidence::silence, at(1s)) == Turn::began);
  }
  SUBCASE("in any order") {
    suspicion.assume_sound(1);
    suspicion.assume_sound(0);
    CHECK(suspicion.result(1, Evidence::silence, at(1s)) == Turn::none);
    CHECK(suspicion.result(0, Evidence::silence, at(1s)) == Turn::began);
  }
}

TEST_CASE("who is asked before a target falls") {
  using Pools = std::vector<std::vector<Suspicion::Id>>;
  const struct {
    std::string name;
    Pools pools;
    std::string sound, silent;  // the last one is about to fall
    std::string asked;
  } rows[] = {
      {"one of each other pool", {{0, 1}, {2}, {3}}, "abcd", "a", "cd"},
      {"not of its own", {{0, 1}}, "ab", "a", ""},
      {"not who was never well", {{0}, {1, 2}}, "ac", "a", "c"},
      {"not who is silent, too", {{0}, {1, 2}}, "abc", "ba", "c"},
      {"who is silent, too, when there is nobody else", {{0}, {1}}, "ab", "ba", "b"},
      {"each once", {{0}, {1}, {1}}, "ab", "a", "b"},
      {"nobody for one that was not well", {{0}, {1}}, "b", "a", ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    Suspicion suspicion;
    suspicion.set_pools(8, row.pools);
    const auto id = [](char target) { return static_cast<Suspicion::Id>(target - 'a'); };
    for (const char target : row.sound) suspicion.assume_sound(id(target));
    for (const char target : row.silent) suspicion.result(id(target), Evidence::silence, at(0s));
    auto asked = suspicion.whom_to_ask(id(row.silent.back()));
    std::sort(asked.begin(), asked.end());
    std::string text;
    for (const auto target : asked) text += static_cast<char>('a' + target);
    CHECK(text == row.asked);
  }
}

TEST_CASE("questions are bounded, and go to others each time") {
  constexpr Suspicion::Id pools = 20;
  Suspicion suspicion;
  std::vector<std::vector<Suspicion::Id>> members;
  for (Suspicion::Id pool = 0; pool < pools; ++pool) members.push_back({2 * pool, 2 * pool + 1});
  suspicion.set_pools(2 * pools, members);
  for (Suspicion::Id target = 0; target < 2 * pools; ++target) suspicion.assume_sound(target);
  suspicion.result(0, Evidence::silence, at(0s));
  std::set<Suspicion::Id> all;
  for (unsigned i = 0; i < 2 * pools; ++i) {
    const auto asked = suspicion.whom_to_ask(0);
    CHECK(asked.size() == asked_max);
    all.insert(asked.begin(), asked.end());
  }
  CHECK(all.size() == 2 * (pools - 1));
}

TEST_CASE("when nobody has answered, what was silent is held") {
  Suspicion suspicion;
  suspicion.set_pools(3, {{0}, {1, 2}});
  for (const Suspicion::Id target : {0U, 1U, 2U}) suspicion.assume_sound(target);
  suspicion.result(0, Evidence::silence, at(0s));
  suspicion.result(1, Evidence::silence, at(1s));
  CHECK_FALSE(suspicion.suspected_since());  // c has not been silent
  CHECK(suspicion.nobody_answered(at(2s)) == Turn::began);
  CHECK(suspicion.nobody_answered(at(3s)) == Turn::none);
  CHECK(suspicion.suspected_since() == at(2s));
  CHECK(suspicion.result(2, Evidence::success, at(4s)) == Turn::ended);
}

TEST_CASE("while suspected, all pools are asked again, those first that were not silent") {
  Suspicion suspicion;
  suspicion.set_pools(3, {{0}, {1, 2}});
  for (const Suspicion::Id target : {0U, 1U, 2U}) suspicion.assume_sound(target);
  suspicion.result(0, Evidence::silence, at(0s));
  suspicion.result(1, Evidence::silence, at(1s));
  suspicion.nobody_answered(at(2s));
  CHECK(suspicion.whom_to_ask_again() == std::vector<Suspicion::Id>{2});
  suspicion.result(2, Evidence::silence, at(3s));
  CHECK(suspicion.whom_to_ask_again().size() == 2);
}

TEST_CASE("a silence from before the end is late") {
  Suspicion suspicion;
  CHECK_FALSE(suspicion.is_late(at(0s), at(1s)));
  suspicion.set_pools(2, {{0}, {1}});
  suspicion.assume_sound(0);
  suspicion.assume_sound(1);
  suspicion.result(0, Evidence::silence, at(0s));
  suspicion.result(1, Evidence::silence, at(1s));
  CHECK_FALSE(suspicion.is_late(at(1s), at(2s)));
  suspicion.result(0, Evidence::answer, at(10s));
  CHECK(suspicion.is_late(at(9s), at(11s)));
  CHECK_FALSE(suspicion.is_late(at(10s), at(11s)));
  CHECK_FALSE(suspicion.is_late(at(4s), at(5s)));  // the clock was set back
}

TEST_CASE("a connection that was taken before the latest silence is outdated") {
  Suspicion suspicion;
  suspicion.set_pools(3, {{0}, {1}, {2}});
  for (const Suspicion::Id target : {0U, 1U, 2U}) suspicion.assume_sound(target);
  CHECK_FALSE(suspicion.is_outdated(at(0s), at(5s)));
  suspicion.result(0, Evidence::silence, at(1s));
  suspicion.result(0, Evidence::silence, at(4s));  // again
  CHECK(suspicion.is_outdated(at(0s), at(5s)));
  CHECK_FALSE(suspicion.is_outdated(at(1s), at(5s)));
  suspicion.result(1, Evidence::silence, at(4s));
  CHECK(suspicion.is_outdated(at(1s), at(5s)));
  CHECK_FALSE(suspicion.is_outdated(at(1s), at(3s)));  // the clock was set back
  suspicion.nobody_answered(at(6s));
  CHECK(suspicion.is_outdated(at(5s), at(7s)));
  suspicion.result(2, Evidence::silence, at(8s));
  CHECK_FALSE(suspicion.is_outdated(at(7s), at(9s)));  // since the suspicion, something got through
  suspicion.result(0, Evidence::answer, at(10s));
  CHECK_FALSE(suspicion.is_outdated(at(0s), at(11s)));
}

TEST_CASE("who leaves is missed by nobody") {
  using Pools = std::vector<std::vector<Suspicion::Id>>;
  const struct {
    std::string name;
    Pools pools;
    std::string silent_before, leaves, silent_after;
    bool suspected;
  } rows[] = {
      {"it would never be silent: the others suffice", {{0, 1}, {2}}, "", "b", "ac", true},
      {"also when they have been silent already", {{0, 1}, {2}}, "a", "b", "c", true},
      {"its pool is one of several no more", {{0}, {1, 2}}, "", "a", "bc", false},
      {"it was silent itself", {{0, 1}, {2}}, "b", "b", "ac", true},
      {"and its pool was broken", {{0}, {1}, {2}}, "ab", "a", "c", true},
      {"twice", {{0, 1}, {2}}, "", "bb", "ac", true},
      {"the last that was held", {{0}, {1}}, "ab", "ab", "", false},
      {"not the last that was held", {{0}, {1}, {2}}, "abc", "ab", "", true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    Suspicion suspicion;
    suspicion.set_pools(3, row.pools);
    const auto id = [](char target) { return static_cast<Suspicion::Id>(target - 'a'); };
    for (const Suspicion::Id target : {0U, 1U, 2U}) suspicion.assume_sound(target);
    for (const char target : row.silent_before) suspicion.result(id(target), Evidence::silence, at(1s));
    for (const char target : row.leaves) suspicion.leave(id(target), at(2s));
    for (const char target : row.silent_after) suspicion.result(id(target), Evidence::silence, at(3s));
    CHECK(suspicion.suspected_since().has_value() == row.suspected);
    for (const char target : row.leaves) CHECK_FALSE(suspicion.failed().contains(id(target)));
  }
}

TEST_CASE("trouble is over when it was quiet for a while") {
  Trouble trouble;
  CHECK(trouble.over(at(0s)) == Turn::none);
  CHECK(trouble.met("too many open files", at(0s)) == Turn::began);
  CHECK(trouble.met("too many open files", at(5s)) == Turn::none);
  CHECK(trouble.reason() == "too many open files");
  CHECK(trouble.over(at(14s)) == Turn::none);
  CHECK(trouble.since() == at(0s));
  CHECK(trouble.over(at(15s)) == Turn::ended);
  CHECK(!trouble.since());
}
