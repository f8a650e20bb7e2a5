#include "client.hpp"

#include <exception>
#include <optional>

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

namespace sluice::ctl {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Local = asio::local::stream_protocol;
using Socket = asio::generic::stream_protocol::socket;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

// A status of many thousand endpoints; more can only be something else that answers there.
constexpr std::uint64_t reply_size_max = 256U << 20;

std::string place(const Target& target) {
  return target.socket.empty() ? fmt::format("http://{}:{}", target.host, target.port) : target.socket;
}

Error connect_error(const Target& target, error_code error) {
  const auto where = place(target);
  if (error == asio::error::access_denied)
    return {ErrorCode::refused,
            fmt::format("{}: permission denied; only the user that sluiced runs as, and root, may use it",
                        where)};
  const auto reason = error == boost::system::errc::no_such_file_or_directory ? "there is no such socket"
                      : error == asio::error::connection_refused              ? "nothing listens there"
                                                                              : error.message();
  return {
      ErrorCode::unavailable,
      fmt::format("no daemon at {}: {}\n(tell where it is with --socket PATH, --url URL or SLUICE_SOCKET)",
                  where, reason)};
}

asio::awaitable<error_code> connect_local(Socket& socket, const std::string& path) {
  if (path.size() >= sizeof(sockaddr_un::sun_path)) co_return asio::error::name_too_long;
  const Local::endpoint endpoint(path);
  const auto [error] = co_await socket.async_connect(endpoint, as_result);
  co_return error;
}

asio::awaitable<error_code> connect_tcp(Socket& socket, const Target& target) {
  tcp::resolver resolver(socket.get_executor());
  const auto [error, found] = co_await resolver.async_resolve(target.host, target.port, as_result);
  if (error) co_return error;
  tcp::socket connected(socket.get_executor());
  const auto [failed, endpoint] = co_await asio::async_connect(connected, found, as_result);
  if (!failed) socket = std::move(connected);
  co_return failed;
}

http::request<http::string_body> to_message(const Target& target, const HttpCall& call) {
  http::request<http::string_body> message;
  message.method_string(call.method);
  message.target(call.target);
  message.set(http::field::host,
              target.socket.empty() ? fmt::format("{}:{}", target.host, target.port) : "localhost");
  message.set(http::field::user_agent, "sluicectl/" SLUICE_VERSION);
  message.set(http::field::connection, "close");
  if (!call.body.empty()) message.set(http::field::content_type, "application/json");
  message.body() = call.body;
  message.prepare_payload();
  return message;
}

asio::awaitable<Result<HttpReply>> converse(Socket& socket, const Target& target, const HttpCall& call) {
  const auto error = target.socket.empty() ? co_await connect_tcp(socket, target)
                                           : co_await connect_local(socket, target.socket);
  if (error) co_return connect_error(target, error);
  const auto message = to_message(target, call);
  // A daemon that refuses early may close before it has read all: its reply is worth more than our error.
  co_await http::async_write(socket, message, as_result);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(reply_size_max);
  const auto [failed, size] = co_await http::async_read(socket, buffer, parser, as_result);
  if (failed)
    co_return Error{
        ErrorCode::unavailable,
        fmt::format("{} closed the connection without a reply ({}){}", place(target), failed.message(),
                    call.method == "GET" ? "" : "; `sluicectl status` shows whether the change was made")};
  co_return HttpReply{parser.get().result_int(), std::move(parser.get().body())};
}

}  // namespace

Result<HttpReply> exchange(const Target& target, const HttpCall& call, Duration timeout) {
  asio::io_context context(1);
  Socket socket(context);
  std::optional<Result<HttpReply>> result;
  asio::co_spawn(context, converse(socket, target, call),
                 [&](std::exception_ptr failure, Result<HttpReply> reply) {
                   if (failure)
                     result = Error{ErrorCode::unavailable, "out of memory, or a fault in sluicectl"};
                   else
                     result = std::move(reply);
                 });
  context.run_for(timeout);
  if (result) return *std::move(result);
  return Error{
      ErrorCode::unavailable,
      fmt::format("{} did not reply within {}{}", place(target), to_text(timeout),
                  call.method == "GET" ? "" : "; `sluicectl status` shows whether the change was made")};
}

}  // namespace sluice::ctl
