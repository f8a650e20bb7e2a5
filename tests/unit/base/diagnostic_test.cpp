// Diagnostics: one line each, in the order in which a person reads the files.
#include "base/diagnostic.hpp"

#include <doctest/doctest.h>

namespace sluice {
namespace {

TEST_CASE("a diagnostic names file, line and column; unknown ones are given as 1") {
  CHECK(to_text(Diagnostic{"a.toml", {3, 14}, "no such key"}) == "a.toml:3:14: error: no such key");
  CHECK(to_text(Diagnostic{"a.toml", {3, 0}, "no such key"}) == "a.toml:3:1: error: no such key");
  CHECK(to_text(Diagnostic{"a.toml", {}, "cannot be read"}) == "a.toml:1:1: error: cannot be read");
}

TEST_CASE("diagnostics are sorted by file, line and column, and stay in order where these are equal") {
  const Diagnostics diagnostics = {
      {"b.zone", {1, 1}, "1"},  {"a.zone", {10, 2}, "2"}, {"a.zone", {9, 7}, "3"},
      {"a.zone", {10, 1}, "4"}, {"a.zone", {}, "5"},      {"a.zone", {9, 7}, "6"},
  };
  CHECK(to_text(diagnostics) ==
        "a.zone:1:1: error: 5\n"
        "a.zone:9:7: error: 3\n"
        "a.zone:9:7: error: 6\n"
        "a.zone:10:1: error: 4\n"
        "a.zone:10:2: error: 2\n"
        "b.zone:1:1: error: 1\n");
  CHECK(to_text(Diagnostics{}).empty());
}

}  // namespace
}  // namespace sluice
