#include "serve/udp.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "server.hpp"

namespace sluice::serve::test {
namespace {

// Asks until a reply with the same id comes; datagrams may be lost.
Message ask(Client& client, const Message& query) {
  for (int attempt = 0; attempt < 3; ++attempt) {
    if (!client.send(query)) continue;
    for (Message reply = client.receive(); !reply.empty(); reply = client.receive())
      if (id_of(reply) == id_of(query)) return reply;
  }
  return {};
}

TEST_CASE("queries are answered over IPv4 and IPv6") {
  const Server server({"127.0.0.1:0", "[::1]:0"});
  for (std::size_t i = 0; i < 2; ++i) {
    Client client(server.address(i), SOCK_DGRAM);
    const Message reply = ask(client, make_query(7, "a.test"));
    CHECK(rcode_of(reply) == noerror);
    CHECK(answers_of(reply) == 1);
    CHECK(rcode_of(ask(client, make_query(8, "elsewhere.example"))) == refused);
  }
  CHECK(server.counted(Metric::queries_udp) >= 4);
  CHECK(server.counted(Metric::queries_tcp) == 0);
}

TEST_CASE("a wildcard socket replies from the address that was asked") {
  const Server server({"0.0.0.0:0", "[::]:0"});
  for (const char* host : {"127.0.0.1", "127.0.0.2", "127.8.8.8", "::1"}) {
    CAPTURE(host);
    const Address asked = parse_address(host).value();
    const std::size_t i = asked.family == Family::v4 ? 0 : 1;
    Client client(asked.family, SOCK_DGRAM);
    client.send_to({asked, server.address(i).port}, make_query(1, "a.test"));
    SocketAddress from;
    CHECK(rcode_of(client.receive(&from)) == noerror);
    CHECK(from == SocketAddress{asked, server.address(i).port});
  }
}

TEST_CASE("what one socket asks of several addresses at once is answered by each") {
  const Server server({"0.0.0.0:0"}, 1);
  const Address addresses[] = {parse_address("127.0.0.1").value(), parse_address("127.0.0.2").value()};
  Client client(Family::v4, SOCK_DGRAM);
  constexpr std::uint16_t count = 60;
  for (std::uint16_t id = 0; id < count; ++id)
    client.send_to({addresses[id / 3 % 2], server.address().port}, make_query(id, "a.test"));
  for (int i = 0; i < count; ++i) {
    SocketAddress from;
    const Message reply = client.receive(&from);
    CHECK(from.address == addresses[id_of(reply) / 3 % 2]);
  }
}

TEST_CASE("queries from many threads are all answered") {
  const Server server({"127.0.0.1:0"}, 3);
  std::atomic<int> answered = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      Client client(server.address(), SOCK_DGRAM);
      for (std::uint16_t id = 0; id < 250; ++id)
        if (const Message reply = ask(client, make_query(id, "a.test")); !reply.empty() && reply[7] == 1)
          ++answered;
    });
  for (auto& thread : threads) thread.join();
  CHECK(answered == 1000);
}

TEST_CASE("a burst of more than one batch is answered") {
  for (const char* listen : {"127.0.0.1:0", "[::1]:0", "[::]:0"}) {
    CAPTURE(listen);
    const Server server({listen}, 1);
    const auto host =
        parse_address(server.address().address.family == Family::v4 ? "127.0.0.1" : "::1").value();
    Client client(SocketAddress{host, server.address().port}, SOCK_DGRAM);
    for (std::uint16_t id = 0; id < 150; ++id) REQUIRE(client.send(make_query(id, "a.test")));
    std::vector<bool> seen(150);
    for (int i = 0; i < 150; ++i) {
      const Message reply = client.receive();
      CHECK(answers_of(reply) == 1);
      seen.at(id_of(reply)) = true;
    }
    CHECK(std::count(seen.begin(), seen.end(), true) == 150);
  }
}

TEST_CASE("malformed datagrams end nothing") {
  const Server server({"127.0.0.1:0"}, 1);
  Client client(server.address(), SOCK_DGRAM);
  std::mt19937 random(1);
  const Message whole = make_query(1, "a.test");
  for (int i = 0; i < 500; ++i) {
    Message bytes = whole;
    bytes.resize(random() % 60);
    for (int flips = 0; flips < 3 && !bytes.empty(); ++flips)
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    REQUIRE(client.send(bytes));
  }
  REQUIRE(client.send(Message(60'000, 0xFF)));
  Client other(server.address(), SOCK_DGRAM);
  CHECK(rcode_of(ask(other, whole)) == noerror);
}

TEST_CASE("a datagram longer than any query is dropped") {
  const Server server({"127.0.0.1:0"}, 1);
  Client client(server.address(), SOCK_DGRAM);
  Message longer = make_query(1, "a.test");
  longer.resize(4097);
  REQUIRE(client.send(longer));
  CHECK(rcode_of(ask(client, make_query(2, "a.test"))) == noerror);  // and not a reply to the first
  CHECK(server.counted(Metric::dropped) == 1);
}

TEST_CASE("the query after a change sees it") {
  Server server({"127.0.0.1:0"}, 2);
  Client client(server.address(), SOCK_DGRAM);
  for (unsigned i = 0; i < 100; ++i) {
    server.publish(static_cast<std::uint8_t>(i));
    const Message reply = ask(client, make_query(static_cast<std::uint16_t>(i), "a.test"));
    REQUIRE(answers_of(reply) == 1);
    CHECK(reply.back() == i);
  }
}

TEST_CASE("what was received before the end is answered") {
  Quiescence quiescence;
  auto snapshot = std::make_shared<answer::Snapshot>();
  snapshot->block = std::make_shared<steer::Block>(quiescence, 1);
  Published<answer::Snapshot> published;
  published.publish(std::move(snapshot));
  Counters counters;

  std::vector<Listener> listeners;
  listeners.push_back(listen(loopback(Family::v4, 0), 2).value());
  Client client(listeners[0].address, SOCK_DGRAM);
  for (std::uint16_t id = 0; id < 100; ++id) REQUIRE(client.send(make_query(id, "a.test")));
  { const UdpServer server({published, quiescence, counters}, listeners, 2); }
  for (int i = 0; i < 100; ++i) CHECK(rcode_of(client.receive()) == refused);
}

TEST_CASE("an empty datagram is dropped and counted") {
  const Server server({"127.0.0.1:0"}, 1);
  Client client(server.address(), SOCK_DGRAM);
  client.send_to(server.address(), {});
  CHECK(rcode_of(ask(client, make_query(1, "a.test"))) == noerror);
  CHECK(server.counted(Metric::queries_udp) == 2);
  CHECK(server.counted(Metric::dropped) == 1);
}

}  // namespace
}  // namespace sluice::serve::test
