#include "base/clock.hpp"

#include <doctest/doctest.h>

using namespace sluice;
using namespace std::chrono_literals;

TEST_CASE("the clock for deciding begins as the wall clock does, and goes on") {
  const auto first = deciding_now();
  CHECK(std::chrono::abs(wall_now() - first) < 1s);
  auto last = first;
  while (last < first + 20ms) {
    const auto now = deciding_now();
    REQUIRE(now >= last);
    last = now;
  }
  CHECK(std::chrono::abs(wall_now() - last) < 1s);
}
