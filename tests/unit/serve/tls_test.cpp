// DNS over TLS, with OpenSSL as the client. What does not depend on TLS is tested in tcp_test.cpp.
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>

#include "../../support/certificate.hpp"
#include "../../support/tls_client.hpp"
#include "serve/tcp.hpp"
#include "server.hpp"

namespace sluice::serve::test {
namespace {

using namespace std::chrono_literals;
using sluice::test::CertificateFiles;
using sluice::test::CertificateText;
using sluice::test::make_certificate;
using sluice::test::TlsClient;
using sluice::test::TlsWishes;

struct TlsServer {
  explicit TlsServer(const TcpLimits& limits = patient()) : text(make_certificate("ns1.test")) {
    use(text);
    server = std::make_unique<Server>(std::vector<std::string>{"127.0.0.1:0"}, 1, limits, &published);
  }
  void use(const CertificateText& certificate) {
    const CertificateFiles files(certificate);
    auto loaded = load_certificate(files.certificate(), files.key());
    REQUIRE(loaded.certificate);
    published.publish(std::move(loaded.certificate));
  }

  CertificateText text;
  Published<Certificate> published;
  std::unique_ptr<Server> server;
};

struct Conversation {
  explicit Conversation(const TlsServer& to, const TlsWishes& wishes = {})
      : client(to.server->address(), SOCK_STREAM), tls(client.fd(), wishes) {}

  bool send(const Message& octets) { return tls.write(octets); }
  Message read_message() {
    Message prefix(2);
    if (!tls.read_all(prefix)) return {};
    Message message(std::size_t{prefix[0]} << 8 | prefix[1]);
    return tls.read_all(message) ? message : Message{};
  }
  bool ask(std::uint16_t id) {
    if (!send(framed(make_query(id, "a.test")))) return false;
    const Message reply = read_message();
    return !reply.empty() && id_of(reply) == id && answers_of(reply) == 1;
  }

