// Answers TCP (RFC 7766) and DNS over TLS (RFC 7858): connections kept open, queries pipelined, two-octet
// length before each message. A thread of its own on Asio for each of the two, so that connections cannot
// starve datagrams, nor handshakes plain connections.
//
//   read -> answer() each complete message, snapshot once -> write the replies, in order -> read
//
// A connection is read again only when its replies are written: a client that does not read is not read from.
// One that half-closes still gets all replies. A message without a reply (garbage) leaves the connection
// open; one of length 0 ends it. When there are too many connections, the one that has been idle for longest
// gives way.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "config/config.hpp"
#include "serve/certificate.hpp"
#include "serve/sockets.hpp"
#include "serve/udp.hpp"

namespace sluice::serve {

// What a client may take of us. The times are kept to within an eighth of the shortest.
struct TcpLimits {
  // In all. Idle ones hold no buffers, so this is a matter of some KiB each.
  std::size_t connections = config::Tcp{}.connections;

  // Of one IPv4 address or IPv6 /64: one client cannot take all; a resolver needs a handful, but several may
  // share one address.
  std::size_t client_connections = config::Tcp{}.client_connections;

  // Between messages. RFC 7766, 6.2.3: "of the order of a few seconds"; resolvers that ask again at once are
  // well inside.
  std::chrono::milliseconds idle = config::Tcp{}.idle;

  // From a message's first octet to its last: a query fits one segment, so this is several retransmissions.
  std::chrono::milliseconds message{5'000};

  // For the client to take the replies to what it has sent: 65,535 octets in this time is less than 7 KiB/s.
  std::chrono::milliseconds write{10'000};

  // DNS over TLS: from the connection to the end of the handshake, a few round trips.
  std::chrono::milliseconds handshake{5'000};

  // Zone transfers at once: each holds the snapshot that it began with, and the processor for a part of its
  // turns.
  unsigned transfers = 10;

  // Of one transfer. What is read too slowly ends before, by `write`: each 32 KiB or so have that time.
  std::chrono::milliseconds transfer{3'600'000};

  // Octets of all buffers together. Beyond that, those that keep us waiting for longest are closed: hundreds
  // of the worst, which hold some 150 KiB each, or thousands of ordinary ones.
  std::size_t memory = 64 << 20;
};

// How many connections each of `servers` may have so that, of the descriptors that the system gives us,
// enough are left for the rest, of which `listening` are sockets that are always open.
std::size_t connections_within(std::size_t descriptors, std::size_t listening, std::size_t servers);

class TcpServer {
 public:
  // Takes the TCP socket of each listener. Starts the thread. Throws std::system_error when the system has no
  // thread or descriptor left for us.
  // With `certificates` it speaks TLS: each new connection gets the newest one. They outlive it.
  TcpServer(const Context& context, std::vector<Listener>& listeners, const TcpLimits& limits = {},
            const Published<Certificate>* certificates = nullptr);
  ~TcpServer();  // closes all connections and joins

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace sluice::serve
