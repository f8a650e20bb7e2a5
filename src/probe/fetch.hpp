// One request to a web server, with all of its response: name, connection, TLS, request and response within
// one deadline, and no more of a body than `reply_size_max`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "config/config.hpp"
#include "config/url.hpp"
#include "probe/connection.hpp"
#include "probe/resolver.hpp"

namespace sluice::probe {

inline constexpr std::size_t reply_size_max = 1 << 20;

struct WebRequest {
  config::Url url;  // its target is what is asked for
  std::vector<config::HeaderField> headers{};
  std::optional<std::string> json{};  // posted; none: a GET
  Duration timeout{};
  config::SharedText authorities{};  // trusted over TLS; empty: the system's
  bool wants_begin = false;          // of a body that is too long; otherwise that is an error
};

struct WebReply {
  unsigned status = 0;
  std::string body;
};

inline bool is_success(const WebReply& reply) { return reply.status >= 200 && reply.status < 300; }

// What a request that is open can be stopped by: closing the one, cancelling the other.
struct OpenRequest {
  OpenRequest(const boost::asio::any_io_executor& executor, const Deadlines& deadlines)
      : timer(executor), connection(executor, deadlines) {}
  boost::asio::steady_timer timer;
  Connection connection;
};

// An error, in words for a person, when there was no whole response. `open` and `resolver` live until the
// end.
boost::asio::awaitable<Result<WebReply>> fetch(WebRequest request, OpenRequest& open, Resolver& resolver);

}  // namespace sluice::probe
