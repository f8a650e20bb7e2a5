// Answers TCP (RFC 7766): connections kept open, queries pipelined, two-octet length before each message. One
// thread of its own on Asio, so that connections cannot starve datagrams.
//
//   read -> answer() each complete message, snapshot once -> write the replies, in order -> read
//
// A connection is read again only when its replies are written: a client that does not read is not read from.
// One that half-closes still gets all replies. A message without a reply (garbage) leaves the connection
// open; one of length 0 ends it.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "serve/sockets.hpp"
#include "serve/udp.hpp"

namespace sluice::serve {

// What a client may take of us. The times are kept to within an eighth of the shortest.
struct TcpLimits {
  // Together 64 MiB at the usual buffer sizes, some 150 MiB when all of them misbehave.
  std::size_t connections = 1000;

  // Of one IPv4 address or IPv6 /64: one client cannot take all; a resolver needs a handful, but several may
  // share one address.
  std::size_t client_connections = 100;

  // Between messages. RFC 7766, 6.2.3: "of the order of a few seconds"; resolvers that ask again at once are
  // well inside.
  std::chrono::milliseconds idle{10'000};

  // From a message's first octet to its last: a query fits one segment, so this is several retransmissions.
  std::chrono::milliseconds message{5'000};

  // For the client to take the replies to what it has sent: 65,535 octets in this time is less than 7 KiB/s.
  std::chrono::milliseconds write{10'000};
};

class TcpServer {
 public:
  // Takes the TCP socket of each listener. Starts the thread. Throws std::system_error when the system has no
  // thread or descriptor left for us.
  TcpServer(const Context& context, std::vector<Listener>& listeners, const TcpLimits& limits = {});
  ~TcpServer();  // closes all connections and joins

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace sluice::serve
