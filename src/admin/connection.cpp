#include "admin/connection.hpp"

#include <exception>

#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/json/serialize.hpp>

#include "base/as_result.hpp"
#include "base/log.hpp"

namespace sluice::admin {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

http::response<http::string_body> make_response(http::status status, std::string_view content_type,
                                                std::string body) {
  http::response<http::string_body> response{status, 11};
  response.set(http::field::content_type, content_type);
  response.set(http::field::cache_control, "no-store");
  response.set("X-Content-Type-Options", "nosniff");
  response.body() = std::move(body);
  return response;
}

http::response<http::string_body> refusal_response(const Refusal& refusal) {
  auto response = make_response(refusal.status, "application/json", error_body(refusal.error));
  if (!refusal.allow.empty()) response.set(http::field::allow, refusal.allow);
  if (!refusal.challenge.empty()) response.set(http::field::www_authenticate, refusal.challenge);
  return response;
}

http::response<http::string_body> reply_response(control::CommandId id, const control::Reply& reply) {
  if (!reply)
    return make_response(http_status(reply.error().code), "application/json", error_body(reply.error()));
  if (id == control::CommandId::metrics && reply->is_string())
    return make_response(http::status::ok, "text/plain; version=0.0.4", std::string(reply->get_string()));
  return make_response(http::status::ok, "application/json", boost::json::serialize(*reply));
}

// A message that Beast's parser gave up on; nothing when there is nobody left to tell.
std::optional<Refusal> parse_refusal(error_code error) {
  if (error.category() != http::make_error_code(http::error::end_of_stream).category()) return std::nullopt;
  if (error == http::error::end_of_stream || error == http::error::partial_message) return std::nullopt;
  if (error == http::error::body_limit)
    return Refusal{http::status::payload_too_large,
                   {ErrorCode::invalid, "the body is larger than what is accepted"},
                   {}};
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return Refusal{http::status::request_header_fields_too_large,
                   {ErrorCode::invalid, "the header is larger than what is accepted"},
                   {}};
  return Refusal{
      http::status::bad_request, {ErrorCode::invalid, "not a valid HTTP request: " + error.message()}, {}};
}

// The other side has closed completely, not only its sending half, which would still wait for our reply.
// TCP cannot tell the two apart before it tries to send; then we find out when we write.
bool is_hung_up(int descriptor) {
  pollfd poll_entry{descriptor, 0, 0};
  return ::poll(&poll_entry, 1, 0) == 1 && (poll_entry.revents & (POLLHUP | POLLERR)) != 0;
}

}  // namespace

Connection::Connection(Socket socket, std::string who, std::shared_ptr<const Service> service)
    : stream_(std::move(socket)),
      reply_arrived_(stream_.get_executor(), asio::steady_timer::time_point::max()),
      who_(std::move(who)),
      service_(std::move(service)) {}

asio::awaitable<void> Connection::run(std::shared_ptr<Connection> self) {
  try {
    co_await self->serve();
  } catch (const std::exception&
               error) {  // bad_alloc, or a fault of ours: this connection ends, the daemon does not
    logger().error("admin: connection of {} ended: {}", self->who_, error.what());
  }
  self->close();
}

void Connection::close() {
  gone_ = true;
  reply_arrived_.cancel();
  stream_.close();
}

asio::awaitable<void> Connection::serve() {
  for (;;) {
    Parser parser;
    parser.header_limit(service_->limits.header_size_max);
    parser.body_limit(service_->limits.body_size_max);
    if (const auto error = co_await read_message(parser); error) co_return co_await refuse_malformed(error);
    auto response = co_await handle(parser.get());
    if (!response) co_return;
    const bool keep_alive = parser.keep_alive();
    response->version(parser.get().version());
    response->keep_alive(keep_alive);
    const bool head_only = parser.get().method() == http::verb::head;
    if (!co_await write(*std::move(response), head_only)) co_return;
    if (!keep_alive) co_return co_await linger();
  }
}

// Two deadlines: one for a client that says nothing, a shorter one for a client that has begun to.
asio::awaitable<error_code> Connection::read_message(Parser& parser) {
  if (const auto error = co_await wait_for_request(); error) co_return error;
  stream_.expires_after(service_->limits.request_timeout);
  if (const auto [error, size] = co_await http::async_read_header(stream_, buffer_, parser, as_result); error)
    co_return error;
  if (const auto error = co_await invite_body(parser); error) co_return error;
  const auto [error, size] = co_await http::async_read(stream_, buffer_, parser, as_result);
  co_return error;
}

