#include "control/alarm.hpp"

#include <optional>

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

struct Bench {
  boost::asio::io_context io;
  int rung = 0;
  std::optional<SteadyAlarm> alarm{std::in_place, io.get_executor(), [this] { ++rung; }};

  void set_past() { alarm->set_at(std::chrono::steady_clock::now() - 1s); }
};

TEST_CASE("an alarm rings once for each time it is set") {
  Bench bench;
  bench.set_past();
  bench.io.run();
  CHECK(bench.rung == 1);
  bench.set_past();
  bench.io.restart();
  bench.io.run();
  CHECK(bench.rung == 2);
}

TEST_CASE("an alarm that is set anew rings for the last time only") {
  Bench bench;
  bench.alarm->set_after(1h);
  bench.set_past();
  bench.io.run();
  CHECK(bench.rung == 1);
}

TEST_CASE(
    "an alarm whose time has come does not ring when it is cleared, set later or destroyed before its turn") {
  Bench bench;
  bench.set_past();
  const auto turn = [&](auto change) {
    boost::asio::post(bench.io, change);  // runs before what the timer brings
    bench.io.poll();
    CHECK(bench.rung == 0);
  };
  SUBCASE("cleared") {
    turn([&] { bench.alarm->clear(); });
  }
  SUBCASE("set later") {
    turn([&] { bench.alarm->set_after(1h); });
  }
  SUBCASE("destroyed") {
    turn([&] { bench.alarm.reset(); });
  }
}

TEST_CASE("an alarm may be destroyed by what it calls") {
  boost::asio::io_context io;
  std::optional<WallAlarm> alarm;
  int rung = 0;
  alarm.emplace(io.get_executor(), [&] {
    alarm.reset();
    ++rung;
  });
  alarm->set_after(1ms);
  io.run();
  CHECK(rung == 1);
}

}  // namespace
}  // namespace sluice::control
