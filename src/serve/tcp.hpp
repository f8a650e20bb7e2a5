// Answers TCP (RFC 7766): connections kept open, queries pipelined, two-octet length before each message. One thread of
// its own on Asio, so that connections cannot starve datagrams.
#pragma once

#include <memory>
#include <vector>

#include "serve/sockets.hpp"
#include "serve/udp.hpp"

namespace sluice::serve {

class TcpServer {
 public:
  // Takes the TCP socket of each listener. Starts the thread.
  TcpServer(const Context& context, std::vector<Listener>& listeners);
  ~TcpServer();  // closes all connections and joins

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace sluice::serve
