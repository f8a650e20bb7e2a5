// The prober against real sockets on loopback.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <sched.h>
#include <spdlog/sinks/ostream_sink.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/steady_timer.hpp>

#include "base/log.hpp"
#include "probe/agenda.hpp"
#include "support.hpp"

using namespace sluice;
using namespace sluice::probe;
using namespace std::chrono_literals;

namespace {

std::string last_request;

asio::awaitable<void> keep_request(tcp::socket& socket) { last_request = co_await read_request(socket); }

asio::awaitable<void> say_nothing(tcp::socket& socket) {
  co_await keep_request(socket);
  co_await keep_request(socket);  // ends when the prober closes
}

template <const char* text>
asio::awaitable<void> respond(tcp::socket& socket) {
  co_await keep_request(socket);
  co_await write_text(socket, text);
}

constexpr char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
constexpr char ok_without_body[] = "HTTP/1.1 204 No Content\r\n\r\n";
constexpr char ok_huge[] = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nthe body never ends";
constexpr char ok_chunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a chunk";
constexpr char ok_old[] = "HTTP/1.0 200 Whatever\r\n\r\n";
constexpr char ok_after_hints[] = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
constexpr char unavailable[] = "HTTP/1.1 503 Service Unavailable\r\n\r\n";
constexpr char redirect[] = "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n";
constexpr char garbage[] = "220 mail.shop.example ESMTP\r\n\r\n";
constexpr char bad_field[] = "HTTP/1.1 200 OK\r\nthis is no field\r\n\r\n";
constexpr char binary[] = "\x15\x03\x01\x02\x02\x16";

asio::awaitable<void> reset_in_header(tcp::socket& socket) {
  co_await keep_request(socket);
  co_await write_text(socket, half_header);
  reset(socket);
}

// Once the prober has gone, so that the answer is late however slow we are.
asio::awaitable<void> respond_late(tcp::socket& socket) {
  co_await keep_request(socket);
  co_await read_request(socket);
  co_await write_text(socket, ok);
}

asio::awaitable<void> hints_forever(tcp::socket& socket) {
  co_await keep_request(socket);
  for (int i = 0; i < 100; ++i) co_await write_text(socket, "HTTP/1.1 103 Early Hints\r\n\r\n");
}

asio::awaitable<void> endless_header(tcp::socket& socket) {
  co_await keep_request(socket);
  co_await write_text(socket, "HTTP/1.1 200 OK\r\n");
  const std::string field = "X-Filler: " + std::string(1000, 'x') + "\r\n";
  for (;;) {
    const auto [failure, size] = co_await asio::async_write(socket, asio::buffer(field), as_result);
    if (failure) co_return;
  }
}

asio::awaitable<void> endless_line(tcp::socket& socket) {
  co_await keep_request(socket);
  const std::string part(1000, 'H');
  co_await write_text(socket, "HTTP/1.1 200 ");
  for (;;) {
    const auto [failure, size] = co_await asio::async_write(socket, asio::buffer(part), as_result);
    if (failure) co_return;
  }
}

asio::awaitable<void> octet_by_octet(tcp::socket& socket) {
  co_await keep_request(socket);
  socket.set_option(tcp::no_delay(true));
  asio::steady_timer timer(socket.get_executor());
  for (const char octet : std::string(ok)) {
    co_await write_text(socket, std::string(1, octet));
    timer.expires_after(1ms);
    co_await timer.async_wait(as_result);
  }
}

asio::awaitable<void> trickle_forever(tcp::socket& socket) {
  co_await keep_request(socket);
  co_await write_text(socket, "HTTP/1.1 200 OK\r\nX-Slow: ");
  asio::steady_timer timer(socket.get_executor());
  for (boost::system::error_code failure; !failure;) {
    timer.expires_after(5ms);
    co_await timer.async_wait(as_result);
    std::size_t size = 0;
    std::tie(failure, size) = co_await asio::async_write(socket, asio::buffer("x", 1), as_result);
  }
}

Target http_target(const Server& server) { return make_target(config::CheckType::http, server.endpoint()); }
Target tcp_target(const Server& server) { return make_target(config::CheckType::tcp, server.endpoint()); }

}  // namespace

