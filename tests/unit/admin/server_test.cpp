#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <boost/json.hpp>

#include "support.hpp"

namespace sluice::admin {
namespace {

namespace json = boost::json;

// Keeps the handlers, for a test to call when and on which thread it likes.
class Held {
 public:
  Dispatch dispatch() {
    return [this](const control::Request&, control::ReplyHandler handler) {
      const std::lock_guard lock(mutex_);
      handlers_.push_back(std::move(handler));
      arrived_.notify_all();
    };
  }
  control::ReplyHandler take() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return !handlers_.empty(); });
    auto handler = std::move(handlers_.front());
    handlers_.pop_front();
    return handler;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<control::ReplyHandler> handlers_;
};

std::string own_name() {
  const auto* entry = ::getpwuid(::getuid());
  return entry ? entry->pw_name : fmt::format("uid {}", ::getuid());
}

bool has_field(const RawReply& reply, std::string_view field) {
  return reply.head.find(fmt::format("\r\n{}\r\n", field)) != std::string::npos;
}

TEST_CASE("a change over the Unix socket, by the user whom the kernel names") {
  RunningServer server;
  Client client(server.socket());
  const auto reply = client.ask("PUT", "/v1/steer/www.example/weights", R"({"weights":{"v1":90.5}})");
  CHECK(reply.status == 200);
  CHECK(has_field(reply, "Content-Type: application/json"));
  const auto body = json::parse(reply.body);
  CHECK(body.at("words") == json::value("weight set"));
  CHECK(body.at("who") == json::value(own_name()));
  CHECK(body.at_pointer("/arguments/weights/v1") == json::value(90.5));
}

TEST_CASE("TCP reads, and changes nothing") {
  RunningServer server;
  Client client(server.port());
  const auto reply = client.ask("GET", "/v1/status");
  CHECK(reply.status == 200);
  CHECK(json::parse(reply.body).at("who") == json::value("127.0.0.1"));
  const auto refused = client.ask("POST", "/v1/reload", "{}");
  CHECK(refused.status == 403);
  CHECK(json::parse(refused.body).at_pointer("/error/code") == json::value("refused"));
  CHECK(client.ask("GET", "/v1/status").status == 200);  // a refusal does not cost the connection
}

TEST_CASE("TCP takes a report from who has a token") {
  RunningServer server;
  Client client(server.port());
  const std::string head =
      "PUT /v1/check/self/report/192.0.2.1 HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n";
  client.send(head + "\r\n{\"state\":\"up\"}");
  const auto refused = client.receive();
  CHECK(refused.status == 401);
  CHECK(has_field(refused, "WWW-Authenticate: Bearer"));
  client.send(head + "Authorization: Bearer open\r\n\r\n{\"state\":\"up\"}");
  const auto reply = client.receive();
  CHECK(reply.status == 200);
  CHECK(json::parse(reply.body).at("words") == json::value("check report"));
  CHECK(reply.body.find("open") == std::string::npos);
}

TEST_CASE("refusals of the director") {
  struct Row {
    ErrorCode code;
    int status;
    const char* text;
  };
  const Row rows[] = {{ErrorCode::invalid, 400, "invalid"},
                      {ErrorCode::not_found, 404, "not_found"},
                      {ErrorCode::refused, 409, "refused"},
                      {ErrorCode::forbidden, 403, "forbidden"},
                      {ErrorCode::unavailable, 503, "unavailable"}};
  for (const auto& row : rows) {
    CAPTURE(row.text);
    RunningServer server([&](const control::Request&, const control::ReplyHandler& handler) {
      handler(Error{row.code, "because \"of\" it"});
    });
    const auto reply = Client(server.socket()).ask("GET", "/v1/status");
    CHECK(reply.status == row.status);
    CHECK(json::parse(reply.body) ==
          json::value{{"error", {{"code", row.text}, {"message", "because \"of\" it"}}}});
  }
}

