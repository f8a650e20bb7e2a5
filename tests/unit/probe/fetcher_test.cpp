// Requests to servers on loopback: what is posted to receivers and hooks, and what comes back.
#include "probe/fetcher.hpp"

#include <fmt/format.h>

#include "probe/notification.hpp"
#include "support.hpp"

namespace sluice::probe {
namespace {

// Says this, and notes what it was asked.
Behaviour says(std::string reply, std::string* asked = nullptr) {
  return [reply = std::move(reply), asked](tcp::socket& socket) -> asio::awaitable<void> {
    const auto request = co_await read_request(socket);
    if (asked) *asked = request;
    co_await write_text(socket, reply);
  };
}

asio::awaitable<void> hangs(tcp::socket& socket) {
  co_await read_request(socket);
  co_await read_request(socket);
}

WebRequest request_to(const Server& server) {
  WebRequest request;
  request.url = config::parse_url(fmt::format("http://127.0.0.1:{}/hook", server.port())).value();
  request.json = R"({"a":1})";
  request.timeout = 10s;
  return request;
}

Result<WebReply> fetched(asio::io_context& io, WebRequest request) {
  std::optional<Result<WebReply>> reply;
  Fetcher fetcher(io.get_executor());
  fetcher.fetch(std::move(request), [&](Result<WebReply> one) { reply = std::move(one); });
  run_until(io, [&] { return reply.has_value(); });
  return *reply;
}

TEST_CASE("a request is posted, and its reply comes back") {
  asio::io_context io;
  std::string asked;
  const Server server(io, "127.0.0.1",
                      says("HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\nwell", &asked));
  const auto reply = fetched(io, request_to(server));
  REQUIRE(reply.has_value());
  CHECK(reply->status == 202);
  CHECK(is_success(*reply));
  CHECK(reply->body == "well");
  CHECK(asked.starts_with("POST /hook HTTP/1.1\r\n"));
  CHECK(asked.find("Content-Type: application/json\r\n") != std::string::npos);
  CHECK(asked.ends_with("\r\n\r\n{\"a\":1}"));
}

TEST_CASE("a redirection is not followed, and no success") {
  asio::io_context io;
  const Server server(
      io, "127.0.0.1",
      says("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"));
  const auto reply = fetched(io, request_to(server));
  REQUIRE(reply.has_value());
  CHECK(reply->status == 302);
  CHECK_FALSE(is_success(*reply));
}

TEST_CASE("a body that is too long is an error, or cut where its begin is enough") {
  asio::io_context io;
  const Server server(io, "127.0.0.1",
                      says(fmt::format("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{}",
                                       std::string(reply_size_max + 20'000, 'x'))));
  auto request = request_to(server);
  const auto refused = fetched(io, request);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.ends_with("the response is longer than 1024 KiB"));
  request.wants_begin = true;
  const auto reply = fetched(io, request);
  REQUIRE(reply.has_value());
  CHECK(reply->body.starts_with("xxx"));
}

TEST_CASE("a server that hangs is given up at the timeout, and a stopped fetcher says nothing more") {
  asio::io_context io;
  const Server server(io, "127.0.0.1", hangs);
  auto request = request_to(server);
  request.timeout = 20ms;
  const auto reply = fetched(io, request);
  REQUIRE_FALSE(reply.has_value());
  CHECK(reply.error().message.find("timeout after 20ms") != std::string::npos);

  Fetcher fetcher(io.get_executor());
  fetcher.fetch(request_to(server), [](const Result<WebReply>&) { FAIL("called after stop()"); });
  io.restart();
  io.poll();
  fetcher.stop();
  io.poll();
}

TEST_CASE("a stopped fetcher leaves nothing that the event loop would wait for") {
  asio::io_context servers, io;
  const Server server(servers, "127.0.0.1", {});  // never answers
  Fetcher fetcher(io.get_executor());
  auto request = request_to(server);
  request.timeout = 10min;
  fetcher.fetch(std::move(request), [](const Result<WebReply>&) { FAIL("called after stop()"); });
  io.poll();
  fetcher.stop();
  io.restart();
  io.run_for(guard);
  CHECK(io.stopped());
}

TEST_CASE("more requests than places wait for one") {
  asio::io_context io;
  const Server server(io, "127.0.0.1", says("HTTP/1.1 204 No Content\r\n\r\n"));
  Fetcher fetcher(io.get_executor());
  std::size_t replies = 0;
  const std::size_t count = 3 * requests_open_max;
  for (std::size_t i = 0; i < count; ++i)
    fetcher.fetch(request_to(server), [&](const Result<WebReply>& reply) {
      CHECK(reply.has_value());
      ++replies;
    });
  run_until(io, [&] { return replies == count; });
}

TEST_CASE("what is posted to a receiver is signed with its secret") {
  // RFC 4231, 4.3.
  CHECK(signature("Jefe", "what do ya want for nothing?") ==
        "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  config::Receiver receiver;
  receiver.url = "https://ops.shop.example/x";
  receiver.headers = {{"Authorization", "Bearer t"}};
  receiver.authorities = config::SharedText("PEM");
  CHECK(signed_post(receiver, "{}", 3s).headers == receiver.headers);
  receiver.secret = "Jefe";
  const auto request = signed_post(receiver, "{}", 3s);
  CHECK(request.url.tls);
  CHECK(request.json == "{}");
  CHECK(request.timeout == 3s);
  CHECK(request.authorities.text() == "PEM");
  REQUIRE(request.headers.size() == 2);
  CHECK(request.headers[1] == config::HeaderField{"Sluice-Signature", signature("Jefe", "{}")});
}

}  // namespace
}  // namespace sluice::probe
