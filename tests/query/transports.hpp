// The servers of the daemon on loopback, so that a case's query goes the whole way: through sockets, framing
// and TLS.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "../support/certificate.hpp"
#include "answer/answer.hpp"
#include "serve/tcp.hpp"
#include "serve/udp.hpp"

namespace sluice::query_cases {

class Transports {
 public:
  explicit Transports(const serve::Context& context);

  // What came back for `message`; empty when it is known that nothing will. Throws when a socket fails.
  std::vector<std::uint8_t> ask(answer::Transport transport, const std::vector<std::uint8_t>& message);

 private:
  Published<serve::Certificate> certificate_;
  std::vector<serve::Listener> listeners_, tls_listeners_;
  std::unique_ptr<serve::UdpServer> udp_;
  std::unique_ptr<serve::TcpServer> tcp_, tls_;
  SocketAddress address_, tls_address_;
};

}  // namespace sluice::query_cases
