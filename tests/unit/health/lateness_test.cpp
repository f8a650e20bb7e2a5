// How late probes begin.
#include "health/lateness.hpp"

#include <doctest/doctest.h>

using namespace sluice;
using namespace sluice::health;
using namespace std::chrono_literals;

namespace {

Time at_second(int second) { return Time(1'000'000s + std::chrono::seconds(second)); }

}  // namespace

TEST_CASE("the greatest lateness is that of the last minute or two") {
  Lateness lateness;
  CHECK(lateness.greatest(at_second(0)) == 0ms);
  lateness.note(3ms, 1s, at_second(0));
  lateness.note(700ms, 1s, at_second(10));
  lateness.note(5ms, 1s, at_second(59));
  CHECK(lateness.greatest(at_second(59)) == 700ms);
  lateness.note(6ms, 1s, at_second(60));
  CHECK(lateness.greatest(at_second(119)) == 700ms);
  lateness.note(4ms, 1s, at_second(120));
  CHECK(lateness.greatest(at_second(120)) == 6ms);
  CHECK(lateness.greatest(at_second(190)) == 4ms);
  CHECK(lateness.greatest(at_second(240)) == 0ms);  // no probe since
  lateness.note(2ms, 1s, at_second(300));
  CHECK(lateness.greatest(at_second(300)) == 2ms);
}

TEST_CASE("probes are late from the first that is later than its interval until a minute without any") {
  Lateness lateness;
  CHECK(lateness.note(1s, 1s, at_second(0)) == Turn::none);
  CHECK(lateness.note(1001ms, 1s, at_second(1)) == Turn::began);
  CHECK(lateness.since() == at_second(1));
  CHECK(lateness.note(1500ms, 2s, at_second(2)) == Turn::none);
  CHECK(lateness.note(3s, 1s, at_second(30)) == Turn::none);
  CHECK(lateness.since() == at_second(1));
  CHECK(lateness.note(0s, 1s, at_second(89)) == Turn::none);
  CHECK(lateness.note(0s, 1s, at_second(90)) == Turn::ended);
  CHECK_FALSE(lateness.since());
  CHECK(lateness.note(0s, 1s, at_second(91)) == Turn::none);
}