TEST_CASE("what a server does, and what the probe says") {
  constexpr auto http = config::CheckType::http, tcp_only = config::CheckType::tcp;
  struct Row {
    std::string name;
    config::CheckType type;
    Behaviour behaviour;
    Duration timeout;
    bool success;
    std::string detail;
  };
  const Row rows[] = {
      {"tcp: accepted by the kernel only", tcp_only, nullptr, 10s, true, "connected"},
      {"tcp: accepted and closed", tcp_only, close_at_once, 10s, true, "connected"},
      {"200", http, respond<ok>, 10s, true, "200 OK"},
      {"204", http, respond<ok_without_body>, 10s, true, "204 No Content"},
      {"a body too long to read", http, respond<ok_huge>, 10s, true, "200 OK"},
      {"a broken body", http, respond<ok_chunked>, 10s, true, "200 OK"},
      {"HTTP/1.0", http, respond<ok_old>, 10s, true, "200 OK"},
      {"an interim response", http, respond<ok_after_hints>, 10s, true, "200 OK"},
      {"one octet at a time", http, octet_by_octet, 10s, true, "200 OK"},
      {"503", http, respond<unavailable>, 10s, false, "status 503, expected 200-299"},
      {"302 is not followed", http, respond<redirect>, 10s, false, "status 302, expected 200-299"},
      {"interim responses only", http, hints_forever, 10s, false, "status 103, expected 200-299"},
      {"closed at once", http, close_at_once, 10s, false, "connection closed before a response"},
      {"closed within the header", http, respond<half_header>, 10s, false,
       "connection closed within the response's header"},
      {"garbage", http, respond<garbage>, 10s, false, "not HTTP"},
      {"binary garbage", http, respond<binary>, 10s, false, "not HTTP"},
      {"a field that is none", http, respond<bad_field>, 10s, false, "not HTTP"},
      {"an endless header", http, endless_header, 10s, false, "response header longer than 64 KiB"},
      {"an endless line", http, endless_line, 10s, false, "response header longer than 64 KiB"},
      {"reset half way", http, reset_in_header, 10s, false, "connection closed within the response's header"},
      {"answered after the timeout", http, respond_late, 100ms, false,
       "timeout after 100ms while waiting for a response"},
      {"silence", http, say_nothing, 100ms, false, "timeout after 100ms while waiting for a response"},
      {"nobody accepts", http, nullptr, 100ms, false, "timeout after 100ms while waiting for a response"},
      {"a header that never ends, slowly", http, trickle_forever, 100ms, false,
       "timeout after 100ms while waiting for a response"},
  };
  for (const std::string address : {"127.0.0.1", "::1"}) {
    for (const auto& row : rows) {
      CAPTURE(address);
      CAPTURE(row.name);
      asio::io_context io;
      const Server server(io, address.c_str(), row.behaviour);
      auto target = row.type == http ? http_target(server) : tcp_target(server);
      target.check.timeout = row.timeout;
      const auto result = first_result(io, target);
      CHECK(result.success == row.success);
      CHECK(result.detail == row.detail);
      CHECK(result.took >= 0ms);
    }
  }
}

TEST_CASE("a port that nobody listens on") {
  asio::io_context io;
  tcp::acceptor bound(io, tcp::v4());
  bound.bind({asio::ip::address_v4::loopback(), 0});  // keeps others from taking the port
  for (const auto type : {config::CheckType::tcp, config::CheckType::http}) {
    const auto result = first_result(io, make_target(type, bound.local_endpoint()));
    CHECK_FALSE(result.success);
    CHECK(result.detail == "connection refused");
  }
}

Target at_host(Target target, std::string_view host) {
  target.destination = wire::parse_host(host).value();
  return target;
}

