#include "screen.hpp"

#include <doctest/doctest.h>

namespace sluice::ctl {
namespace {

TEST_CASE("lines are cut at the terminal's width") {
  struct Row {
    const char* name;
    const char* line;
    std::size_t columns;
    const char* expected;
  };
  const Row rows[] = {
      {"one that fits", "abc", 3, "abc"},
      {"one that does not", "abcd", 3, "ab…"},
      {"characters of several octets", "äöüß", 3, "äö…"},
      {"those that fit", "äöü", 3, "äöü"},
      {"a character of four octets",
       "a\xf0\x9f\x8c\x8d"
       "bc",
       3, "a\xf0\x9f\x8c\x8d…"},
      {"no width is known", "abcd", 0, "abcd"},
      {"one column", "ab", 1, "…"},
      {"nothing", "", 3, ""},
      {"colours take no room", "\x1b[32mabc\x1b[0m", 3, "\x1b[32mabc\x1b[0m"},
      {"a colour ends behind the cut", "\x1b[32mabcd\x1b[0m e", 3, "\x1b[32mab…\x1b[0m"},
      {"a colour that begins behind it changes nothing", "abcd\x1b[31mx\x1b[0m", 3, "ab…\x1b[31m\x1b[0m"},
      {"half an escape", "ab\x1b[3", 2, "ab\x1b[3"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CHECK(cut_line(row.line, row.columns) == row.expected);
  }
}

TEST_CASE("what is drawn fits on the screen, and says what does not") {
  struct Row {
    const char* name;
    const char* text;
    const char* note;
    Screen screen;
    const char* expected;
  };
  const Row rows[] = {
      {"no size is known", "1\n2\n3\n", "gone\n", {0, 0}, "1\n2\n3\ngone\n"},
      {"it fits, with a row for the cursor", "1\n2\n3\n", "", {80, 4}, "1\n2\n3\n"},
      {"it does not", "1\n2\n3\n4\n", "", {80, 4}, "1\n2\n… 2 more lines\n"},
      {"the note fits, too", "1\n2\n", "gone\n", {80, 4}, "1\n2\ngone\n"},
      {"the note goes before the text",
       "1\n2\n3\n",
       "gone\nold\n",
       {80, 5},
       "1\n… 2 more lines\ngone\nold\n"},
      {"no room for any of the text", "1\n2\n", "gone\n", {80, 2}, "… 2 more lines\ngone\n"},
      {"all is cut at the width", "12345\n1\n1\n1\n", "gone\n", {3, 5}, "12…\n1\n… …\ngo…\n"},
      {"empty lines count", "1\n\n2\n\n", "", {80, 4}, "1\n\n… 2 more lines\n"},
      {"one line too many is two that are not shown", "1\n2\n3\n", "", {80, 3}, "1\n… 2 more lines\n"},
      {"nothing", "", "", {80, 4}, ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CHECK(fitted(row.text, row.note, row.screen) == row.expected);
  }
}

}  // namespace
}  // namespace sluice::ctl
