// Durations and instants as people write and read them, and the suggestion for a mistyped word.
#include "base/text.hpp"

#include <vector>

#include <doctest/doctest.h>

#include "base/clock.hpp"

namespace sluice {
namespace {

using namespace std::chrono_literals;

TEST_CASE("parse_duration reads one number and one unit") {
  const struct {
    const char* name;
    const char* text;
    Duration expected;
  } cases[] = {
      {"milliseconds", "250ms", 250ms},
      {"seconds", "2s", 2s},
      {"a fraction", "1.5m", 90s},
      {"hours", "1h", 1h},
      {"days", "2d", 48h},
      {"nothing at all", "0s", 0ms},
      {"less than a millisecond is rounded", "0.6ms", 1ms},
      {"half a second", "0.5s", 500ms},
      {"minutes and not milliseconds", "7m", 7min},
      {"ten years, the most", "3653d", 24h * 3653},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    const auto got = parse_duration(c.text);
    REQUIRE(got.has_value());
    CHECK(got->count() == c.expected.count());
  }
}

TEST_CASE("parse_base64 reads RFC 4648, 10, and nothing else") {
  const struct {
    const char* text;
    const char* octets;  // null: refused
  } cases[] = {{"", ""},
               {"Zg==", "f"},
               {"Zm8=", "fo"},
               {"Zm9v", "foo"},
               {"Zm9vYg==", "foob"},
               {"Zm9vYmE=", "fooba"},
               {"Zm9vYmFy", "foobar"},
               {"Zg=", nullptr},
               {"Zg", nullptr},
               {"Zh==", nullptr},
               {"Zg==Zg==", nullptr},
               {"====", nullptr},
               {"Zm9v\n", nullptr},
               {"Zm-v", nullptr}};
  for (const auto& each : cases) {
    CAPTURE(each.text);
    const auto octets = parse_base64(each.text);
    CHECK(octets.has_value() == (each.octets != nullptr));
    if (octets) CHECK(std::string(octets->begin(), octets->end()) == each.octets);
  }
}

TEST_CASE("parse_duration refuses what is no duration, and shows it") {
  const char* texts[] = {"",      "5",      "s",     "5 s",      " 5s",  "5s ",   "5S",
                         "-1s",   "+1s",    "1h30m", "infs",     "nans", "0x10s", "1e999s",
                         "3654d", "1e300d", "5us",   "5seconds", "1,5s", "ms"};
  for (const char* text : texts) {
    CAPTURE(text);
    const auto got = parse_duration(text);
    REQUIRE_FALSE(got.has_value());
    CHECK(got.error().code == ErrorCode::invalid);
    CHECK(got.error().message.find("'" + std::string(text) + "'") != std::string::npos);
  }
}

TEST_CASE("to_text gives at most the two largest units of a duration") {
  const struct {
    Duration duration;
    const char* expected;
  } cases[] = {
      {0ms, "0ms"},     {1ms, "1ms"},        {999ms, "999ms"}, {1s, "1s"},
      {1999ms, "1s"},   {30s, "30s"},        {60s, "1m"},      {61s, "1m1s"},
      {3600s, "1h"},    {5400s, "1h30m"},    {5401s, "1h30m"}, {24h, "1d"},
      {25h, "1d1h"},    {24h + 59min, "1d"}, {48h + 1s, "2d"}, {23h + 59min, "23h59m"},
      {-90s, "-1m30s"}, {-1ms, "-1ms"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.duration.count());
    CHECK(to_text(c.duration) == c.expected);
  }
}

TEST_CASE("to_text gives an instant as RFC 3339 has it") {
  CHECK(to_text(Time(0ms)) == "1970-01-01T00:00:00.000Z");
  CHECK(to_text(Time(1769860800250ms)) == "2026-01-31T12:00:00.250Z");
  CHECK(to_text(Time(1709251199999ms)) == "2024-02-29T23:59:59.999Z");
  CHECK(to_text(Time(-1ms)) == "1969-12-31T23:59:59.999Z");
}

TEST_CASE("nearest finds what was most likely meant") {
  const std::vector<std::string> keys = {"interval", "timeout", "path", "port", "rise", "fall"};
  const struct {
    const char* name;
    const char* word;
    const char* expected;  // null: nothing
  } cases[] = {
      {"the word itself", "port", "port"},
      {"a letter too few", "timeot", "timeout"},
      {"a letter too many", "intervall", "interval"},
      {"a wrong letter", "fell", "fall"},
      {"two letters swapped in a long word", "itnerval", "interval"},
      {"two letters swapped in a short word are two edits", "aoth", nullptr},
      {"the first of two that are equally near", "pott", "port"},
      {"nothing like it", "weights", nullptr},
      {"empty", "", nullptr},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    const auto got = nearest(c.word, keys);
    CHECK(got.value_or("-") == (c.expected == nullptr ? "-" : c.expected));
  }
  CHECK_FALSE(nearest("port", {}).has_value());
  CHECK(nearest("x", std::vector<std::string>{"y"}).value_or("-") == "y");  // one edit is always allowed
}

}  // namespace
}  // namespace sluice