TEST_CASE("a host is looked up, probed at its addresses, and asked for by its name") {
  asio::io_context io;
  const Server server(io, "127.0.0.1", respond<ok>);
  const auto result = first_result(io, at_host(http_target(server), "localhost."));
  CHECK(result.success);
  CHECK(result.detail == "127.0.0.1: 200 OK");
  CHECK(last_request.find("\r\nHost: localhost:" + std::to_string(server.port()) + "\r\n") !=
        std::string::npos);
  const Server bad(io, "127.0.0.1", respond<unavailable>);
  const auto refused = first_result(io, at_host(http_target(bad), "localhost."));
  CHECK_FALSE(refused.success);
  CHECK(refused.detail.ends_with("127.0.0.1: status 503, expected 200-299"));
  CHECK(first_result(io, at_host(tcp_target(server), "localhost.")).detail == "127.0.0.1: connected");
}

TEST_CASE("a host that cannot be looked up is down") {
  asio::io_context io;
  const Server server(io, "127.0.0.1", nullptr);
  // RFC 6761, 6.4: it never exists; a machine without name servers may need longer to say so than the
  // timeout.
  auto target = at_host(tcp_target(server), "sluice.invalid");
  target.check.timeout = 100ms;
  const auto result = first_result(io, target);
  CHECK_FALSE(result.success);
  const bool known = result.detail == "the name has no address" ||
                     result.detail == "the name cannot be resolved now" ||
                     result.detail == "timeout after 100ms while looking the name up";
  CHECK_MESSAGE(known, result.detail);
}

TEST_CASE("who takes the connection and says nothing has answered, and hangs by itself") {
  const auto answered = [](auto behaviour, config::CheckType type) {
    asio::io_context io;
    const Server server(io, "127.0.0.1", behaviour);
    auto target = tcp_target(server);
    target.check.type = type;
    target.check.timeout = 100ms;
    const auto result = first_result(io, target);
    CHECK_FALSE(result.success);
    CAPTURE(result.detail);
    CHECK(result.detail.starts_with("timeout"));
    return result.answered && result.quiet > Duration{};
  };
  using config::CheckType;
  CHECK(answered(trickle_forever, CheckType::http));
  CHECK(answered(say_nothing, CheckType::http));
  CHECK(answered(say_nothing, CheckType::https));
  CHECK(answered(say_nothing, CheckType::agent));
}

TEST_CASE("what answers from this machine is known as such") {
  asio::io_context io;
  Target refusing;
  {
    const Server server(io, "127.0.0.1", nullptr);
    CHECK(first_result(io, tcp_target(server)).own);
    CHECK(first_result(io, at_host(tcp_target(server), "localhost.")).own);
    refusing = tcp_target(server);
  }
  const auto refused = first_result(io, refusing);
  CHECK(refused.detail == "connection refused");
  CHECK(refused.own);
}

TEST_CASE("a host that does not answer to a connect") {
  asio::io_context io;
  const Server server(io, "127.0.0.1", nullptr, 0);
  // The first connection fills the backlog; the kernel drops what comes after it.
  tcp::socket filler(io);
  filler.connect(server.endpoint());
  auto target = tcp_target(server);
  target.check.timeout = 50ms;
  const auto result = first_result(io, target);
  CHECK_FALSE(result.success);
  CHECK(result.detail == "timeout after 50ms while connecting");
  CHECK(result.took >= 50ms);
}

TEST_CASE("the request") {
  asio::io_context io;
  const Server server(io, "127.0.0.1", respond<ok>);
  auto target = http_target(server);
  CHECK(first_result(io, target).success);
  CHECK(last_request == "GET /healthz?deep=1 HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) +
                            "\r\nUser-Agent: sluice/" SLUICE_VERSION "\r\nConnection: close\r\n\r\n");
  target.check.host = "www.shop.example";
  CHECK(first_result(io, target).success);
  CHECK(last_request.find("\r\nHost: www.shop.example\r\n") != std::string::npos);
}

