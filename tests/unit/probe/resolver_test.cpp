// Look-ups of hosts: what the system knows, who waits for whom, and that nothing waits for a thread that
// hangs.
#include "probe/resolver.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include <doctest/doctest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "base/clock.hpp"
#include "support.hpp"

namespace sluice::probe {
namespace {

wire::Name name(std::string_view text) { return wire::Name::parse(text).value(); }

// A look-up that hangs for names that begin with "hang", until it is let go; and counts what it is asked.
std::atomic<bool> let_go;
std::atomic<unsigned> lookups, hanging;

Addresses scripted(const wire::Name& host) {
  ++lookups;
  if (host.text().starts_with("hang")) {
    ++hanging;
    while (!let_go) std::this_thread::yield();
    --hanging;
  }
  if (host.text().starts_with("none")) return Error{ErrorCode::not_found, "the name has no address"};
  return std::vector{*parse_address("192.0.2.1")};
}

// Lets all threads end before the next test.
struct Script {
  Script() { let_go = false, lookups = 0; }
  ~Script() {
    let_go = true;
    while (hanging != 0) std::this_thread::yield();
  }
};

// One who waits for a host.
struct Asker {
  Asker(asio::io_context& io, Resolver& resolver, std::string_view host, Duration limit) : timer(io) {
    timer.expires_after(limit);
    asio::co_spawn(io, run(*this, resolver, name(host)), asio::detached);
  }
  static asio::awaitable<void> run(Asker& self, Resolver& resolver, wire::Name host) {
    self.result = co_await resolver.resolve(host, self.timer);
    self.done = true;
  }
  asio::steady_timer timer;
  bool done = false;
  std::optional<Addresses> result;
};

}  // namespace

TEST_CASE("localhost is known to the system, with and without IPv6") {
  const auto found = look_up(name("localhost."));
  REQUIRE_MESSAGE(found.has_value(), found.error().message);
  for (const auto& address : *found)
    CHECK((address == *parse_address("127.0.0.1") || address == *parse_address("::1")));
  CHECK(std::set<Address>(found->begin(), found->end()).size() == found->size());
}

TEST_CASE("results, good and bad") {
  Script script;
  asio::io_context io;
  Resolver resolver(io.get_executor(), scripted);
  Asker good(io, resolver, "web.test", guard), bad(io, resolver, "none.test", guard);
  run_until(io, [&] { return good.done && bad.done; });
  REQUIRE((good.result && good.result->has_value()));
  CHECK(**good.result == std::vector{*parse_address("192.0.2.1")});
  REQUIRE((bad.result && !bad.result->has_value()));
  CHECK(bad.result->error().message == "the name has no address");
}

TEST_CASE("who waits leaves when the time is over, and the thread goes on without it") {
  Script script;
  asio::io_context io;
  Resolver resolver(io.get_executor(), scripted);
  Asker patient(io, resolver, "hang.test", guard);
  run_until(io, [&] { return hanging == 1; });
  Asker asker(io, resolver, "hang.test", 10ms);
  run_until(io, [&] { return asker.done; });
  CHECK_FALSE(asker.result.has_value());
  let_go = true;
  run_until(io, [&] { return patient.done; });
  CHECK(patient.result.has_value());
}

TEST_CASE("a host that hangs is asked for once, and does not hold up others") {
  Script script;
  asio::io_context io;
  Resolver resolver(io.get_executor(), scripted);
  std::vector<std::unique_ptr<Asker>> askers;
  for (int i = 0; i < 100; ++i) askers.push_back(std::make_unique<Asker>(io, resolver, "hang.test", guard));
  run_until(io, [&] { return hanging == 1; });
  Asker other(io, resolver, "web.test", guard);
  run_until(io, [&] { return other.done; });
  CHECK(other.result.has_value());
  CHECK(lookups == 2);
  let_go = true;
  run_until(io,
            [&] { return std::all_of(askers.begin(), askers.end(), [](const auto& a) { return a->done; }); });
  for (const auto& asker : askers) CHECK(asker->result.has_value());
  CHECK(lookups == 2);
}

TEST_CASE("there are no more threads than the limit; hosts that nobody waits for any more are skipped") {
  Script script;
  asio::io_context io;
  Resolver resolver(io.get_executor(), scripted);
  std::vector<std::unique_ptr<Asker>> askers;
  for (std::size_t i = 0; i < 2 * lookups_max; ++i)
    askers.push_back(std::make_unique<Asker>(io, resolver, "hang" + std::to_string(i) + ".test", guard));
  run_until(io, [&] { return hanging == lookups_max; });
  for (const auto& asker : askers) asker->timer.cancel();
  run_until(io,
            [&] { return std::all_of(askers.begin(), askers.end(), [](const auto& a) { return a->done; }); });
  CHECK(lookups == lookups_max);
  let_go = true;
  Asker last(io, resolver, "web.test", guard);
  run_until(io, [&] { return last.done; });
  CHECK(last.result.has_value());
  CHECK(lookups == lookups_max + 1);
}

TEST_CASE("neither forgetting nor the end waits for a thread that hangs") {
  Script script;
  {
    asio::io_context io;
    Resolver resolver(io.get_executor(), scripted);
    Asker asker(io, resolver, "hang.test", guard);
    run_until(io, [&] { return hanging == 1; });
    resolver.forget();
    asker.timer.cancel();
    run_until(io, [&] { return asker.done; });
    CHECK_FALSE(asker.result.has_value());
  }
  CHECK(hanging == 1);
}

}  // namespace sluice::probe
