// Sections [rollout.NAME] and [safety], and what steers take from them; freeze windows and when they hold.
#include <doctest/doctest.h>

#include "base/text.hpp"
#include "support.hpp"

namespace sluice::config {
namespace {

using namespace std::chrono_literals;

const Case bad_presets[] = {
    {"two ways to say the steps", "[rollout.a]\nsteps = [10, 100]\nlinear = \"10%\"\n",
     "7:10: 'steps' and 'linear' exclude each other\n"},
    {"steps that do not grow", "[rollout.a]\nsteps = [10, 10]\n",
     "6:14: steps: expected more than the step before, 10, got 10\n"},
    {"steps beyond all", "[rollout.a]\nsteps = [0, 101]\n",
     "6:10: steps: expected a percentage above 0, and 100 at most, got 0\n"
     "6:13: steps: expected a percentage above 0, and 100 at most, got 101\n"},
    {"steps as a text", "[rollout.a]\nsteps = \"1,5\"\n",
     "6:9: steps: expected an array of percentages that grow such as [1, 5, 25, 50, 100], got a string\n"},
    {"an unknown analysis", "[rollout.a]\nanalysis = [\"errors\"]\n",
     "6:13: there is no analysis 'errors'; there are no sections [analysis.NAME]\n"},
    {"an unknown preset",
     "[pool.v1]\nendpoints = [\"192.0.2.1\"]\n[rollout.careful]\n"
     "[steer.\"www.shop.example\"]\npools = { v1 = 1 }\nrollout = \"carefull\"\n",
     "10:11: there is no rollout 'carefull'; did you mean 'careful'?\n"},
    {"more pools than there are",
     "[pool.v1]\nendpoints = [\"192.0.2.1\"]\n"
     "[steer.\"www.shop.example\"]\npools = { v1 = 1 }\npools_min = 2\n",
     "9:13: pools_min: expected at most 1 (its pools), got 2\n"},
    {"no window", "[safety]\nfreeze = [\"Fri 16:00\"]\n",
     "6:11: freeze: 'Fri 16:00' is no freeze window: expected a begin and an end with ' - ' between them\n"},
    {"a weekday that is none", "[safety]\nfreeze = [\"Fre 16:00 - Mon 08:00\"]\n",
     "6:11: freeze: 'Fre 16:00 - Mon 08:00' is no freeze window: expected 'Fre 16:00' to be such as "
     "'Fri 16:00' or '2026-12-20T00:00Z', and the other end alike\n"},
    {"no hour", "[safety]\nfreeze = [\"Fri 24:00 - Mon 08:00\"]\n",
     "6:11: freeze: 'Fri 24:00 - Mon 08:00' is no freeze window: expected 'Fri 24:00' to be such as "
     "'Fri 16:00' or '2026-12-20T00:00Z', and the other end alike\n"},
    {"empty", "[safety]\nfreeze = [\"Fri 16:00 - Fri 16:00\"]\n",
     "6:11: freeze: 'Fri 16:00 - Fri 16:00' is no freeze window: it ends when it begins\n"},
    {"backwards", "[safety]\nfreeze = [\"2026-12-21T00:00Z - 2026-12-20T00:00Z\"]\n",
     "6:11: freeze: '2026-12-21T00:00Z - 2026-12-20T00:00Z' is no freeze window: it ends before it begins\n"},
    {"step_max of nothing", "[safety]\nstep_max = \"0%\"\n",
     "6:12: step_max: expected 1% to 100%, got \"0%\"\n"},
};

TEST_CASE("presets and safety rules that are refused") { check_errors(bad_presets); }

TEST_CASE("a preset has what is written, and nothing else") {
  const auto result = load_after_head(
      "[analysis.errors]\ntype = \"probes\"\n"
      "[rollout.careful]\nsteps = [0.5, 5, 100]\nhold = \"10m\"\ngates = true\nttl = \"5s\"\n"
      "analysis = [\"errors\"]\n[rollout.fast]\nexponential = 4\n");
  REQUIRE(result.config.has_value());
  const auto* careful = result.config->find_preset("careful");
  const auto* fast = result.config->find_preset("fast");
  REQUIRE(careful != nullptr);
  REQUIRE(fast != nullptr);
  CHECK(careful->steps == std::vector{0.5, 5.0, 100.0});
  CHECK(careful->hold == 10min);
  CHECK(careful->gates);
  CHECK(careful->ttl == 5s);
  CHECK(careful->analysis == std::vector<std::string>{"errors"});
  CHECK_FALSE(careful->linear.has_value());
  CHECK(fast->exponential == 4);
  CHECK_FALSE(fast->hold.has_value());
  CHECK(result.config->find_preset("slow") == nullptr);
}

TEST_CASE("a steer's own safety rules stand beside those of [safety]") {
  const auto result = load_after_head(
      "[safety]\nstep_max = \"25%\"\nendpoints_min = 2\nfreeze = [\"Sat 00:00 - Mon 00:00\"]\n"
      "[pool.v1]\nendpoints = [\"192.0.2.1\"]\n"
      "[steer.\"www.shop.example\"]\npools = { v1 = 1 }\nstep_max = \"50%\"\n"
      "[steer.\"api.shop.example\"]\npools = { v1 = 1 }\n");
  REQUIRE(result.config.has_value());
  const auto& www = result.config->steers[0].safety;
  CHECK(www.step_max == 0.5);
  CHECK(www.endpoints_min == 2);
  CHECK(www.freeze.size() == 1);
  CHECK(result.config->steers[1].safety == result.config->safety);
}

struct Moment {
  const char* name;
  std::vector<const char*> windows;
  const char* now;
  const char* until;  // empty: not frozen
};

// 2026-11-20 is a Friday.
const Moment moments[] = {
    {"before", {"Fri 16:00 - Mon 08:00"}, "2026-11-20T15:59:59Z", ""},
    {"at its begin", {"Fri 16:00 - Mon 08:00"}, "2026-11-20T16:00:00Z", "2026-11-23T08:00:00Z"},
    {"over Sunday night", {"Fri 16:00 - Mon 08:00"}, "2026-11-23T07:59:59Z", "2026-11-23T08:00:00Z"},
    {"at its end", {"Fri 16:00 - Mon 08:00"}, "2026-11-23T08:00:00Z", ""},
    {"within a day", {"Wed 09:00 - Wed 10:30"}, "2026-11-25T10:29:00Z", "2026-11-25T10:30:00Z"},
    {"all but an hour", {"Wed 10:00 - Wed 09:00"}, "2026-11-25T09:30:00Z", ""},
    {"all but an hour, later", {"Wed 10:00 - Wed 09:00"}, "2026-11-25T10:00:00Z", "2026-12-02T09:00:00Z"},
    {"once", {"2026-12-20T00:00Z - 2027-01-03T00:00:30Z"}, "2027-01-03T00:00:29Z", "2027-01-03T00:00:30Z"},
    {"once, over", {"2026-12-20T00:00Z - 2027-01-03T00:00Z"}, "2027-01-03T00:00:00Z", ""},
    {"with an offset",
     {"2026-12-20T01:00+01:00 - 2027-01-03T00:00Z"},
     "2026-12-20T00:00:00Z",
     "2027-01-03T00:00:00Z"},
    {"one after the other",
     {"Sat 00:00 - Mon 00:00", "Mon 00:00 - Mon 08:00"},
     "2026-11-21T12:00:00Z",
     "2026-11-23T08:00:00Z"},
    {"before 1970", {"Fri 16:00 - Mon 08:00"}, "1969-12-27T12:00:00Z", "1969-12-29T08:00:00Z"},
};

TEST_CASE("when freeze windows hold, and until when") {
  for (const auto& [name, texts, now, until] : moments) {
    CAPTURE(name);
    std::vector<FreezeWindow> windows;
    for (const auto* text : texts) windows.push_back(parse_freeze_window(text).value());
    const auto freeze = freeze_at(windows, parse_time(now).value());
    REQUIRE(freeze.has_value() == (*until != '\0'));
    if (freeze) CHECK(freeze->until == parse_time(until).value());
  }
}

TEST_CASE("windows that cover all time are walked along for a while only") {
  const std::vector windows{parse_freeze_window("Mon 00:00 - Thu 00:00").value(),
                            parse_freeze_window("Thu 00:00 - Mon 00:00").value()};
  CHECK(freeze_at(windows, Time{1'800'000'000'000ms})->until > Time{1'800'000'000'000ms} + 30 * 24h);
}

}  // namespace
}  // namespace sluice::config
