#include "probe/fetch.hpp"

#include <chrono>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "base/as_result.hpp"
#include "base/text.hpp"
#include "probe/attempt.hpp"
#include "probe/cadence.hpp"
#include "probe/errors.hpp"
#include "probe/tls.hpp"

namespace sluice::probe {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using Request = http::request<http::string_body>;
using ReplyParser = http::response_parser<http::buffer_body>;

constexpr std::size_t read_size = 16 * 1024;  // what is read at once

// As a check would ask: its words for what goes wrong are ours.
Target target_of(const WebRequest& request) {
  Target target;
  target.destination = request.url.host;
  target.check.type = request.url.tls ? config::CheckType::https : config::CheckType::http;
  target.check.timeout = request.timeout;
  target.check.port = request.url.port;
  target.check.host = request.url.host_field;
  target.check.authorities = request.authorities;
  return target;
}

Error error_of(const WebRequest& request, const Attempt& attempt) {
  const auto judged = judge(target_of(request).check, attempt);
  return unavailable(
      fmt::format("{}: {}", request.url.host_field, judged ? judged->detail : judged.error().message));
}

Request message_of(const WebRequest& request) {
  Request message(request.json ? http::verb::post : http::verb::get, request.url.target, 11);
  message.set(http::field::host, request.url.host_field);
  message.set(http::field::user_agent, "sluice/" SLUICE_VERSION);
  message.set(http::field::accept, "application/json");
  if (request.json) message.set(http::field::content_type, "application/json");
  for (const auto& [name, value] : request.headers) message.set(name, value);
  message.set(http::field::connection, "close");
  message.body() = request.json.value_or("");
  message.prepare_payload();
  return message;
}

// Until the body ends, or is longer than it may be.
template <class Stream>
asio::awaitable<boost::system::error_code> read_text(Stream& stream, beast::flat_buffer& buffer,
                                                     ReplyParser& parser, std::string& text) {
  while (!parser.is_done() && text.size() <= reply_size_max) {
    const auto size = text.size();
    text.resize(size + read_size);
    auto& body = parser.get().body();
    body.data = text.data() + size;
    body.size = read_size;
    body.more = true;
    auto [failure, parsed] = co_await http::async_read_some(stream, buffer, parser, as_result);
    text.resize(size + read_size - body.size);
    if (failure && failure != http::error::need_buffer) co_return failure;
  }
  co_return boost::system::error_code();
}

template <class Stream>
asio::awaitable<Result<WebReply>> read_reply(Stream& stream, const WebRequest& request, Attempt& attempt) {
  beast::flat_buffer buffer(header_size_max);
  ReplyParser parser;
  parser.header_limit(header_size_max);
  parser.body_limit(boost::none);  // we read as much as we want
  std::size_t size = 0;
  std::tie(attempt.failure, size) = co_await http::async_read_header(stream, buffer, parser, as_result);
  if (attempt.failure) co_return error_of(request, attempt);
  attempt.stage = Stage::body;
  const auto too_long = unavailable(
      fmt::format("{}: the response is longer than {} KiB", request.url.host_field, reply_size_max / 1024));
  if (!request.wants_begin && parser.content_length().value_or(0) > reply_size_max) co_return too_long;
  WebReply reply{parser.get().result_int(), {}};
  attempt.failure = co_await read_text(stream, buffer, parser, reply.body);
  if (attempt.failure) co_return error_of(request, attempt);
  if (!request.wants_begin && reply.body.size() > reply_size_max) co_return too_long;
  co_return reply;
}

template <class Stream>
asio::awaitable<Result<WebReply>> exchange(Stream& stream, const WebRequest& request, Attempt& attempt) {
  attempt.stage = Stage::responding;
  const auto message = message_of(request);
  std::size_t size = 0;
  std::tie(attempt.failure, size) = co_await http::async_write(stream, message, as_result);
  if (attempt.failure) co_return error_of(request, attempt);
  auto reply = co_await read_reply(stream, request, attempt);
  co_return reply;
}

asio::awaitable<Result<WebReply>> exchange_over_tls(tcp::socket& socket, const WebRequest& request,
                                                    Attempt& attempt) {
  attempt.stage = Stage::securing;
  const auto target = target_of(request);
  const auto context = make_context(target.check);
  if (!context) co_return context.error();
  TlsStream tls(socket, **context);
  if (const auto set = expect_server(tls, target.check, certificate_name(target), attempt.refusal); !set)
    co_return set.error();
  std::tie(attempt.failure) = co_await tls.async_handshake(asio::ssl::stream_base::client, as_result);
  if (attempt.failure) co_return error_of(request, attempt);
  auto reply = co_await exchange(tls, request, attempt);
  co_return reply;
}

asio::awaitable<Addresses> addresses_of(const WebRequest& request, OpenRequest& open, Resolver& resolver) {
  if (const auto* address = request.url.host.address()) {
    const std::vector<Address> one{*address};
    co_return one;
  }
  auto found = co_await resolver.resolve(*request.url.host.host(), open.timer);
  if (found) co_return *std::move(found);
  co_return unavailable(
      fmt::format("timeout after {} while looking {} up", to_text(request.timeout), request.url.host_field));
}

}  // namespace

asio::awaitable<Result<WebReply>> fetch(WebRequest request, OpenRequest& open, Resolver& resolver) {
  const auto end = Clock::now() + request.timeout;
  open.timer.expires_at(end);
  const auto addresses = co_await addresses_of(request, open, resolver);
  if (!addresses) co_return addresses.error();
  std::vector<tcp::endpoint> endpoints;
  for (const auto& address : *addresses) endpoints.push_back(to_endpoint(address, request.url.port));
  Attempt attempt;
  open.connection.expires_at(end);  // once: for all that follows together
  auto& socket = open.connection.socket();
  tcp::endpoint connected;
  std::tie(attempt.failure, connected) = co_await asio::async_connect(socket, endpoints, as_result);
  Result<WebReply> reply = unavailable("not asked");
  if (attempt.failure)
    reply = error_of(request, attempt);
  else if (request.url.tls)
    reply = co_await exchange_over_tls(socket, request, attempt);
  else
    reply = co_await exchange(socket, request, attempt);
  if (attempt.failure && open.connection.timed_out()) {
    attempt.failure = beast::error::timeout;
    reply = error_of(request, attempt);
  }
  open.connection.close();
  co_return reply;
}

}  // namespace sluice::probe
