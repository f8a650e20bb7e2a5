#include "serve/tcp.hpp"

#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.hpp"

namespace sluice::serve::test {
namespace {

using namespace std::chrono_literals;

Message many_queries(std::uint16_t count) {
  Message stream;
  for (std::uint16_t id = 0; id < count; ++id) {
    const Message query = framed(make_query(id, "a.test"));
    stream.insert(stream.end(), query.begin(), query.end());
  }
  return stream;
}

// TXT records at "big.big", so many that a reply with all of them is as long as a message can be.
std::shared_ptr<const zone::Zone> big_zone() {
  constexpr std::size_t header_and_question = 12 + 9 + 4, records = 256, owner_to_rdlength = 12;
  constexpr std::size_t record_size = 255;
  constexpr std::size_t last_size = 65'535 - header_and_question - records * record_size;
  std::string text = "@ 60 SOA ns admin 1 2 3 4 5\n@ 60 NS ns\nns 60 A 192.0.2.53\n";
  for (std::size_t i = 0; i <= records; ++i) {
    std::string value = std::to_string(i);
    value.resize((i < records ? record_size : last_size) - owner_to_rdlength - 1, '.');
    text += "big 60 TXT \"" + value + "\"\n";
  }
  auto loaded = zone::load_text(text, "big.zone", wire::Name::parse("big").value(), {});
  if (!loaded.zone) FAIL(to_text(loaded.errors));
  return loaded.zone;
}

void check_replies(Client& client, std::uint16_t count) {
  for (std::uint16_t id = 0; id < count; ++id) {
    const Message reply = client.read_message();
    REQUIRE(id_of(reply) == id);  // in order, though RFC 7766 would allow any
    CHECK(rcode_of(reply) == noerror);
    CHECK(answers_of(reply) == 1);
  }
}

TEST_CASE("a connection is kept open, over IPv4 and IPv6") {
  const Server server({"127.0.0.1:0", "[::1]:0"}, 1, patient());
  for (std::size_t i = 0; i < 2; ++i) {
    Client client(server.address(i), SOCK_STREAM);
    for (std::uint16_t id = 0; id < 3; ++id) {
      REQUIRE(client.send(framed(make_query(id, "a.test"))));
      CHECK(id_of(client.read_message()) == id);
    }
    REQUIRE(client.send(framed(make_query(9, "elsewhere.example"))));
    CHECK(rcode_of(client.read_message()) == refused);
  }
  CHECK(server.counted(Metric::queries_tcp) == 8);
  CHECK(server.counted(Metric::tcp_connections) == 2);
  CHECK(server.counted(Metric::tcp_connections_refused) == 0);
}

TEST_CASE("a transfer is all of its messages, and then come the replies to what was asked behind it") {
  Server server({"127.0.0.1:0"}, 1, patient());
  server.publish(1, big_zone());
  Client client(server.address(), SOCK_STREAM);
  Message queries = framed(make_query(1, "big", wire::RrType::axfr));
  const Message next = framed(make_query(2, "a.test"));
  queries.insert(queries.end(), next.begin(), next.end());
  REQUIRE(client.send(queries));
  unsigned records = 0, messages = 0;
  for (;;) {
    const Message message = client.read_message();
    REQUIRE(!message.empty());
    if (id_of(message) == 2) break;
    CHECK(id_of(message) == 1);
    CHECK(rcode_of(message) == noerror);
    records += answers_of(message);
    ++messages;
  }
  CHECK(records == 257 + 2 + 2);
  CHECK(messages > 3);
  CHECK(server.counted(Metric::transfers) == 1);
}

TEST_CASE("a transfer that takes too long, or is one too many, ends without the last message") {
  TcpLimits limits = patient();
  SUBCASE("too long") {
    limits.transfer = -1ms;
    Server server({"127.0.0.1:0"}, 1, limits);
    server.publish(1, big_zone());
    Client client(server.address(), SOCK_STREAM);
    REQUIRE(client.send(framed(make_query(1, "big", wire::RrType::axfr))));
    CHECK(client.at_end());
  }
  SUBCASE("too many") {
    limits.transfers = 0;
    Server server({"127.0.0.1:0"}, 1, limits);
    server.publish(1, big_zone());
    Client client(server.address(), SOCK_STREAM);
    REQUIRE(client.send(framed(make_query(1, "big", wire::RrType::axfr))));
    CHECK(rcode_of(client.read_message()) == 2);
    CHECK(server.counted(Metric::transfers_refused) == 1);
  }
}

TEST_CASE("hundreds of queries in one write are answered in order") {
  const Server server({"127.0.0.1:0"}, 1, patient());
  Client client(server.address(), SOCK_STREAM);
  REQUIRE(client.send(many_queries(2'000)));
  check_replies(client, 2'000);
}

TEST_CASE("queries that come octet by octet are answered") {
  const Server server({"127.0.0.1:0"}, 1, patient());
  Client client(server.address(), SOCK_STREAM);
  const int on = 1;
  REQUIRE(setsockopt(client.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
  for (const std::uint8_t octet : many_queries(20)) REQUIRE(client.send({octet}));
  check_replies(client, 20);
}

TEST_CASE("a client that half-closes gets its replies, then the end") {
  const Server server({"127.0.0.1:0"}, 1, patient());
  Client client(server.address(), SOCK_STREAM);
  REQUIRE(client.send(many_queries(300)));
  client.finish_sending();
  check_replies(client, 300);
  CHECK(client.at_end());
}

TEST_CASE("an end in mid-message closes, without a reply to the piece") {
  const Server server({"127.0.0.1:0"}, 1, patient());
  Client client(server.address(), SOCK_STREAM);
  Message stream = many_queries(2);
  stream.pop_back();
  REQUIRE(client.send(stream));
  client.finish_sending();
  check_replies(client, 1);
  CHECK(client.at_end());
}

TEST_CASE("a message of length 0 closes, after the replies before it") {
  const Server server({"127.0.0.1:0"}, 1, patient());
  Client client(server.address(), SOCK_STREAM);
  Message stream = many_queries(3);
  stream.insert(stream.end(), {0, 0});
  REQUIRE(client.send(stream));
  check_replies(client, 3);
  CHECK(client.at_end());
}

TEST_CASE("messages without a reply leave the connection open") {
  const Server server({"127.0.0.1:0"}, 1, patient());
  Client client(server.address(), SOCK_STREAM);
  Message response = make_query(1, "a.test");
  response[2] |= 0x80;
  REQUIRE(client.send(framed({1, 2, 3})));
  REQUIRE(client.send(framed(response)));
  REQUIRE(client.send(framed(make_query(5, "a.test"))));
  CHECK(id_of(client.read_message()) == 5);
}

TEST_CASE("garbage of any length ends nothing") {
  const Server server({"127.0.0.1:0"}, 1, patient());
  std::mt19937 random(1);
  for (int i = 0; i < 50; ++i) {
    Client client(server.address(), SOCK_STREAM);
    Message garbage(random() % 100'000);
    for (auto& octet : garbage) octet = static_cast<std::uint8_t>(random());
    client.send(garbage);  // may fail: two zero octets where a length should be end the connection
  }
  Client client(server.address(), SOCK_STREAM);
  REQUIRE(client.send(framed(make_query(5, "a.test"))));
  CHECK(id_of(client.read_message()) == 5);
}

TEST_CASE("the longest query is read whole") {
  const Server server({"127.0.0.1:0"}, 1, patient());
  Client client(server.address(), SOCK_STREAM);
  Message query = make_query(3, "a.test");
  query.resize(65'535);
  REQUIRE(client.send(framed(query)));
  REQUIRE(client.send(framed(make_query(4, "a.test"))));
  Message reply = client.read_message();
  if (id_of(reply) == 3) reply = client.read_message();  // FORMERR for what follows the question, or silence
  CHECK(id_of(reply) == 4);
}

TEST_CASE("replies may be as long as a message can be") {
  Server server({"127.0.0.1:0"}, 1, patient());
  server.publish(1, big_zone());
  Client client(server.address(), SOCK_STREAM);
  for (std::uint16_t id = 0; id < 5; ++id)
    REQUIRE(client.send(framed(make_query(id, "big.big", wire::RrType::txt))));
  for (std::uint16_t id = 0; id < 5; ++id) {
    const Message reply = client.read_message();
    CHECK(reply.size() == 65'535);
    CHECK(id_of(reply) == id);
    CHECK(answers_of(reply) == 257);
  }
}

TEST_CASE("an idle connection is closed") {
  const Server server({"127.0.0.1:0"}, 1, {.idle = 50ms, .message = 60s, .write = 60s});
  Client silent(server.address(), SOCK_STREAM);
  CHECK(silent.at_end());
  Client client(server.address(), SOCK_STREAM);
  REQUIRE(client.send(framed(make_query(5, "a.test"))));
  CHECK(id_of(client.read_message()) == 5);
  CHECK(client.at_end());
}

TEST_CASE("a message that does not come to its end is given up, and more octets do not extend it") {
  const Server server({"127.0.0.1:0"}, 1, {.idle = 60s, .message = 50ms, .write = 60s});
  Client silent(server.address(), SOCK_STREAM);
  REQUIRE(silent.send({0}));
  CHECK(silent.at_end());

  Client dripping(server.address(), SOCK_STREAM);
  REQUIRE(dripping.send({0xFF, 0xFF}));
  pollfd ended{.fd = dripping.fd(), .events = POLLIN, .revents = 0};
  int octets = 0;
  while (poll(&ended, 1, 10) == 0 && octets < 1000 && dripping.send({0})) ++octets;
  CHECK(octets < 1000);
}

TEST_CASE("a client that asks and never reads is closed") {
  const Server server({"127.0.0.1:0"}, 1, {.idle = 60s, .message = 60s, .write = 50ms});
  Client client(server.address(), SOCK_STREAM);
  const Message stream = many_queries(1'000);
  int written = 0;
  while (written < 10'000 && client.send(stream)) ++written;
  CHECK(written < 10'000);
  CHECK(errno != EAGAIN);  // closed, not merely stalled
}

TEST_CASE("one client cannot have more connections than its limit") {
  TcpLimits limits = patient();
  limits.client_connections = 3;
  const Server server({"127.0.0.1:0", "[::1]:0"}, 1, limits);
  const auto works = [](Client& client) {
    return client.send(framed(make_query(1, "a.test"))) && !client.read_message().empty();
  };
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) CHECK(works(clients.emplace_back(server.address(), SOCK_STREAM)));
  Client refused_client(server.address(), SOCK_STREAM);
  CHECK(refused_client.at_end());
  CHECK(server.counted(Metric::tcp_connections) == 3);
  CHECK(server.counted(Metric::tcp_connections_refused) == 1);
  Client other(server.address(1), SOCK_STREAM);
  CHECK(works(other));

  // A place becomes free: the client half-closes and waits for the server to have noticed.
  clients[0].finish_sending();
  CHECK(clients[0].at_end());
  Client next(server.address(), SOCK_STREAM);
  CHECK(works(next));
}

TEST_CASE("when all places are taken, the connection that is idle for longest gives way") {
  TcpLimits limits = patient();
  limits.connections = 2;
  const Server server({"127.0.0.1:0", "[::1]:0"}, 1, limits);
  const auto ask = [](Client& client) {
    return client.send(framed(make_query(1, "a.test"))) && !client.read_message().empty();
  };
  Client first(server.address(0), SOCK_STREAM), second(server.address(1), SOCK_STREAM);
  REQUIRE(ask(first));
  REQUIRE(ask(second));
  REQUIRE(ask(first));
  Client third(server.address(0), SOCK_STREAM);
  CHECK(ask(third));
  CHECK(second.at_end());
  CHECK(ask(first));
  CHECK(server.counted(Metric::tcp_connections) == 3);
  CHECK(server.counted(Metric::tcp_connections_displaced) == 1);
  CHECK(server.counted(Metric::tcp_connections_refused) == 0);
}

TEST_CASE("one that has begun a message gives way only when none is idle") {
  TcpLimits limits = patient();
  limits.connections = 2;
  const Server server({"127.0.0.1:0"}, 1, limits);
  Client begun(server.address(), SOCK_STREAM);
  Message query = framed(make_query(1, "a.test"));
  const std::uint8_t last = query.back();
  query.pop_back();
  Message stream = framed(make_query(7, "a.test"));
  stream.insert(stream.end(), query.begin(), query.end());
  REQUIRE(begun.send(stream));
  REQUIRE(id_of(begun.read_message()) == 7);  // so the rest has been seen, too
  Client idle(server.address(), SOCK_STREAM);
  REQUIRE(idle.send(framed(make_query(2, "a.test"))));
  REQUIRE(id_of(idle.read_message()) == 2);
  Client next(server.address(), SOCK_STREAM);
  REQUIRE(next.send(framed(make_query(3, "a.test"))));
  CHECK(id_of(next.read_message()) == 3);
  CHECK(idle.at_end());
  REQUIRE(begun.send({last}));
  CHECK(id_of(begun.read_message()) == 1);
}

TEST_CASE("who is at its own limit displaces nobody") {
  TcpLimits limits = patient();
  limits.connections = 2, limits.client_connections = 1;
  const Server server({"127.0.0.1:0", "[::1]:0"}, 1, limits);
  Client first(server.address(0), SOCK_STREAM), other(server.address(1), SOCK_STREAM);
  for (Client* client : {&first, &other}) {
    REQUIRE(client->send(framed(make_query(1, "a.test"))));
    REQUIRE(id_of(client->read_message()) == 1);
  }
  CHECK(Client(server.address(0), SOCK_STREAM).at_end());
  for (Client* client : {&first, &other}) {
    REQUIRE(client->send(framed(make_query(2, "a.test"))));
    CHECK(id_of(client->read_message()) == 2);
  }
  CHECK(server.counted(Metric::tcp_connections_displaced) == 0);
}

// Sends most of a message of 65,535 octets; what is held for it is 64 KiB.
bool send_most_of_a_message(Client& client) {
  Message most(65'000);
  most[0] = most[1] = 0xFF;
  return client.send(most);
}

TEST_CASE("clients that begin long messages are closed when they hold too much together") {
  TcpLimits limits = patient();
  limits.memory = 512 << 10;
  const Server server({"127.0.0.1:0"}, 1, limits);
  Client idle(server.address(), SOCK_STREAM);
  REQUIRE(idle.send(framed(make_query(1, "a.test"))));
  REQUIRE(id_of(idle.read_message()) == 1);
  std::vector<Client> greedy;
  for (int i = 0; i < 20; ++i) send_most_of_a_message(greedy.emplace_back(server.address(), SOCK_STREAM));
  CHECK(greedy.front().at_end());  // the oldest has to go
  REQUIRE(idle.send(framed(make_query(2, "a.test"))));
  CHECK(id_of(idle.read_message()) == 2);
}

// So many further descriptors can be opened while one exists.
class Descriptors {
 public:
  explicit Descriptors(rlim_t left) {
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const int lowest_free = dup(0);
    REQUIRE(lowest_free >= 0);
    close(lowest_free);
    const rlimit limit{.rlim_cur = static_cast<rlim_t>(lowest_free) + left, .rlim_max = before_.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  }
  ~Descriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

// Its threads have opened what they need, and closed what they needed for a moment.
void await_running(const Server& server) {
  Client client(server.address(), SOCK_STREAM);
  REQUIRE(client.send(framed(make_query(1, "a.test"))));
  REQUIRE(id_of(client.read_message()) == 1);
  client.finish_sending();
  REQUIRE(client.at_end());
}

TEST_CASE("connections are accepted again after descriptors had run out") {
  const Server server({"127.0.0.1:0"}, 1, patient());
  await_running(server);
  Client client(Family::v4, SOCK_STREAM);
  {
    const Descriptors none(0);
    const SystemAddress address(server.address());
    REQUIRE(connect(client.fd(), address.get(), address.size) == 0);
    REQUIRE(client.send(framed(make_query(5, "a.test"))));
    pollfd readable{.fd = client.fd(), .events = POLLIN, .revents = 0};
    CHECK(poll(&readable, 1, 250) == 0);
  }
  CHECK(id_of(client.read_message()) == 5);
}

TEST_CASE("who took the last descriptor is displaced only when somebody else comes") {
  const Server server({"127.0.0.1:0"}, 1, patient());
  await_running(server);
  Client first(Family::v4, SOCK_STREAM), second(Family::v4, SOCK_STREAM);
  const Descriptors one(1);
  const SystemAddress address(server.address());
  REQUIRE(connect(first.fd(), address.get(), address.size) == 0);
  REQUIRE(first.send(framed(make_query(5, "a.test"))));
  CHECK(id_of(first.read_message()) == 5);
  pollfd readable{.fd = first.fd(), .events = POLLIN, .revents = 0};
  CHECK(poll(&readable, 1, 250) == 0);
  REQUIRE(connect(second.fd(), address.get(), address.size) == 0);
  REQUIRE(second.send(framed(make_query(6, "a.test"))));
  CHECK(id_of(second.read_message()) == 6);
  CHECK(first.at_end());
}

TEST_CASE("the server ends with connections open") {
  Server server({"127.0.0.1:0", "[::1]:0"}, 1, patient());
  Client idle(server.address(0), SOCK_STREAM);
  Client begun(server.address(1), SOCK_STREAM);
  REQUIRE(begun.send({0}));
  Client asking(server.address(0), SOCK_STREAM);
  REQUIRE(asking.send(many_queries(100)));
  check_replies(asking, 100);
  server.stop();
  CHECK(idle.at_end());
  CHECK(begun.at_end());
  CHECK(asking.at_end());
}

}  // namespace
}  // namespace sluice::serve::test
