// Durations and instants as people write and read them, and the suggestion for a mistyped word.
#include "base/text.hpp"

#include <vector>

#include <doctest/doctest.h>

#include "base/clock.hpp"

namespace sluice {
namespace {

using namespace std::chrono_literals;

TEST_CASE("comma-separated parts") {
  using Parts = std::vector<std::string_view>;
  CHECK(comma_separated("a, b ,c d") == Parts{"a", "b", "c d"});
  CHECK(comma_separated("a") == Parts{"a"});
  CHECK(comma_separated("") == Parts{""});
  CHECK(comma_separated(",a,") == Parts{"", "a", ""});
}

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

TEST_CASE("printable leaves out what moves a cursor and what is no UTF-8, and cuts between characters") {
  const struct {
    const char* name;
    std::string text, expected;
  } cases[] = {
      {"nothing", "", ""},
      {"words", "it's fine", "it's fine"},
      {"all sizes of characters", "a\u00E4\u20AC\U0001F600", "a\u00E4\u20AC\U0001F600"},
      {"control characters", std::string("a\0\x1B[1m\tb\r\n\x7F", 10), "a[1mb"},
      {"control characters beyond ASCII",
       "a\xC2\x80"
       "b\xC2\x9F"
       "c\xC2\xA0",
       "abc\xC2\xA0"},
      {"what turns the direction of writing", "a\u202E\u200Fb\u2066\uFEFF", "ab"},
      {"line ends beyond ASCII", "a\u2028b\u2029", "ab"},
      {"octets alone",
       "a\x80"
       "b\xFF"
       "c\xC1\x81",
       "abc"},
      {"cut characters", "\xE2\x82(\xF0\x9F\x98", "("},
      {"overlong",
       "\xC0\x8A"
       "a\xE0\x80\x8A"
       "b\xF0\x80\x80\x8A",
       "ab"},
      {"surrogates",
       "\xED\xA0\x80"
       "a",
       "a"},
      {"beyond the last",
       "\xF4\x90\x80\x80"
       "a\xF5\x80\x80\x80",
       "a"},
      {"just fits", "0123456789", "0123456789"},
      {"cut", "0123456789a", "0123456789..."},
      {"cut before a character", "012345678\u20AC", "012345678..."},
      {"what is left out takes no room", "01234\n\n\n56789\n", "0123456789"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    CHECK(printable(c.text, 10) == c.expected);
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

TEST_CASE("a duration that is too long is refused with the limit") {
  CHECK(parse_duration("3654d").error().message == "'3654d' is more than ten years (3653d)");
  CHECK(parse_moment("+4000d", Time{}).error().message == "'4000d' is more than ten years (3653d)");
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

TEST_CASE("times") {
  const struct {
    const char* text;
    const char* expected;  // null: refused
  } cases[] = {
      {"2026-12-01T02:00:00Z", "2026-12-01T02:00:00.000Z"},
      {"2026-12-01t02:00:00z", "2026-12-01T02:00:00.000Z"},
      {"1970-01-01T00:00:01.500Z", "1970-01-01T00:00:01.500Z"},
      {"2026-12-01T02:00:00.25Z", "2026-12-01T02:00:00.250Z"},
      {"2026-12-01T02:00:00.1239999999999999999Z", "2026-12-01T02:00:00.123Z"},
      {"2026-12-01T03:30:00+01:30", "2026-12-01T02:00:00.000Z"},
      {"2026-12-31T22:00:00-05:00", "2027-01-01T03:00:00.000Z"},
      {"2026-12-01T02:00:00-00:00", "2026-12-01T02:00:00.000Z"},
      {"2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"},
      {"9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z"},
      {"2028-02-29T00:00:00Z", "2028-02-29T00:00:00.000Z"},
      {"", nullptr},
      {"2026-12-01", nullptr},
      {"2026-12-01T02:00:00", nullptr},
      {"2026-12-01 02:00:00Z", nullptr},
      {"2026-12-01T02:00Z", nullptr},
      {"2026-13-01T02:00:00Z", nullptr},
      {"2026-02-29T02:00:00Z", nullptr},
      {"2026-12-01T24:00:00Z", nullptr},
      {"2026-12-01T02:60:00Z", nullptr},
      {"2026-12-01T02:00:61Z", nullptr},
      {"2026-12-01T02:00:00.Z", nullptr},
      {"2026-12-01T02:00:00.5", nullptr},
      {"2026-12-01T02:00:00+0100", nullptr},
      {"2026-12-01T02:00:00+24:00", nullptr},
      {"2026-12-01T02:00:00Z ", nullptr},
      {"-026-12-01T02:00:00Z", nullptr},
      {"2026-12-01T02:00:0-Z", nullptr},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    const auto got = parse_time(c.text);
    CHECK((got ? to_text(*got) : "refused") == (c.expected == nullptr ? "refused" : c.expected));
  }
  CHECK(parse_time("tomorrow").error().message ==
        "'tomorrow' is not a time such as \"2026-12-01T02:00:00Z\"");
}

TEST_CASE("moments are times, or so long after now") {
  const auto now = parse_time("2026-12-01T02:00:00Z").value();
  CHECK(parse_moment("+10m", now).value() == now + 10min);
  CHECK(parse_moment("2026-12-01T01:00:00Z", now).value() == now - 1h);
  CHECK(parse_moment("10m", now).error().message ==
        "'10m' is not a time such as \"2026-12-01T02:00:00Z\" or \"+10m\"");
  CHECK_FALSE(parse_moment("+", now).has_value());
  CHECK_FALSE(parse_moment("+-1s", now).has_value());
}

TEST_CASE("is_secret") {
  CHECK(is_secret("open", "open"));
  for (const char* given : {"", "o", "opem", "Open", "open ", "openopen"}) {
    CAPTURE(given);
    CHECK_FALSE(is_secret(given, "open"));
  }
  CHECK_FALSE(is_secret("", ""));  // no secret is nobody's
  CHECK_FALSE(is_secret("x", ""));
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