TEST_CASE("the method and further fields of the request") {
  asio::io_context io;
  const Server server(io, "127.0.0.1", respond<ok>);
  auto target = http_target(server);
  target.check.method = "POST";
  target.check.headers = {{"X-Probe", "1"}, {"user-agent", "me"}};
  CHECK(first_result(io, target).success);
  CHECK(last_request ==
        "POST /healthz?deep=1 HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) +
            "\r\nX-Probe: 1\r\nuser-agent: me\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  target.check.method = "PURGE";
  CHECK(first_result(io, target).success);
  CHECK(last_request.starts_with("PURGE /healthz?deep=1 HTTP/1.1\r\n"));
  CHECK(last_request.find("Content-Length") == std::string::npos);
}

TEST_CASE("another address is asked, and the request is for the endpoint all the same") {
  asio::io_context io;
  const Server server(io, "127.0.0.1", respond<ok>);
  auto check = http_target(server).check;
  check.address = *parse_address("127.0.0.1");
  const auto target = target_of({*parse_address("192.0.2.1")}, check);
  CHECK(target.destination == *parse_address("127.0.0.1"));
  CHECK(first_result(io, target).success);
  CHECK(last_request.find("\r\nHost: 192.0.2.1:" + std::to_string(server.port()) + "\r\n") !=
        std::string::npos);
}

TEST_CASE("one check at two ports of one address is two targets, and twice the same is one") {
  asio::io_context io;
  const Server good(io, "127.0.0.1", nullptr);
  tcp::acceptor bound(io, tcp::v4());
  bound.bind({asio::ip::address_v4::loopback(), 0});  // and does not listen
  const auto other = make_target(config::CheckType::tcp, bound.local_endpoint());
  std::vector<std::uint16_t> up, down;
  Prober prober(io.get_executor(), [&](const Target& target, const health::ProbeResult& result) {
    (result.success ? up : down).push_back(target.check.port);
  });
  prober.set_targets({tcp_target(good), other, tcp_target(good)});
  run_until(io, [&] { return up.size() + down.size() >= 2; });
  io.restart();
  io.poll();
  CHECK(up == std::vector{good.port()});
  CHECK(down == std::vector{other.check.port});
}

TEST_CASE("a probe that somebody asks for") {
  asio::io_context io;
  const Server good(io, "127.0.0.1", respond<ok>), bad(io, "127.0.0.1", respond<unavailable>);
  int others = 0;
  Prober prober(io.get_executor(), [&](const Target&, const health::ProbeResult&) { ++others; });
  std::vector<std::string> said;
  const auto note = [&](const Result<health::ProbeResult>& result) {
    said.push_back(result ? result->detail : "cannot: " + result.error().message);
  };
  prober.probe_now(http_target(good), note);
  CHECK(said.empty());
  run_until(io, [&] { return !said.empty(); });
  CHECK(said.back() == "200 OK");
  prober.probe_now(http_target(bad), note);
  run_until(io, [&] { return said.size() == 2; });
  CHECK(said.back() == "status 503, expected 200-299");
  auto push = http_target(good);
  push.check.type = config::CheckType::push;
  prober.probe_now(push, note);
  run_until(io, [&] { return said.size() == 3; });
  CHECK(said.back() == "cannot: a push check is not probed: the service reports to us");
  CHECK(others == 0);
}

TEST_CASE("no more probes are asked for than there may be, and each is told when the prober stops") {
  asio::io_context io;
  const Server server(io, "127.0.0.1", nullptr);
  std::size_t stopped = 0, refused = 0;
  const auto note = [&](const Result<health::ProbeResult>& result) {
    REQUIRE(!result);
    ++(result.error().code == ErrorCode::refused ? refused : stopped);
  };
  {
    Prober prober(io.get_executor(), [](const Target&, const health::ProbeResult&) {});
    for (std::size_t i = 0; i < probes_asked_max + 3; ++i) prober.probe_now(http_target(server), note);
    run_until(io, [&] { return refused == 3; });
    CHECK(stopped == 0);
  }
  CHECK(stopped == probes_asked_max);
  io.restart();
  io.poll();
  CHECK(stopped == probes_asked_max);
}

TEST_CASE("probes come again and again, not faster than the interval, and see a change") {
  asio::io_context io;
  auto server = std::make_unique<Server>(io, "127.0.0.1", nullptr);
  auto target = tcp_target(*server);
  target.check.interval = 20ms;
  target.check.timeout = 20ms;
  std::vector<bool> results;
  const auto start = Clock::now();
  Prober prober(io.get_executor(),
                [&](const Target&, const health::ProbeResult& result) { results.push_back(result.success); });
  prober.set_targets({target});
  run_until(io, [&] { return results.size() >= 10; });
  // The one at once, one for each point of the grid that has passed, and one more at the end.
  const auto most = 2 + static_cast<std::size_t>((Clock::now() - start) / target.check.interval);
  CHECK(results.size() <= most);
  CHECK(std::count(results.begin(), results.end(), true) > 0);
  server.reset();
  run_until(io, [&] { return !results.back(); });
}

TEST_CASE("targets that stay go on undisturbed, new ones start at once, missing ones end") {
  asio::io_context io;
  const Server server(io, "127.0.0.1", nullptr);
  auto stays = tcp_target(server), ends = tcp_target(server), changes = tcp_target(server);
  ends.check.name = "ends";
  changes.check.name = "changes";
  std::vector<std::string> probed;
  Prober prober(io.get_executor(), [&](const Target& target, const health::ProbeResult& result) {
    CHECK(result.success);
    probed.push_back(target.check.name + "/" + to_text(target.check.timeout));
  });
  auto expect = [&](std::vector<std::string> names) {
    run_until(io, [&] { return probed.size() >= names.size(); });
    io.restart();
    io.poll();
    std::sort(probed.begin(), probed.end());
    CHECK(probed == names);
    probed.clear();
  };
  prober.set_targets({stays, ends, changes, stays});
  expect({"changes/10s", "ends/10s", "web/10s"});
  changes.check.timeout = 9s;
  auto starts = tcp_target(server);
  starts.check.name = "starts";
  prober.set_targets({starts, changes, stays});
  expect({"changes/9s", "starts/10s"});
  prober.set_targets({starts, changes, stays});
  prober.set_targets({stays});
  prober.set_targets({stays, ends});
  expect({"ends/10s"});
}

TEST_CASE("a target whose rules alone have changed goes on, and is reported with the new ones") {
  asio::io_context io;
  int asked = 0;
  const Server server(io, "127.0.0.1", [&](tcp::socket& socket) -> asio::awaitable<void> {
    ++asked;
    co_await say_nothing(socket);
  });
  auto target = http_target(server);
  target.check.timeout = 200ms;
  std::vector<Target> probed;
  Prober prober(io.get_executor(),
                [&](const Target& its_target, const health::ProbeResult&) { probed.push_back(its_target); });
  prober.set_targets({target});
  run_until(io, [&] { return asked > 0; });  // the probe is under way
  target.check.fall = 7;
  target.check.hold_down = 1min;
  prober.set_targets({target});
  run_until(io, [&] { return !probed.empty(); });
  target.check.fall = 8;
  prober.set_targets({target});
  io.restart();
  io.poll();
  CHECK(asked == 1);
  REQUIRE(probed.size() == 1);
  CHECK(probed[0].check.fall == 7);
  CHECK(probed[0].check.hold_down == 1min);
}

TEST_CASE("nothing is reported after a stop, and nothing is left open") {
  for (const bool destroyed : {false, true}) {
    CAPTURE(destroyed);
    asio::io_context io;
    const Server server(io, "127.0.0.1", say_nothing);
    int results = 0;
    last_request.clear();
    auto prober = std::make_unique<Prober>(io.get_executor(),
                                           [&](const Target&, const health::ProbeResult&) { ++results; });
    prober->set_targets({http_target(server)});
    run_until(io, [&] { return !last_request.empty(); });  // the probe is under way
    destroyed ? prober.reset() : prober->stop();
    run_until(io, [&] { return last_request.empty(); });  // the server has seen the end of the connection
    io.restart();
    io.poll();
    CHECK(results == 0);
  }
}

TEST_CASE("after a stop the event loop has nothing to wait for") {
  asio::io_context io;
  auto server = std::make_unique<Server>(io, "127.0.0.1", nullptr);
  auto open = http_target(*server), done = tcp_target(*server);
  done.check.name = "done";
  open.check.timeout = done.check.timeout = 10min;
  int results = 0;
  Prober prober(io.get_executor(), [&](const Target&, const health::ProbeResult&) { ++results; });
  prober.set_targets({open, done});
  run_until(io, [&] { return results == 1; });
  prober.stop();
  server.reset();
  io.restart();
  io.run_for(guard);
  CHECK(io.stopped());
  CHECK(results == 1);
}

TEST_CASE("each probe ends at its own deadline, whichever began first") {
  asio::io_context io;
  const Server server(io, "127.0.0.1", nullptr);
  std::vector<Target> targets;
  for (const Duration timeout : {300ms, 100ms, 200ms}) {
    targets.push_back(http_target(server));
    targets.back().check.name = to_text(timeout);
    targets.back().check.timeout = timeout;
  }
  std::vector<std::string> ended;
  Prober prober(io.get_executor(), [&](const Target& target, const health::ProbeResult& result) {
    CHECK(result.took >= target.check.timeout);
    CHECK(result.detail == "timeout after " + target.check.name + " while waiting for a response");
    ended.push_back(target.check.name);
  });
  prober.set_targets(targets);
  run_until(io, [&] { return ended.size() == targets.size(); });
  CHECK(ended == std::vector<std::string>{"100ms", "200ms", "300ms"});
}

TEST_CASE("an agenda does what is due in the order of time, and not what was removed") {
  asio::io_context io;
  std::string done;
  const auto start = Clock::now();
  const auto time_of = [&](char item) { return start + (item - 'a') * 20ms; };
  Agenda<char> agenda(io.get_executor(), [&](char item) {
    CHECK(Clock::now() >= time_of(item));
    done += item;
    if (item == 'b') agenda.add(time_of('a'), 'a'), agenda.remove(time_of('d'), 'd');
  });
  for (const char item : std::string("ecbfd")) agenda.add(time_of(item), item);
  agenda.remove(time_of('c'), 'c');
  run_until(io, [&] { return done.size() == 4; });
  CHECK(done == "baef");
  agenda.add(Clock::now() + 10min, 'z');
  agenda.clear();
  io.restart();
  io.run_for(guard);
  CHECK(io.stopped());
  CHECK(done == "baef");
}

TEST_CASE("a prober may be changed, stopped and destroyed by its own callback") {
  asio::io_context io;
  const Server server(io, "127.0.0.1", nullptr);
  std::vector<Target> targets;
  for (const char* name : {"a", "b", "c"}) {
    targets.push_back(tcp_target(server));
    targets.back().check.name = name;
  }
  int results = 0;
  std::unique_ptr<Prober> prober;
  auto on_result = [&](const Target&, const health::ProbeResult&) {
    if (++results == 3) prober->set_targets({targets[0]}), prober->set_targets(targets);
    if (results == 4) prober->stop(), prober->set_targets(targets);
    if (results == 5) prober.reset();
  };
  prober = std::make_unique<Prober>(io.get_executor(), on_result);
  prober->set_targets(targets);
  run_until(io, [&] { return prober == nullptr; });
  io.restart();
  io.poll();
  CHECK(results == 5);
}

TEST_CASE("an event loop that ends with probes under way") {
  asio::io_context io;
  const Server server(io, "127.0.0.1", nullptr);
  Prober prober(io.get_executor(), [](const Target&, const health::ProbeResult&) {});
  auto other = http_target(server);
  other.check.name = "other";
  prober.set_targets({http_target(server), other});
  io.run_one();
  io.run_one();
}

// ---- Limits
// ----------------------------------------------------------------------------------------------------

namespace {

std::size_t open_files() {
  const auto entries = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries))) -
         1;  // without the listing's own
}

