// One client's connection: reads a request, routes it, waits for the director's reply, writes it, and again.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "admin/route.hpp"
#include "admin/server.hpp"

namespace sluice::admin {

// What is the same for all connections of a listener.
struct Service {
  Dispatch dispatch;
  Limits limits;
  bool read_only;
};

// Lives as long as its coroutine. Everything happens on the socket's executor, but for the director's call of
// the reply handler.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::generic::stream_protocol::socket;

  Connection(Socket socket, std::string who, std::shared_ptr<const Service> service);

  // Serves requests until either side closes. `self` keeps the object.
  static boost::asio::awaitable<void> run(std::shared_ptr<Connection> self);

  // Ends run() at its next step.
  void close();

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Message = boost::beast::http::request<boost::beast::http::string_body>;
  using Response = boost::beast::http::response<boost::beast::http::string_body>;
  template <class T>
  using Awaitable = boost::asio::awaitable<T>;

  Awaitable<void> serve();
  Awaitable<boost::system::error_code> read_message(Parser& parser);
  Awaitable<boost::system::error_code> wait_for_request();
  Awaitable<boost::system::error_code> invite_body(const Parser& parser);
  Awaitable<std::optional<Response>> handle(const Message& message);
  Awaitable<std::optional<control::Reply>> ask_director(control::Request request);
  Awaitable<bool> write(Response response, bool head_only);
  Awaitable<void> refuse_malformed(boost::system::error_code error);
  Awaitable<void> linger();

  void take_reply(control::Reply reply);
  void watch_peer();
  void peer_readable();

  boost::beast::basic_stream<boost::asio::generic::stream_protocol> stream_;
  boost::asio::steady_timer reply_arrived_;  // never expires; cancelled when there is something to see
  std::string who_;
  std::shared_ptr<const Service> service_;
  boost::beast::flat_buffer buffer_;
  std::optional<control::Reply> reply_;
  bool gone_ = false;  // the peer left, or we are being stopped
};

}  // namespace sluice::admin
