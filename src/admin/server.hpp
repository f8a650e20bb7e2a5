// HTTP+JSON for operators: on a Unix socket, and on TCP when the config says so, where only what reads is let
// through, and what needs a token. Routes come from control's table of commands.
//
//   listeners (server.cpp) --> connections (connection.cpp) --> route() (route.cpp) --> dispatch --> director
//                                        ^                                                             |
//                                        +------------------- the reply, posted back ------------------+
//
//   Server server(context.get_executor(), [&](auto request, auto handler) { director.handle(...); });
//   if (auto bound = server.listen_unix("state/admin.sock"); !bound) ...
//   server.start();
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "base/address.hpp"
#include "base/clock.hpp"
#include "base/result.hpp"
#include "control/commands.hpp"

namespace sluice::admin {

// Hands a checked request to the director; the handler may be called on any thread, exactly once. A reply
// that comes after the client has gone is dropped.
using Dispatch = std::function<void(control::Request, control::ReplyHandler)>;

// What one client may cost us.
struct Limits {
  std::size_t body_size_max = 512U << 10;  // the largest request, weights of 4,096 pools, has less
  std::uint32_t header_size_max = 16U
                                  << 10;  // room for a browser's cookies of other services on the same host
  std::size_t connections_max = 64;       // for each listener, so that TCP cannot lock the operator out
  Duration request_timeout{10'000};       // from the first octet of a request to its last
  Duration idle_timeout{60'000};          // between two requests of a connection
  Duration write_timeout{10'000};         // for one reply
  Duration linger_timeout{1'000};         // to read on after a reply that closes the connection
};

// Not thread-safe: all members are called where `executor` runs, or while it does not run yet. The executor
// runs on one thread and outlives the last call of a reply handler.
class Server {
 public:
  Server(boost::asio::any_io_executor executor, Dispatch dispatch, Limits limits = {});
  ~Server();  // stop()
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Binds before privileges are dropped. A socket file that a dead daemon left is replaced; one that is in
  // use is an error, and so is anything else that stands at the path.
  Result<void> listen_unix(const std::string& path);
  Result<void> listen_tcp(const SocketAddress& address);

  // Where the last listen_tcp() listens: tells which port the kernel chose for port 0.
  std::optional<SocketAddress> tcp_address() const;

  // Accepts from now on.
  void start();

  // Closes all listeners and connections and removes the socket file if it is still ours. A second call does
  // nothing.
  void stop();

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace sluice::admin