rlim_t lowest_free_file() {
  const int lowest = dup(STDIN_FILENO);
  REQUIRE(lowest >= 0);
  close(lowest);
  return static_cast<rlim_t>(lowest);
}

// While one exists, open files are numbered below `files`.
class OpenFilesLimit {
 public:
  explicit OpenFilesLimit(rlim_t files) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit changed{std::min(files, before_.rlim_max), before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &changed);
  }
  ~OpenFilesLimit() { setrlimit(RLIMIT_NOFILE, &before_); }
  OpenFilesLimit(const OpenFilesLimit&) = delete;
  OpenFilesLimit& operator=(const OpenFilesLimit&) = delete;

 private:
  rlimit before_{};
};

// While one exists, the log is kept instead of written.
class KeptLog {
 public:
  KeptLog() : before_(spdlog::default_logger()) {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(text_);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("kept", std::move(sink)));
  }
  ~KeptLog() { spdlog::set_default_logger(before_); }
  KeptLog(const KeptLog&) = delete;
  KeptLog& operator=(const KeptLog&) = delete;
  std::string text() const { return text_.str(); }

 private:
  std::shared_ptr<spdlog::logger> before_;
  std::ostringstream text_;
};

}  // namespace

TEST_CASE("no more than probes_open_max are open at once, and the others have their turn") {
  const OpenFilesLimit enough(2048);
  asio::io_context io;
  const Server server(io, "127.0.0.1", nullptr);
  std::vector<Target> targets;
  for (std::size_t i = 0; i < probes_open_max + 100; ++i) {
    targets.push_back(http_target(server));
    targets.back().check.name = std::to_string(i);
    targets.back().check.timeout = 300ms;
  }
  std::set<std::string> probed;  // some of them twice, while others wait
  std::size_t late = 0;
  Prober prober(io.get_executor(), [&](const Target& target, const health::ProbeResult& result) {
    CHECK_FALSE(result.success);
    late += result.late > 0ms ? 1 : 0;
    probed.insert(target.check.name);
  });
  const auto before = open_files();
  std::size_t most = 0;
  // So few at a time that they begin at once.
  for (std::size_t count = 0; count < targets.size();) {
    count = std::min(count + begin_at_once_max, targets.size());
    prober.set_targets({targets.begin(), targets.begin() + static_cast<std::ptrdiff_t>(count)});
  }
  run_until(io, [&] {
    io.poll();
    most = std::max(most, open_files() - before);
    return probed.size() == targets.size();
  });
  CHECK(most > 1);
  CHECK(most <= probes_open_max);
  CHECK(late >= 100);  // who has waited for a place says so
}

