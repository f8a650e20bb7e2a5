// The deciding parts of a probe: what an attempt means, what is asked, and when the next one is due.
#include <algorithm>
#include <array>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <boost/asio/error.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/error.hpp>

#include "probe/attempt.hpp"
#include "probe/cadence.hpp"
#include "probe/runner_client.hpp"

using namespace sluice;
using namespace sluice::probe;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace errc = boost::system::errc;

namespace {

config::Check web_check() {
  config::Check check;
  check.name = "web";
  check.type = config::CheckType::http;
  check.interval = 2s;
  check.timeout = 1s;
  check.port = 80;
  check.path = "/healthz";
  check.expect = {{200, 299}, {301, 301}};
  return check;
}

}  // namespace

TEST_CASE("failures in words") {
  struct Row {
    std::string name;
    Stage stage;
    boost::system::error_code failure;
    std::string detail;
  };
  const Row rows[] = {
      {"refused", Stage::connecting, asio::error::connection_refused, "connection refused"},
      {"no route", Stage::connecting, asio::error::host_unreachable, "no route to host"},
      {"no network", Stage::connecting, asio::error::network_unreachable, "network unreachable"},
      {"reset at once", Stage::connecting, asio::error::connection_reset, "connection reset"},
      {"deadline", Stage::connecting, boost::beast::error::timeout, "timeout after 1s while connecting"},
      {"the kernel's timeout", Stage::connecting, asio::error::timed_out,
       "timeout after 1s while connecting"},
      {"deadline later", Stage::responding, boost::beast::error::timeout,
       "timeout after 1s while waiting for a response"},
      {"end", Stage::responding, http::error::end_of_stream, "connection closed before a response"},
      {"reset", Stage::responding, asio::error::connection_reset, "connection closed before a response"},
      {"reset while writing", Stage::responding, asio::error::broken_pipe,
       "connection closed before a response"},
      {"half a header", Stage::responding, http::error::partial_message,
       "connection closed within the response's header"},
      {"endless header", Stage::responding, http::error::header_limit, "response header longer than 64 KiB"},
      {"endless line", Stage::responding, http::error::buffer_overflow, "response header longer than 64 KiB"},
      {"no version", Stage::responding, http::error::bad_version, "not HTTP"},
      {"a bad field", Stage::responding, http::error::bad_value, "not HTTP"},
      {"deadline in the handshake", Stage::securing, boost::beast::error::timeout,
       "timeout after 1s while shaking hands (TLS)"},
      {"end in the handshake", Stage::securing, asio::error::eof, "connection closed in the TLS handshake"},
      {"deadline in the body", Stage::body, boost::beast::error::timeout,
       "timeout after 1s while reading the response's body"},
      {"end in the body", Stage::body, http::error::partial_message,
       "connection closed within the response's body"},
      {"a broken body", Stage::body, http::error::bad_chunk, "the response's body is broken"},
      {"deadline with an agent", Stage::listening, boost::beast::error::timeout,
       "timeout after 1s while waiting for the agent's line"},
      {"an agent's reset", Stage::listening, asio::error::connection_reset,
       "connection closed before the agent's line had an end"},
      {"another one", Stage::connecting, asio::error::connection_aborted, "Software caused connection abort"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const auto result = judge(web_check(), {row.stage, row.failure, std::nullopt, 5ms});
    REQUIRE(result.has_value());
    CHECK_FALSE(result->success);
    CHECK(result->detail == row.detail);
    CHECK(result->took == 5ms);
  }
}

TEST_CASE("what has come back from the target, or nothing") {
  const struct {
    std::string name;
    Attempt attempt;
    bool answered;
  } rows[] = {
      {"a success", {Stage::done, {}, std::nullopt, 5ms}, true},
      {"a bad status", {Stage::done, {}, 500, 5ms}, true},
      {"refused", {Stage::connecting, asio::error::connection_refused, std::nullopt, 5ms}, true},
      {"reset at once", {Stage::connecting, asio::error::connection_reset, std::nullopt, 5ms}, true},
      {"no route", {Stage::connecting, asio::error::host_unreachable, std::nullopt, 5ms}, false},
      {"no network", {Stage::connecting, asio::error::network_unreachable, std::nullopt, 5ms}, false},
      {"deadline", {Stage::connecting, boost::beast::error::timeout, std::nullopt, 5ms}, false},
      {"the kernel's timeout", {Stage::responding, asio::error::timed_out, std::nullopt, 5ms}, false},
      {"hangs", {Stage::responding, boost::beast::error::timeout, std::nullopt, 5ms}, true},
      {"hangs in the handshake", {Stage::securing, boost::beast::error::timeout, std::nullopt, 5ms}, true},
      {"an agent that hangs", {Stage::listening, boost::beast::error::timeout, std::nullopt, 5ms}, true},
      {"no route any more", {Stage::responding, asio::error::host_unreachable, std::nullopt, 5ms}, false},
      {"end", {Stage::responding, http::error::end_of_stream, std::nullopt, 5ms}, true},
      {"end in the handshake", {Stage::securing, asio::error::eof, std::nullopt, 5ms}, true},
      {"not HTTP", {Stage::responding, http::error::bad_version, std::nullopt, 5ms}, true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CHECK(judge(web_check(), row.attempt)->answered == row.answered);
  }
  Attempt slow{Stage::responding, boost::beast::error::timeout, std::nullopt, 5ms};
  slow.received = true;
  CHECK(judge(web_check(), slow)->answered);
  // When it was heard last is not known.
  CHECK(judge(web_check(), slow)->quiet == 5ms);
  CHECK(judge(web_check(), {Stage::done, {}, 500, 5ms})->quiet == 0ms);
}

TEST_CASE("an answer that came from this machine itself is told apart") {
  Attempt attempt{Stage::done, {}, 200, 5ms};
  CHECK_FALSE(judge(web_check(), attempt)->own);
  attempt.own = true;
  CHECK(judge(web_check(), attempt)->own);
  Attempt silent{Stage::connecting, boost::beast::error::timeout, std::nullopt, 5ms};
  silent.own = true;
  CHECK_FALSE(judge(web_check(), silent)->own);

  for (const auto* own : {"127.0.0.1", "127.9.9.9", "::1"}) CHECK(is_own(*parse_address(own)));
  for (const auto* other : {"192.0.2.1", "2001:db8::1"}) CHECK_FALSE(is_own(*parse_address(other)));
}

TEST_CASE("what we lack ourselves says nothing about the endpoint") {
  for (const auto code :
       {errc::too_many_files_open, errc::too_many_files_open_in_system, errc::no_buffer_space,
        errc::not_enough_memory, errc::address_not_available, errc::address_family_not_supported,
        errc::operation_not_permitted, errc::permission_denied, errc::network_down, errc::invalid_argument}) {
    const auto failure = make_error_code(code);
    CAPTURE(failure.message());
    const auto result = judge(web_check(), {Stage::connecting, failure, std::nullopt, 0ms});
    REQUIRE_FALSE(result.has_value());
    CHECK(result.error().code == ErrorCode::unavailable);
  }
}

TEST_CASE("no network is the endpoint's failure when a router says so, and ours when we have no route") {
  Attempt attempt{Stage::connecting, asio::error::network_unreachable, std::nullopt, 5ms};
  CHECK(judge(web_check(), attempt)->detail == "network unreachable");
  attempt.without_route = true;
  REQUIRE_FALSE(judge(web_check(), attempt).has_value());
  CHECK(judge(web_check(), attempt).error().message == "this machine has no route to the address");
  CHECK(has_route(*parse_address("127.0.0.1")));
}

TEST_CASE("connecting has a deadline of its own when the timeout is long") {
  auto check = web_check();
  check.timeout = 60s;
  const auto text = [&](Stage stage) {
    return judge(check, {stage, boost::beast::error::timeout, std::nullopt, 0ms})->detail;
  };
  CHECK(text(Stage::connecting) == "timeout after 5s while connecting");
  CHECK(text(Stage::responding) == "timeout after 1m while waiting for a response");
}

TEST_CASE("bodies") {
  auto check = web_check();
  const auto judged = [&](BodyFinding finding) {
    Attempt attempt{Stage::done, {}, 200, 0ms};
    attempt.body = finding;
    return *judge(check, attempt);
  };
  check.body = "it is \x1B[1mok";
  CHECK(judged(BodyFinding::found).success);
  CHECK(judged(BodyFinding::found).detail == "200 OK");
  CHECK_FALSE(judged(BodyFinding::missing).success);
  CHECK(judged(BodyFinding::missing).detail == "status 200, but its body has not 'it is [1mok'");
  CHECK(judged(BodyFinding::not_in_begin).detail ==
        "status 200, but the first 64 KiB of its body have not 'it is [1mok'");
  check.body.clear();
  check.body_regex = "^ok$";
  CHECK(judged(BodyFinding::missing).detail == "status 200, but its body has not a match of '^ok$'");
}

TEST_CASE("statuses") {
  struct Row {
    unsigned status;
    bool success;
    std::string detail;
  };
  const Row rows[] = {
      {200, true, "200 OK"},
      {299, true, "299 <unknown-status>"},
      {301, true, "301 Moved Permanently"},
      {302, false, "status 302, expected 200-299, 301"},
      {199, false, "status 199, expected 200-299, 301"},
      {503, false, "status 503, expected 200-299, 301"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.status);
    const auto result = judge(web_check(), {Stage::done, {}, row.status, 0ms});
    REQUIRE(result.has_value());
    CHECK(result->success == row.success);
    CHECK(result->detail == row.detail);
  }
  CHECK(judge(web_check(), {Stage::done, {}, std::nullopt, 0ms})->detail == "connected");
}

TEST_CASE("the Host field") {
  struct Row {
    const char* address;
    std::uint16_t port;
    const char* host;
    std::string field;
  };
  const Row rows[] = {
      {"192.0.2.1", 80, "", "192.0.2.1"},
      {"192.0.2.1", 8080, "", "192.0.2.1:8080"},
      {"2001:db8::1", 80, "", "[2001:db8::1]"},
      {"2001:db8::1", 8080, "", "[2001:db8::1]:8080"},
      {"192.0.2.1", 8080, "www.shop.example", "www.shop.example"},
      {"edge.cdn.example.", 80, "", "edge.cdn.example"},
      {"edge.cdn.example.", 8080, "", "edge.cdn.example:8080"},
      {"edge.cdn.example.", 8080, "www.shop.example", "www.shop.example"},
  };
  for (const auto& row : rows) {
    Target target{*wire::parse_destination(row.address), web_check()};
    target.check.port = row.port;
    target.check.host = row.host;
    CHECK(host_field(target) == row.field);
  }
}

TEST_CASE("the name that a certificate has to be for") {
  const struct {
    const char* destination;
    const char* host;
    const char* sni;
    std::string name;
  } rows[] = {
      {"192.0.2.1", "", "", "192.0.2.1"},
      {"2001:db8::1", "", "", "2001:db8::1"},
      {"edge.cdn.example.", "", "", "edge.cdn.example"},
      {"edge.cdn.example.", "www.shop.example", "", "www.shop.example"},
      {"192.0.2.1", "www.shop.example.:8443", "", "www.shop.example"},
      {"192.0.2.1", "[2001:db8::2]:8443", "", "2001:db8::2"},
      {"192.0.2.1", "www.shop.example", "inner.shop.example", "inner.shop.example"},
  };
  for (const auto& row : rows) {
    Target target{*wire::parse_destination(row.destination), web_check()};
    target.check.type = config::CheckType::https;
    target.check.port = 8443;
    target.check.host = row.host;
    target.check.sni = row.sni;
    CHECK(certificate_name(target) == row.name);
  }
}

TEST_CASE("the target of an endpoint") {
  using config::CheckType;
  const struct {
    const char* name;
    CheckType type;
    const char *endpoint, *own_address, *address, *host;  // empty: none
    std::uint16_t own_port;
    const char *destination, *expected_host;
    std::uint16_t expected_port;
  } rows[] = {
      {"nothing else", CheckType::http, "192.0.2.1", "", "", "", 0, "192.0.2.1", "", 80},
      {"the check's address", CheckType::http, "192.0.2.1", "", "192.0.2.9", "", 0, "192.0.2.9", "192.0.2.1",
       80},
      {"its own", CheckType::http, "192.0.2.1", "a.example", "192.0.2.9", "", 0, "a.example", "192.0.2.1",
       80},
      {"its own port", CheckType::http, "192.0.2.1", "", "", "", 81, "192.0.2.1", "", 81},
      {"both", CheckType::http, "2001:db8::1", "192.0.2.9", "", "", 81, "192.0.2.9", "[2001:db8::1]:81", 81},
      {"a host", CheckType::http, "b.example.", "192.0.2.9", "", "", 0, "192.0.2.9", "b.example", 80},
      {"the check's Host field", CheckType::http, "192.0.2.1", "192.0.2.9", "", "c.example", 0, "192.0.2.9",
       "c.example", 80},
      {"itself as the other one", CheckType::http, "192.0.2.1", "192.0.2.1", "192.0.2.9", "", 0, "192.0.2.1",
       "", 80},
      {"no Host field without HTTP", CheckType::tcp, "192.0.2.1", "192.0.2.9", "", "", 0, "192.0.2.9", "",
       80},
      {"an agent", CheckType::agent, "192.0.2.1", "", "192.0.2.9", "", 81, "192.0.2.9", "", 81},
  };
  for (const auto& row : rows) {
    CAPTURE(std::string(row.name));
    auto check = web_check();
    check.type = row.type;
    check.host = row.host;
    if (*row.address) check.address = *wire::parse_destination(row.address);
    config::Endpoint endpoint{*wire::parse_destination(row.endpoint)};
    if (*row.own_address) endpoint.check_address = *wire::parse_destination(row.own_address);
    endpoint.check_port = row.own_port;
    const auto target = target_of(endpoint, check);
    CHECK(target.destination == *wire::parse_destination(row.destination));
    check.host = row.expected_host;
    check.port = row.expected_port;
    CHECK(target.check == check);
  }
}

TEST_CASE("a probe of one of a host's addresses asks for the host, and may take its part of the time") {
  Target host{*wire::parse_destination("edge.cdn.example"), web_check()};
  const auto target = at_address(host, *parse_address("2001:db8::1"), 250ms);
  CHECK(host_field(target) == "edge.cdn.example");
  CHECK(target.destination == *parse_address("2001:db8::1"));
  CHECK(target.check.timeout == 250ms);
  host.check.host = "www.shop.example";
  CHECK(host_field(at_address(host, *parse_address("192.0.2.1"), 1s)) == "www.shop.example");
}

TEST_CASE("what its addresses say about a host") {
  const Address one = *parse_address("192.0.2.1"), two = *parse_address("2001:db8::2");
  const health::ProbeResult good{true, "200 OK", 1ms}, bad{false, "connection refused", 2ms};
  const Error own{ErrorCode::unavailable, "no descriptors"};
  const struct {
    const char* name;
    std::vector<Tried> tried;
    const char* detail;  // empty: it says nothing
    bool success;
  } rows[] = {
      {"one that is good", {{one, good}}, "192.0.2.1: 200 OK", true},
      {"one that is bad", {{one, bad}}, "192.0.2.1: connection refused", false},
      {"the second is good", {{one, bad}, {two, good}}, "2001:db8::2: 200 OK", true},
      {"both are bad",
       {{one, bad}, {two, bad}},
       "none of 2 addresses; 2001:db8::2: connection refused",
       false},
      {"we lack something, then good", {{one, own}, {two, good}}, "2001:db8::2: 200 OK", true},
      {"we lack something, then bad",
       {{one, own}, {two, bad}},
       "none of 2 addresses; 2001:db8::2: connection refused",
       false},
      {"bad, then we lack something",
       {{one, bad}, {two, own}},
       "none of 2 addresses; 192.0.2.1: connection refused",
       false},
      {"we lack something for all", {{one, own}, {two, own}}, "", false},
      {"none was tried", {}, "", false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    const auto result = judge_host(row.tried, 30ms);
    REQUIRE(result.has_value() == (row.detail[0] != '\0'));
    if (!result) continue;
    CHECK(result->success == row.success);
    CHECK(result->detail == row.detail);
    CHECK(result->took == 30ms);
  }
}

TEST_CASE("a host has answered when one of its addresses has") {
  const Address one = *parse_address("192.0.2.1"), two = *parse_address("2001:db8::2");
  const health::ProbeResult silent{false, "timeout", 1ms};
  auto refused = silent;
  refused.answered = true;
  CHECK(judge_host({{one, refused}, {two, silent}}, 30ms)->answered);
  CHECK_FALSE(judge_host({{one, silent}, {two, silent}}, 30ms)->answered);
  auto hangs = refused;
  hangs.quiet = 1ms;
  CHECK(judge_host({{one, hangs}, {two, silent}}, 30ms)->quiet == 30ms);
  CHECK(judge_host({{one, hangs}, {two, refused}}, 30ms)->quiet == 0ms);
}

TEST_CASE("a host has answered from here when no other machine has") {
  const Address one = *parse_address("127.0.0.1"), two = *parse_address("192.0.2.1");
  const health::ProbeResult silent{false, "timeout", 1ms};
  auto far = silent, here = silent;
  far.answered = here.answered = here.own = true;
  CHECK(judge_host({{one, here}}, 30ms)->own);
  CHECK(judge_host({{one, here}, {two, silent}}, 30ms)->own);
  CHECK_FALSE(judge_host({{one, here}, {two, far}}, 30ms)->own);
  CHECK_FALSE(judge_host({{one, silent}}, 30ms)->own);
}

TEST_CASE("the due time after a probe") {
  struct Row {
    std::string name;
    Duration due, began, now, next;
  };
  const Row rows[] = {
      {"ended at once", 10s, 10s, 10s, 12s},
      {"took its time", 10s, 10s, 11s, 12s},
      {"took all of it", 10s, 10s, 12s, 12s},
      {"took longer: the time that has just passed is still probed", 10s, 10s, 13s, 12s},
      {"took much longer: the times in between are left out", 10s, 10s, 17s, 16s},
      {"took much longer, on the grid", 10s, 10s, 18s, 18s},
      {"before it was due, as the first one", 10s, 8s, 8s, 12s},
      {"as late as a busy machine may be", 10s, 10s + 500ms, 11s, 12s},
      {"late: the next one does not come soon", 10s, 10s + 501ms, 11s, 12s + 1ms},
      {"late, and it took all of its time", 10s, 11s, 13s, 12s + 500ms},
      {"late by an interval", 10s, 12s, 12s, 13s + 500ms},
      {"late by some intervals", 10s, 17s, 17s, 18s + 500ms},
      {"late by some intervals and a little", 10s, 16s + 100ms, 17s, 17s + 600ms},
  };
  const Clock::time_point zero{};
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CHECK(next_due(zero + row.due, 2s, zero + row.began, zero + row.now) == zero + row.next);
  }
}

TEST_CASE("what is due within a beat begins together, and never before it is due") {
  const Clock::time_point zero(1000 * beat);
  struct Row {
    std::chrono::nanoseconds due, begins;
  };
  const Row rows[] = {
      {0ns, 0ns}, {1ns, beat}, {beat - 1ns, beat}, {beat, beat}, {beat + 1ns, 2 * beat}, {-1ns, 0ns},
  };
  for (const auto& row : rows) {
    CAPTURE(row.due.count());
    CHECK(begin_of(zero + row.due) == zero + row.begins);
  }
}

TEST_CASE("phases are fixed, within the interval, and spread over it") {
  std::set<Duration> phases;
  unsigned late = 0;
  for (unsigned i = 0; i < 1000; ++i) {
    Target target{*parse_address("192.0.2.1"), web_check()};
    target.destination =
        Address{Family::v4, {127, 0, static_cast<std::uint8_t>(i / 256), static_cast<std::uint8_t>(i % 256)}};
    const auto phase = phase_of(target);
    REQUIRE(phase >= 0ms);
    REQUIRE(phase < 2s);
    REQUIRE(phase == phase_of(target));
    phases.insert(phase);
    late += phase >= 1s ? 1 : 0;
  }
  CHECK(phases.size() > 700);  // of 2,000 possible ones
  CHECK(late > 400);
  CHECK(late < 600);
  Target one{*parse_address("192.0.2.1"), web_check()}, other = one;
  other.check.name = "other";
  CHECK(phase_of(one) != phase_of(other));
}

TEST_CASE("the first probes of many new targets are spread, and the next ones stand on the grid") {
  for (const auto interval : {Duration(1s), Duration(10s), Duration(10min)}) {
    CAPTURE(interval.count());
    const Duration window = std::min<Duration>(interval, first_window_max);
    constexpr std::size_t count = 3000, slots = 20;
    std::array<std::size_t, slots> in_slot{};
    for (std::size_t i = 0; i < count; ++i) {
      Target target{*parse_address("192.0.2.1"), web_check()};
      target.check.name = std::to_string(i);
      target.check.interval = interval;
      CHECK(first_delay(target, begin_at_once_max) == 0ms);
      const auto first = first_delay(target, count), second = second_delay(target);
      REQUIRE(first >= 0ms);
      REQUIRE(first < window);
      // Or two failures would come at once, of one whose verdict is known from before.
      REQUIRE(second >= first + interval);
      REQUIRE(second < 2 * interval);
      REQUIRE(second % interval == phase_of(target));
      ++in_slot[static_cast<std::size_t>(first * slots / window)];
    }
    for (const auto started : in_slot) {
      CHECK(started > count / slots / 2);
      CHECK(started < count / slots * 2);
    }
  }
}

TEST_CASE("how long a first round may take") {
  struct Row {
    const char* name;
    std::size_t connections, programs;
    Duration time;
  };
  const Row rows[] = {
      {"nothing", 0, 0, 0s},
      {"one", 1, 0, 1s},
      {"as many as begin at once", begin_at_once_max, 0, 1s},
      {"spread", begin_at_once_max + 1, 0, 2s + 1s},
      {"spread, all connections at once", probes_open_max, 0, 2s + 1s},
      {"they wait for each other", probes_open_max + 1, 0, 2s + 2 * 1s},
      {"programs", 0, programs_open_max, 3s},
      {"programs wait for each other", 0, programs_open_max + 1, 2s + 2 * 3s},
      {"both: the longer one counts", probes_open_max, programs_open_max, 2s + 3s},
      {"both: the connections", 4 * probes_open_max, programs_open_max, 2s + 4 * 1s},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    Target connection{*parse_address("192.0.2.1"), web_check()}, program = connection;
    program.check.type = config::CheckType::exec;
    program.check.timeout = 3s;
    std::vector<Target> targets(row.connections, connection);
    targets.insert(targets.end(), row.programs, program);
    CHECK(first_round_time(targets) == row.time);
  }
}

TEST_CASE("rules are what no probe depends on") {
  auto check = web_check();
  check.rise = 3;
  check.fall = 4;
  check.clear = 5;
  check.hold_down = 6s;
  check.hold_down_max = 7s;
  check.slow_start = 8s;
  check.slow = 9ms;
  check.degraded_share = 0.1;
  const Target from{*parse_address("192.0.2.1"), check};
  Target target{from.destination, web_check()};
  take_rules(target, from);
  CHECK(target == from);
  Target other{*parse_address("192.0.2.2"), web_check()};
  other.check.interval = 3s;
  take_rules(other, from);
  CHECK(other.destination == *parse_address("192.0.2.2"));
  CHECK(other.check.interval == 3s);
  CHECK(other.check.rise == 3);
}