  Client client;
  TlsClient tls;
};

TEST_CASE("queries over TLS are answered, one after the other and pipelined") {
  const TlsServer server;
  Conversation talk(server, {.alpn = "\3dot", .trusted = server.text.certificate});
  REQUIRE(talk.tls.connected());
  CHECK(talk.tls.protocol() == "TLSv1.3");
  CHECK(talk.tls.alpn() == "dot");
  for (std::uint16_t id = 0; id < 3; ++id) CHECK(talk.ask(id));
  Message stream;
  for (std::uint16_t id = 0; id < 300; ++id) {
    const Message query = framed(make_query(id, "a.test"));
    stream.insert(stream.end(), query.begin(), query.end());
  }
  REQUIRE(talk.send(stream));
  for (std::uint16_t id = 0; id < 300; ++id) REQUIRE(id_of(talk.read_message()) == id);
  CHECK(server.server->counted(Metric::queries_tls) == 303);
  CHECK(server.server->counted(Metric::queries_tcp) == 0);
  CHECK(server.server->counted(Metric::tls_connections) == 1);
  CHECK(server.server->counted(Metric::tls_handshakes_failed) == 0);
}

TEST_CASE("what clients wish of the handshake") {
  const struct {
    const char* name;
    TlsWishes wishes;
    bool connects;
    const char *protocol, *alpn;
  } rows[] = {
      {"nothing", {}, true, "TLSv1.3", ""},
      {"TLS 1.2", {.alpn = "\3dot", .version_max = TLS1_2_VERSION}, true, "TLSv1.2", "dot"},
      {"dot among others", {.alpn = "\2h2\3dot\10http/1.1"}, true, "TLSv1.3", "dot"},
      {"another protocol", {.alpn = "\2h2"}, false, "", ""},
      {"one that begins with dot", {.alpn = "\4dots"}, false, "", ""},
  };
  const TlsServer server;
  std::uint64_t failed = 0;
  for (const auto& row : rows) {
    CAPTURE(row.name);
    Conversation talk(server, row.wishes);
    REQUIRE(talk.tls.connected() == row.connects);
    if (!row.connects) {
      CHECK(talk.client.at_end());
      CHECK(server.server->counted(Metric::tls_handshakes_failed) == ++failed);
      continue;
    }
    CHECK(talk.tls.protocol() == row.protocol);
    CHECK(talk.tls.alpn() == row.alpn);
    CHECK(talk.ask(1));
  }
}

TEST_CASE("what is no handshake ends the connection, and no other") {
  const TlsServer server;
  Conversation other(server);
  REQUIRE(other.ask(1));
  Message noise(5'000);
  for (std::size_t i = 0; i < noise.size(); ++i) noise[i] = static_cast<std::uint8_t>(i * 167 + 13);
  const struct {
    const char* name;
    Message octets;
  } rows[] = {
      {"DNS over TCP", framed(make_query(1, "a.test"))},
      {"noise", noise},
      {"HTTP",
       {'G', 'E', 'T', ' ', '/', ' ', 'H', 'T', 'T', 'P', '/', '1', '.', '1', '\r', '\n', '\r', '\n'}},
      {"an empty record", {0x16, 3, 1, 0, 0}},
      {"a record that is too long", {0x16, 3, 1, 0xFF, 0xFF, 1, 0, 0, 0}},
      {"application data first", {0x17, 3, 3, 0, 3, 1, 2, 3}},
      {"a hello of nothing", {0x16, 3, 1, 0, 4, 1, 0, 0, 0}},
  };
  std::uint64_t failed = 0;
  for (const auto& row : rows) {
    CAPTURE(row.name);
    Client client(server.server->address(), SOCK_STREAM);
    REQUIRE(client.send(row.octets));
    shutdown(client.fd(), SHUT_WR);   // the server may have ended it already
    Message rest = client.receive();  // maybe an alert
    if (!rest.empty()) CHECK(rest[0] == 0x15);
    while (!rest.empty()) rest = client.receive();
    CHECK(server.server->counted(Metric::tls_handshakes_failed) == ++failed);
  }
  CHECK(server.server->counted(Metric::queries_tls) == 1);
  CHECK(other.ask(2));
}

TEST_CASE("a handshake that does not come to its end is given up, however it is dragged out") {
  TcpLimits limits = patient();
  limits.handshake = 50ms;
  const TlsServer server(limits);
  Client silent(server.server->address(), SOCK_STREAM);
  CHECK(silent.at_end());

  Client half(server.server->address(), SOCK_STREAM);
  REQUIRE(half.send({0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3}));
  CHECK(half.at_end());

  Client dripping(server.server->address(), SOCK_STREAM);
  REQUIRE(dripping.send({0x16, 3, 1, 0x20, 0, 1, 0, 0x1F, 0xFC}));
  pollfd ended{.fd = dripping.fd(), .events = POLLIN, .revents = 0};
  int octets = 0;
  while (poll(&ended, 1, 10) == 0 && octets < 1000 && dripping.send({0})) ++octets;
  CHECK(octets < 1000);
  // Counted when the closed connections are cleared away.
  const auto patience = std::chrono::steady_clock::now() + 10s;
  while (server.server->counted(Metric::tls_handshakes_failed) < 3 &&
         std::chrono::steady_clock::now() < patience)
    std::this_thread::yield();
  CHECK(server.server->counted(Metric::tls_handshakes_failed) == 3);
}

TEST_CASE("a record that does not come to its end is given up") {
  TcpLimits limits = patient();
  limits.message = 50ms;
  const TlsServer server(limits);
  for (const Message& part :
       {Message{0x17}, Message{0x17, 3, 3, 0x20, 0}, Message{0x17, 3, 3, 0x20, 0, 1, 2, 3}}) {
    Conversation talk(server);
    REQUIRE(talk.ask(1));
    REQUIRE(talk.client.send(part));
    // TLS says so, or the connection just ends; the test's patience does not.
    CHECK(!talk.ask(2));
    CHECK(errno != EAGAIN);
  }
}

TEST_CASE("a new certificate is for new connections, the others go on") {
  TlsServer server;
  Conversation before(server);
  REQUIRE(before.ask(1));
  const auto renewed = make_certificate("ns1.test");
  server.use(renewed);
  Conversation after(server);
  REQUIRE(after.ask(1));
  CHECK(before.ask(2));
  CHECK(before.tls.peer() == server.text.certificate);
  CHECK(after.tls.peer() == renewed.certificate);
}

TEST_CASE("without a certificate a connection ends, and with one all is well again") {
  TlsServer server;
  server.published.publish(nullptr);
  Conversation none(server);
  CHECK(!none.tls.connected());
  server.use(server.text);
  CHECK(Conversation(server).ask(1));
}

TEST_CASE("a session is resumed") {
  const TlsServer server;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Conversation first(server, {.version_max = version});
    REQUIRE(first.ask(1));  // reads the tickets, too
    const std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> session(SSL_get1_session(first.tls.ssl()),
                                                                            SSL_SESSION_free);
    CHECK(SSL_session_reused(first.tls.ssl()) == 0);
    Conversation second(server, {.session = session.get(), .version_max = version});
    REQUIRE(second.ask(2));
    CHECK(SSL_session_reused(second.tls.ssl()) == 1);
  }
}

TEST_CASE("an idle connection is closed with close_notify") {
  TcpLimits limits = patient();
  limits.idle = 50ms;
  const TlsServer server(limits);
  Conversation talk(server);
  REQUIRE(talk.ask(1));
  CHECK(talk.tls.ended_by_close_notify());
}

TEST_CASE("who says that it has no more to ask gets its replies, then the end") {
  const TlsServer server;
  Conversation talk(server);
  for (std::uint16_t id = 0; id < 50; ++id) REQUIRE(talk.send(framed(make_query(id, "a.test"))));
  REQUIRE(SSL_shutdown(talk.tls.ssl()) == 0);
  for (std::uint16_t id = 0; id < 50; ++id) CHECK(id_of(talk.read_message()) == id);
  CHECK(talk.tls.ended_by_close_notify());
}

TEST_CASE("messages may come in as many records as they have octets") {
  const TlsServer server;
  Conversation talk(server);
  for (std::uint16_t id = 0; id < 3; ++id) {
    for (const std::uint8_t octet : framed(make_query(id, "a.test"))) REQUIRE(talk.send({octet}));
    CHECK(id_of(talk.read_message()) == id);
  }
}

TEST_CASE("a client over TLS that asks and never reads is closed") {
  TcpLimits limits = patient();
  limits.write = 50ms;
  const TlsServer server(limits);
  Conversation talk(server);
  Message stream;
  for (std::uint16_t id = 0; id < 400; ++id) {
    const Message query = framed(make_query(id, "a.test"));
    stream.insert(stream.end(), query.begin(), query.end());
  }
  int written = 0;
  while (written < 20'000 && talk.send(stream)) ++written;
  CHECK(written < 20'000);
  CHECK(errno != EAGAIN);  // closed, not merely stalled
}

TEST_CASE("the server ends with TLS connections open, each told so") {
  TlsServer server;
  Conversation idle(server), asking(server);
  REQUIRE(idle.ask(1));
  REQUIRE(asking.ask(1));
  Client silent(server.server->address(), SOCK_STREAM);
  server.server->stop();
  CHECK(idle.tls.ended_by_close_notify());
  CHECK(asking.tls.ended_by_close_notify());
  CHECK(silent.at_end());
}

}  // namespace
}  // namespace sluice::serve::test