asio::awaitable<error_code> Connection::wait_for_request() {
  if (buffer_.size() != 0) co_return error_code{};  // pipelined behind the one before
  stream_.expires_after(service_->limits.idle_timeout);
  const auto [error, size] = co_await stream_.async_read_some(buffer_.prepare(4096), as_result);
  buffer_.commit(size);
  if (error == asio::error::eof) co_return http::error::end_of_stream;
  co_return error;
}

// RFC 9110, 10.1.1: a client that expects "100 Continue" holds its body back until then.
asio::awaitable<error_code> Connection::invite_body(const Parser& parser) {
  static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  if (parser.is_done() || !beast::iequals(parser.get()[http::field::expect], "100-continue"))
    co_return error_code{};
  const auto [error, size] = co_await asio::async_write(stream_, asio::buffer(go_on), as_result);
  co_return error;
}

// Nothing when the client has gone meanwhile.
asio::awaitable<std::optional<Connection::Response>> Connection::handle(const Message& message) {
  auto routed = route({message.method_string(), message.target(), message.body(), service_->read_only, who_,
                       message[http::field::authorization]});
  if (const auto* refusal = std::get_if<Refusal>(&routed)) co_return refusal_response(*refusal);
  if (auto* document = std::get_if<Document>(&routed))
    co_return make_response(http::status::ok, "application/json", std::move(document->json));
  auto request = std::get<control::Request>(std::move(routed));
  const auto id = request.id;
  const auto reply = co_await ask_director(std::move(request));
  if (!reply) co_return std::nullopt;
  co_return reply_response(id, *reply);
}

// The handler holds no more than a weak reference, so that nothing of ours is destroyed on the director's
// thread.
asio::awaitable<std::optional<control::Reply>> Connection::ask_director(control::Request request) {
  reply_.reset();
  auto handler = [executor = stream_.get_executor(), weak = weak_from_this()](control::Reply reply) {
    asio::post(executor, [weak, reply = std::move(reply)]() mutable {
      if (const auto self = weak.lock()) self->take_reply(std::move(reply));
    });
  };
  service_->dispatch(std::move(request), std::move(handler));
  watch_peer();
  while (!reply_ && !gone_) co_await reply_arrived_.async_wait(as_result);
  error_code ignored;
  stream_.socket().cancel(ignored);  // the watch
  if (gone_) co_return std::nullopt;
  co_return std::move(reply_);
}

void Connection::take_reply(control::Reply reply) {
  reply_ = std::move(reply);
  reply_arrived_.cancel();
}

// A long poll whose client has left gives its place back at once.
void Connection::watch_peer() {
  stream_.socket().async_wait(Socket::wait_read, [weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (self && !error) self->peer_readable();
  });
}

void Connection::peer_readable() {
  if (reply_ || !is_hung_up(stream_.socket().native_handle())) return;
  gone_ = true;
  reply_arrived_.cancel();
}

// False when the connection is of no use any more.
asio::awaitable<bool> Connection::write(Response response, bool head_only) {
  response.prepare_payload();
  stream_.expires_after(service_->limits.write_timeout);
  http::response_serializer<http::string_body> serializer(response);
  error_code error;
  if (head_only) {
    serializer.split(true);
    std::tie(error, std::ignore) = co_await http::async_write_header(stream_, serializer, as_result);
  } else {
    std::tie(error, std::ignore) = co_await http::async_write(stream_, serializer, as_result);
  }
  co_return !error;
}

asio::awaitable<void> Connection::refuse_malformed(error_code error) {
  const auto refusal = parse_refusal(error);
  if (!refusal) co_return;
  auto response = refusal_response(*refusal);
  response.keep_alive(false);
  if (co_await write(std::move(response), false)) co_await linger();
}

// Closing with octets unread resets the connection, and the reply may be lost with it (RFC 9112, 9.6): say
// that we are done, and read on for a moment.
asio::awaitable<void> Connection::linger() {
  error_code ignored;
  stream_.socket().shutdown(Socket::shutdown_send, ignored);
  stream_.expires_after(service_->limits.linger_timeout);
  for (;;) {
    buffer_.clear();
    const auto [error, size] = co_await stream_.async_read_some(buffer_.prepare(4096), as_result);
    if (error) co_return;
  }
}

}  // namespace sluice::admin
