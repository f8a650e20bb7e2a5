// HTTP+JSON for operators: on a Unix socket, and read-only on TCP when the config says so. Routes come from
// control's table of commands.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>

#include "base/address.hpp"
#include "base/result.hpp"
#include "control/commands.hpp"

namespace sluice::admin {

// Hands a checked request to the director; the handler may be called on any thread, exactly once.
using Dispatch = std::function<void(control::Request, control::ReplyHandler)>;

class Server {
 public:
  Server(boost::asio::any_io_executor executor, Dispatch dispatch);
  ~Server();

  // Binds before privileges are dropped. A socket file that a dead daemon left is replaced; one that is in use is an error.
  Result<void> listen_unix(const std::string& path);
  Result<void> listen_tcp(const SocketAddress& address);

  // Accepts from now on.
  void start();

  // Closes all listeners and connections and removes the socket file.
  void stop();

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace sluice::admin
