// Servers on loopback that behave as they are told, and a prober that asks them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include "base/as_result.hpp"
#include "probe/cadence.hpp"
#include "probe/prober.hpp"

namespace sluice::probe {

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

// Never reached but by a defect: the tests wait for what they expect and not for time to pass.
inline constexpr auto guard = 60s;

inline void run_until(asio::io_context& io, const std::function<bool()>& done) {
  const auto end = Clock::now() + guard;
  while (!done()) {
    REQUIRE(Clock::now() < end);
    io.restart();
    io.run_one_for(100ms);
  }
}

// What a server does with a connection; the connection is closed when it returns.
using Behaviour = std::function<asio::awaitable<void>(tcp::socket&)>;

inline asio::awaitable<void> close_at_once(tcp::socket&) { co_return; }

inline constexpr char half_header[] = "HTTP/1.1 200 OK\r\nContent-Le";

// Listens on a port of its own; a server without a behaviour lets the kernel accept, and never looks at it.
class Server {
 public:
  Server(asio::io_context& io, const char* address, Behaviour behaviour, int backlog = 4096)
      : behaviour_(std::make_shared<const Behaviour>(std::move(behaviour))),
        acceptor_(io),
        endpoint_(asio::ip::make_address(address), 0) {
    acceptor_.open(endpoint_.protocol());
    acceptor_.bind(endpoint_);
    acceptor_.listen(backlog);
    endpoint_ = acceptor_.local_endpoint();
    if (*behaviour_) asio::co_spawn(io, accept(acceptor_, behaviour_), asio::detached);
  }
  std::uint16_t port() const { return endpoint_.port(); }
  tcp::endpoint endpoint() const { return endpoint_; }

 private:
  // What a lambda captures is in the lambda: it has to live as long as its coroutines.
  using Kept = std::shared_ptr<const Behaviour>;

  static asio::awaitable<void> accept(tcp::acceptor& acceptor, Kept behaviour) {
    for (;;) {
      auto [failure, socket] = co_await acceptor.async_accept(as_result);
      if (failure) co_return;
      asio::co_spawn(acceptor.get_executor(), serve(std::move(socket), behaviour), asio::detached);
    }
  }
  static asio::awaitable<void> serve(tcp::socket socket, Kept behaviour) {
    co_await (*behaviour)(socket);
    boost::system::error_code ignored;
    socket.shutdown(tcp::socket::shutdown_both, ignored);
  }

  Kept behaviour_;
  tcp::acceptor acceptor_;
  tcp::endpoint endpoint_;
};

// Up to the empty line, or the end of the connection.
template <class Stream>
asio::awaitable<std::string> read_request(Stream& stream) {
  std::string request;
  co_await asio::async_read_until(stream, asio::dynamic_buffer(request), "\r\n\r\n", as_result);
  co_return request;
}

// False when the other side has closed.
template <class Stream>
asio::awaitable<bool> write_text(Stream& stream, std::string text) {
  const auto [failure, size] = co_await asio::async_write(stream, asio::buffer(text), as_result);
  co_return !failure;
}

// The connection ends by RST.
inline void reset(tcp::socket& socket) {
  boost::system::error_code ignored;
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

inline Target make_target(config::CheckType type, const tcp::endpoint& endpoint) {
  Target target;
  target.destination = *parse_address(endpoint.address().to_string());
  target.check.name = "web";
  target.check.type = type;
  target.check.interval = 10min;  // the first probe comes at once; most tests want no second one
  target.check.timeout = 10s;
  target.check.port = endpoint.port();
  target.check.path = "/healthz?deep=1";
  target.check.expect = {{200, 299}};
  return target;
}

inline health::ProbeResult first_result(asio::io_context& io, const Target& target) {
  std::vector<health::ProbeResult> results;
  Prober prober(io.get_executor(), [&](const Target& probed, const health::ProbeResult& result) {
    CHECK(probed == target);
    results.push_back(result);
  });
  prober.set_targets({target});
  run_until(io, [&] { return !results.empty(); });
  return results.front();
}

}  // namespace sluice::probe