TEST_CASE("targets that go while they are probed, or wait for that, leave their places to others") {
  const OpenFilesLimit enough(2048);
  asio::io_context io;
  const Server server(io, "127.0.0.1", nullptr);
  std::vector<Target> silent, well;
  for (std::size_t i = 0; i < probes_open_max + 100; ++i) {
    silent.push_back(http_target(server));
    silent.back().check.name = std::to_string(i);
    silent.back().check.timeout = 10min;
    well.push_back(silent.back());
    well.back().check.type = config::CheckType::tcp;
  }
  std::set<std::string> probed;
  Prober prober(io.get_executor(), [&](const Target& target, const health::ProbeResult& result) {
    CHECK(result.detail == "connected");
    probed.insert(target.check.name);
  });
  const auto before = open_files();
  // So few at a time that they begin at once.
  const auto set_all = [&](const std::vector<Target>& targets) {
    for (std::size_t count = 0; count < targets.size();) {
      count = std::min(count + begin_at_once_max, targets.size());
      prober.set_targets({targets.begin(), targets.begin() + static_cast<std::ptrdiff_t>(count)});
    }
  };
  set_all(silent);
  io.poll();
  CHECK(open_files() - before == probes_open_max);
  prober.set_targets({});
  set_all(well);
  run_until(io, [&] { return probed.size() == well.size(); });
}

