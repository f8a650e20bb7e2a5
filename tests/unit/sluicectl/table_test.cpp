#include "table.hpp"

#include <doctest/doctest.h>

namespace sluice::ctl {
namespace {

TEST_CASE("columns stand below their titles, and no line ends in blanks") {
  Table table({{"NAME"}, {"COUNT", Side::right}, {""}, {"NOTE"}});
  table.add({{"a"}, {"1"}, {"(x)"}, {"first"}});
  table.add({{"größer"}, {"1000"}, {""}, {""}});
  table.add({{"b"}, {"22"}});
  CHECK(table.text(2, false, 100) ==
        "  NAME    COUNT       NOTE\n"
        "  a           1  (x)  first\n"
        "  größer   1000\n"
        "  b          22\n");
}

TEST_CASE("colours do not move columns") {
  Table table({{"A"}, {"B"}});
  table.add({{"long", Colour::good}, {"x", Colour::bad}});
  table.add({{"s", Colour::warning}, {"y"}});
  CHECK(table.text(0, true, 100) ==
        "A     B\n\x1b[32mlong\x1b[0m  \x1b[31mx\x1b[0m\n\x1b[33ms\x1b[0m     y\n");
}

TEST_CASE("the last column is cut to the width, an unused one takes no room") {
  Table table({{"A"}, {""}, {"B"}});
  table.add({{"1"}, {""}, {"0123456789"}});
  CHECK(table.text(0, false, 8) == "A  B\n1  0123…\n");
  CHECK(table.text(0, false, 0) == "A  B\n1  0123456789\n");
}

TEST_CASE("shortened") {
  struct Row {
    const char* text;
    std::size_t width;
    const char* expected;
  };
  const Row rows[] = {{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöüß", 3, "äö…"},
                      {"", 3, ""},       {"abc", 1, "…"},    {"abc", 0, "abc"}};
  for (const auto& row : rows) {
    CAPTURE(row.text);
    CHECK(shortened(row.text, row.width) == row.expected);
  }
}

TEST_CASE("what others wrote cannot command the terminal") {
  CHECK(printable("a\x1b[2Jb\r\nc\x7f") == "a?[2Jb??c?");
  CHECK(printable("ok ä\xc2\x9b"
                  "31m €") == "ok ä?31m €");
  CHECK(printable("\xc2") == "\xc2");
}

}  // namespace
}  // namespace sluice::ctl