TEST_CASE("metrics are plain text") {
  RunningServer server(
      [](const control::Request&, const control::ReplyHandler& handler) { handler(json::value("a 1\n")); });
  const auto reply = Client(server.port()).ask("GET", "/metrics");
  CHECK(reply.body == "a 1\n");
  CHECK(has_field(reply, "Content-Type: text/plain; version=0.0.4"));
}

TEST_CASE("methods: Allow, and HEAD") {
  RunningServer server;
  Client client(server.socket());
  const auto refused = client.ask("POST", "/v1/status");
  CHECK(refused.status == 405);
  CHECK(has_field(refused, "Allow: GET, HEAD"));
  const auto head = client.ask("HEAD", "/v1/version");
  CHECK(head.status == 200);
  CHECK(head.head.find("Content-Length: ") != std::string::npos);
  CHECK(client.ask("GET", "/v1/openapi.json").status == 200);
}

TEST_CASE("requests in a row on one connection") {
  RunningServer server;
  Client client(server.socket());
  constexpr int requests = 50;
  std::string all;
  for (int i = 0; i < requests; ++i)
    all += fmt::format("GET /v1/status?name=n{} HTTP/1.1\r\nHost: x\r\n\r\n", i);
  client.send(all);  // pipelined: all before the first reply
  for (int i = 0; i < requests; ++i) {
    const auto reply = client.receive();
    REQUIRE(reply.status == 200);
    CHECK(json::parse(reply.body).at_pointer("/arguments/name") == json::value(fmt::format("n{}", i)));
  }
  client.send("GET /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  CHECK(client.receive().status == 200);
  CHECK(client.at_end());
}

TEST_CASE("forms of a request") {
  RunningServer server;
  Client client(server.socket());
  SUBCASE("chunked") {
    client.send(
        "PUT /v1/steer/a/weights HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "6\r\n{\"weig\r\na\r\nhts\":{\"v1\"\r\n4\r\n:1}}\r\n0\r\n\r\n");
    CHECK(client.receive().status == 200);
  }
  SUBCASE("a client that waits for 100 Continue gets it") {
    client.send("POST /v1/reload HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    CHECK(client.receive().status == 100);
    client.send("{}");
    CHECK(client.receive().status == 200);
  }
  SUBCASE("HTTP/1.0") {
    client.send("GET /v1/version HTTP/1.0\r\n\r\n");
    CHECK(client.receive().status == 200);
    CHECK(client.at_end());
  }
  SUBCASE("a client that has said all and only listens") {
    client.send("GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n");
    client.finish_sending();
    CHECK(client.receive().status == 200);
    CHECK(client.at_end());
  }
}

TEST_CASE("what is refused, and the connection with it") {
  RunningServer server;
  Client client(server.socket());
  int expected = 0;
  SUBCASE("a body that is too large by its own word") {
    client.send("POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n{}");
    expected = 413;
  }
  SUBCASE("a length that is no length") {
    client.send("POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}");
    expected = 400;
  }
  SUBCASE("a body that grows too large") {
    client.send("POST /v1/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n");
    client.send(std::string(2U << 20, ' ') + "\r\n0\r\n\r\n");
    expected = 413;
  }
  SUBCASE("a header that is too large") {
    client.send("GET /v1/status HTTP/1.1\r\nX: " + std::string(40'000, 'x') + "\r\n\r\n");
    expected = 431;
  }
  SUBCASE("a line without an end") {
    client.send("GET /" + std::string(200'000, 'a'));
    expected = 431;
  }
  SUBCASE("not HTTP") {
    client.send(std::string("\x16\x03\x01\x02\x00\x01\r\n\r\n", 10));
    expected = 400;
  }
  SUBCASE("two lengths") {
    client.send("POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}");
    expected = 400;
  }
  SUBCASE("length and chunks, the way to smuggle requests") {
    client.send(
        "POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: "
        "chunked\r\n\r\n0\r\n\r\n");
    expected = 400;
  }
  const auto reply = client.receive();
  CHECK(reply.status == expected);
  CHECK(has_field(reply, "Connection: close"));
  CHECK(json::parse(reply.body).at_pointer("/error/code") == json::value("invalid"));
  client.finish_sending();
  CHECK(client.at_end());
  CHECK(Client(server.socket()).ask("GET", "/v1/version").status == 200);
}

TEST_CASE("100,000 brackets") {
  RunningServer server;
  Client client(server.socket());
  const auto reply = client.ask("POST", "/v1/reload", std::string(100'000, '['));
  CHECK(reply.status == 400);
  CHECK(client.ask("GET", "/v1/version").status == 200);
}

TEST_CASE("slow senders are dropped") {
  Limits limits;
  limits.request_timeout = limits.idle_timeout = Duration(50);
  RunningServer server(echo, limits);
  Client client(server.socket());
  SUBCASE("who says nothing") {}
  SUBCASE("who stops in the header") { client.send("GET /v1/sta"); }
  SUBCASE("who stops in the body") {
    client.send("POST /v1/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{");
  }
  SUBCASE("who stops after the first request") { CHECK(client.ask("GET", "/v1/version").status == 200); }
  CHECK(client.at_end());
}

TEST_CASE("a reply from another thread, late") {
  Held held;
  RunningServer server(held.dispatch());
  Client client(server.socket());
  client.send("GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n");
  std::thread([&] { held.take()(json::value("late")); }).join();
  CHECK(client.receive().body == "\"late\"");
}

TEST_CASE("clients that leave before their reply") {
  Held held;
  Limits limits;
  limits.connections_max = 1;
  RunningServer server(
      [&](const control::Request& request, const control::ReplyHandler& handler) {
        request.id == control::CommandId::events ? held.dispatch()(request, handler) : echo(request, handler);
      },
      limits);
  control::ReplyHandler orphan;
  {
    Client client(server.socket());
    client.send("GET /v1/events?wait=10m HTTP/1.1\r\nHost: x\r\n\r\n");
    orphan = held.take();
  }
  // Its place becomes free although its reply has not come; until then, later clients are turned away.
  const auto patience = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (Client(server.socket()).ask("GET", "/v1/version").status != 200)
    REQUIRE(std::chrono::steady_clock::now() < patience);
  orphan(json::value("too late"));
}

TEST_CASE("stop ends everything, and a reply after that is dropped") {
  Held held;
  RunningServer server(held.dispatch());
  Client waiting(server.socket()), idle(server.socket());
  waiting.send("GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto handler = held.take();
  server.stop();
  CHECK(waiting.at_end());
  CHECK(idle.at_end());
  CHECK_FALSE(std::filesystem::exists(server.socket()));
  handler(json::value("too late"));
}

TEST_CASE("connections over the limit are closed; the Unix socket has its own") {
  Limits limits;
  limits.connections_max = 2;
  RunningServer server(echo, limits);
  Client first(server.port()), second(server.port());
  CHECK(first.ask("GET", "/v1/version").status == 200);
  CHECK(second.ask("GET", "/v1/version").status == 200);
  CHECK(Client(server.port()).ask("GET", "/v1/version").status == 0);
  CHECK(Client(server.socket()).ask("GET", "/v1/version").status == 200);
  CHECK(first.ask("GET", "/v1/version").status == 200);
}

TEST_CASE("addresses in use are errors that say so") {
  RunningServer server;
  boost::asio::io_context context;
  Server other(context.get_executor(), echo);
  const auto socket = other.listen_unix(server.socket());
  REQUIRE(socket.has_error());
  CHECK(socket.error().message == server.socket() + " is in use by another process");
  const auto port = other.listen_tcp({*parse_address("127.0.0.1"), server.port()});
  REQUIRE(port.has_error());
  CHECK(port.error().message == fmt::format("127.0.0.1:{} is in use by another process", server.port()));
  other.stop();
  CHECK(std::filesystem::exists(server.socket()));
}

}  // namespace
}  // namespace sluice::admin