TEST_CASE("a few new targets begin at once, and many are spread") {
  const OpenFilesLimit enough(2048);
  for (const std::size_t count : {begin_at_once_max, begin_at_once_max + 1}) {
    CAPTURE(count);
    asio::io_context io;
    const Server server(io, "127.0.0.1", nullptr);
    std::vector<Target> targets;
    for (std::size_t i = 0; i < count; ++i) {
      targets.push_back(tcp_target(server));
      targets.back().check.name = std::to_string(i);
      targets.back().check.type = config::CheckType::agent;  // stays open: nothing is said
    }
    Prober prober(io.get_executor(),
                  [](const Target&, const health::ProbeResult&) { FAIL("no result yet"); });
    const auto before = open_files();
    const auto start = Clock::now();
    prober.set_targets(targets);
    io.poll();
    const auto open = open_files() - before;
    if (count == begin_at_once_max) CHECK(open == count);
    // Those that are due by now, however slow this machine is.
    const auto passed = Clock::now() - start;
    const auto is_due = [&](const Target& target) { return first_delay(target, count) <= passed; };
    CHECK(open <= static_cast<std::size_t>(std::count_if(targets.begin(), targets.end(), is_due)));
  }
}

// UBSan looks at an object of a class with virtual functions through a pipe; without descriptors it takes
// each one for an invalid one. ASan stands for it here, as the compiler does not tell of UBSan.
#ifdef __SANITIZE_ADDRESS__
constexpr bool with_sanitizers = true;
#else
constexpr bool with_sanitizers = false;
#endif

