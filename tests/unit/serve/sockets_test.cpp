#include "serve/sockets.hpp"

#include <array>
#include <string>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>

#include "server.hpp"

namespace sluice::serve::test {
namespace {

SocketAddress parse(const std::string& text) { return parse_socket_address(text).value(); }

std::string error_of(const Result<Listener>& result) { return result ? "none" : result.error().message; }

Listener must_listen(const SocketAddress& address, unsigned udp_sockets) {
  auto result = listen(address, udp_sockets);
  if (!result) FAIL(result.error().message);
  return std::move(*result);
}

std::string with_port(const char* host, std::uint16_t port) { return host + std::to_string(port); }

// A socket of somebody else's, bound to a port that the system chooses.
struct Foreign {
  Foreign(int type, int option) : socket(Family::v4, type) {
    const int on = 1;
    if (option != 0) REQUIRE(setsockopt(socket.fd(), SOL_SOCKET, option, &on, sizeof on) == 0);
    const SystemAddress any_port(loopback(Family::v4, 0));
    REQUIRE(bind(socket.fd(), any_port.get(), any_port.size) == 0);
    if (type == SOCK_STREAM) REQUIRE(::listen(socket.fd(), 1) == 0);
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    REQUIRE(getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&bound), &size) == 0);
    port = from_system(reinterpret_cast<const sockaddr*>(&bound)).port;
  }
  Client socket;
  std::uint16_t port = 0;
};

TEST_CASE("a listener has its sockets at one port") {
  for (const char* text : {"127.0.0.1:0", "[::1]:0", "0.0.0.0:0", "[::]:0"}) {
    CAPTURE(text);
    const Listener listener = must_listen(parse(text), 3);
    CHECK(listener.address.address == parse(text).address);
    CHECK(listener.address.port != 0);
    CHECK(listener.udp.size() == 3);
    for (const int fd : {listener.udp[0].get(), listener.udp[2].get(), listener.tcp.get()}) {
      sockaddr_storage bound{};
      socklen_t size = sizeof bound;
      REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) == 0);
      CHECK(from_system(reinterpret_cast<const sockaddr*>(&bound)) == listener.address);
      CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
      // Only who serves UDP waits in the socket.
      CHECK(((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0) == (fd == listener.tcp.get()));
    }
  }
}

TEST_CASE("0.0.0.0 and :: share a port") {
  const Listener v4 = must_listen(parse("0.0.0.0:0"), 1);
  CHECK(error_of(listen(parse(with_port("[::]:", v4.address.port)), 1)) == "none");
}

TEST_CASE("a port that is free again can be bound at once") {
  std::uint16_t port = 0;
  {
    const Server server({"127.0.0.1:0"});
    port = server.address().port;
    Client client(server.address(), SOCK_STREAM);
    REQUIRE(client.send(framed(make_query(1, "a.test"))));
    CHECK(client.read_message().size() > 0);
  }  // the server closes first: its side is in TIME_WAIT
  CHECK(error_of(listen(parse(with_port("127.0.0.1:", port)), 1)) == "none");
}

TEST_CASE("a port in use is refused, whatever the other has set") {
  struct Row {
    const char* name;
    int type;
    int option;
    const char* transport;
  };
  static constexpr std::array rows{
      Row{"UDP", SOCK_DGRAM, 0, "UDP"},
      Row{"UDP with SO_REUSEPORT", SOCK_DGRAM, SO_REUSEPORT, "UDP"},
      Row{"UDP with SO_REUSEADDR", SOCK_DGRAM, SO_REUSEADDR, "UDP"},
      Row{"TCP", SOCK_STREAM, 0, "TCP"},
      Row{"TCP with SO_REUSEPORT", SOCK_STREAM, SO_REUSEPORT, "TCP"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const Foreign foreign(row.type, row.option);
    for (const char* host : {"127.0.0.1:", "0.0.0.0:"}) {
      const std::string address = with_port(host, foreign.port);
      const auto result = listen(parse(address), 2);
      CHECK(error_of(result) ==
            "cannot listen on " + address + " (" + row.transport + "): address already in use");
    }
  }
}

TEST_CASE("a second listener on the same port is refused") {
  for (const char* text : {"127.0.0.1:0", "[::1]:0"}) {
    const Listener first = must_listen(parse(text), 4);
    const auto second = listen(first.address, 4);
    REQUIRE(second.has_error());
    CHECK(second.error().code == ErrorCode::unavailable);
    CHECK(second.error().message ==
          "cannot listen on " + to_text(first.address) + " (UDP): address already in use");
  }
}

TEST_CASE("an address that is not ours is refused") {
  CHECK(error_of(listen(parse("192.0.2.1:0"), 1)) ==
        "cannot listen on 192.0.2.1:0 (UDP): cannot assign requested address");
}

TEST_CASE("datagrams are spread over all sockets of a listener") {
  const Listener listener = must_listen(parse("127.0.0.1:0"), 2);
  for (int i = 0; i < 64; ++i) Client(Family::v4, SOCK_DGRAM).send_to(listener.address, {1});
  for (const Descriptor& socket : listener.udp) {
    pollfd readable{.fd = socket.get(), .events = POLLIN, .revents = 0};
    CHECK(poll(&readable, 1, 10'000) == 1);  // all 64 at the other one: once in 2^63 runs
  }
}

TEST_CASE("system addresses go there and back") {
  for (const char* text : {"192.0.2.7:53", "[2001:db8::7]:5300"}) {
    const SystemAddress system(parse(text));
    CHECK(to_text(from_system(system.get())) == text);
  }
}

}  // namespace
}  // namespace sluice::serve::test
