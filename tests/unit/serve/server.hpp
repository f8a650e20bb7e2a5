// What the tests of this room stand on: a real server on loopback, and blocking clients that give up after a
// while instead of hanging.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "serve/tcp.hpp"
#include "serve/udp.hpp"

namespace sluice::serve::test {

using Message = std::vector<std::uint8_t>;

// A query with RD clear. The name is given without its final dot.
Message make_query(std::uint16_t id, std::string_view name, wire::RrType type = wire::RrType::a);

// With the two-octet length before it.
Message framed(const Message& message);

std::uint16_t id_of(const Message& message);
unsigned rcode_of(const Message& message);
unsigned answers_of(const Message& message);

inline constexpr unsigned noerror = 0, refused = 5;

// Long enough that only the limit under test can close a connection.
TcpLimits patient();

// All parts of the answering side, on the addresses given; with `certificates` the one for TLS alone. It
// answers for "a.test", with one address; other names are refused.
class Server {
 public:
  explicit Server(const std::vector<std::string>& addresses, unsigned workers = 2,
                  const TcpLimits& limits = {}, const Published<Certificate>* certificates = nullptr);

  const SocketAddress& address(std::size_t i = 0) const { return addresses_[i]; }
  std::uint64_t counted(Metric metric) const { return counters_.value(metric); }
  // The address of "a.test" becomes 192.0.2.x; `zone` is served beside it.
  void publish(std::uint8_t last_octet, std::shared_ptr<const zone::Zone> zone = nullptr);
  void stop() { tcp_.reset(), udp_.reset(); }

 private:
  Published<answer::Snapshot> published_;
  Quiescence quiescence_;
  Counters counters_;
  std::vector<Listener> listeners_;
  std::vector<SocketAddress> addresses_;
  std::unique_ptr<UdpServer> udp_;
  std::unique_ptr<TcpServer> tcp_;
};

// A socket whose calls fail after 10 s: far more than anything here takes.
class Client {
 public:
  Client(Family family, int type);
  Client(const SocketAddress& server, int type);  // connected
  int fd() const { return socket_.get(); }

  bool send(const Message& bytes);
  void send_to(const SocketAddress& server, const Message& bytes);
  void finish_sending();

  // UDP. The next datagram; empty when none came. `from` says whence it came.
  Message receive(SocketAddress* from = nullptr);

  // TCP. The next message; empty at the end of the stream, or when it was reset.
  Message read_message();
  bool at_end();

 private:
  bool read_all(std::uint8_t* to, std::size_t size);
  Descriptor socket_;
};

SocketAddress loopback(Family family, std::uint16_t port);

}  // namespace sluice::serve::test