TEST_CASE("running out of descriptors is not the endpoint's failure" * doctest::skip(with_sanitizers)) {
  asio::io_context io;
  const Server server(io, "127.0.0.1", nullptr);
  auto target = tcp_target(server);
  target.check.interval = 10ms;
  std::vector<health::ProbeResult> results;
  std::string trouble;
  Prober prober(
      io.get_executor(), [&](const Target&, const health::ProbeResult& result) { results.push_back(result); },
      [&](const Target& lacking, const std::string& reason) {
        CHECK(lacking == target);
        trouble = reason;
      });
  prober.set_targets({target});
  run_until(io, [&] { return !results.empty(); });
  CHECK(trouble.empty());
  results.clear();
  const KeptLog log;
  {
    const OpenFilesLimit none(lowest_free_file());
    run_until(io, [&] { return !log.text().empty(); });
    for (int i = 0; i < 10; ++i) io.run_one_for(1s);  // some more rounds
    CHECK(results.empty());
    CHECK(trouble == "Too many open files");
  }
  run_until(io, [&] { return !results.empty(); });
  CHECK(results.front().success);
  const auto text = log.text();
  CHECK(
      text.find("[warning] probe: check 'web' could not ask 127.0.0.1: Too many open files; its last result "
                "stands") != std::string::npos);
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
}

TEST_CASE("without a route of our own nothing is said about the endpoint") {
  std::string trouble;
  int results = 0;
  bool own_network = false;
  const KeptLog log;
  // The namespace is the thread's alone, and goes with it.
  std::thread([&] {
    own_network = unshare(CLONE_NEWNET) == 0;
    if (!own_network) return;
    asio::io_context io;
    Prober prober(
        io.get_executor(), [&](const Target&, const health::ProbeResult&) { ++results; },
        [&](const Target&, const std::string& reason) { trouble = reason; });
    prober.set_targets(
        {make_target(config::CheckType::tcp, tcp::endpoint(asio::ip::make_address("192.0.2.1"), 80))});
    const auto end = Clock::now() + guard;
    while (results == 0 && trouble.empty() && Clock::now() < end) io.run_one_for(100ms);
  }).join();
  if (!own_network) {
    MESSAGE("not tested: a network namespace of our own needs root");
    return;
  }
  CHECK(results == 0);
  CHECK(trouble == "this machine has no route to the address");
}
