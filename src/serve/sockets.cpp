#include "serve/sockets.hpp"

#include <cassert>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

namespace sluice::serve {
namespace {

// A small datagram takes about 800 octets of a socket's buffer, and the system doubles what is asked for:
// room for some 10,000, which is what arrives while a worker is not scheduled for 20 ms, at 500,000 queries a
// second.
constexpr int receive_buffer_bytes = 4 << 20;

// Replies wait here until the network card has sent them: several full batches of the largest replies.
constexpr int send_buffer_bytes = 1 << 20;

// Connections that wait to be accepted; the system cuts it to net.core.somaxconn.
constexpr int tcp_backlog = 1024;

// When the system chooses the port, it does so for UDP; somebody may use the same one for TCP.
constexpr int port_attempts_max = 32;

// What of a connection's replies may wait in the kernel beyond what is on its way: else a client that does
// not read costs as much as net.ipv4.tcp_wmem allows, some MiB.
constexpr int unsent_bytes_max = 32 << 10;

enum class Transport : std::uint8_t { udp, tcp, tls };

const char* name_of(Transport transport) {
  switch (transport) {
    case Transport::udp:
      return "UDP";
    case Transport::tcp:
      return "TCP";
    case Transport::tls:
      return "TLS";
  }
  return "";
}

// Carries errno from a failed step to the place that words it.
using Outcome = std::errc;
constexpr Outcome done{};

Outcome last_error() { return static_cast<std::errc>(errno); }

Error cannot_listen(const SocketAddress& address, Transport transport, Outcome outcome) {
  std::string reason = std::make_error_code(outcome).message();
  reason[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(reason[0])));
  if (outcome == std::errc::permission_denied) reason += " (ports below 1024 need CAP_NET_BIND_SERVICE)";
  return {ErrorCode::unavailable,
          fmt::format("cannot listen on {} ({}): {}", to_text(address), name_of(transport), reason)};
}

Outcome set_option(int socket, int level, int option, int value) {
  return setsockopt(socket, level, option, &value, sizeof value) == 0 ? done : last_error();
}

bool is_wildcard(const Address& address) { return address == Address{address.family, {}}; }

// Beyond the system's limit for all (net.core.rmem_max) when we are privileged; else as far as that goes. Any
// size works.
void enlarge_buffers(int socket) {
  if (set_option(socket, SOL_SOCKET, SO_RCVBUFFORCE, receive_buffer_bytes) != done)
    set_option(socket, SOL_SOCKET, SO_RCVBUF, receive_buffer_bytes);
  if (set_option(socket, SOL_SOCKET, SO_SNDBUFFORCE, send_buffer_bytes) != done)
    set_option(socket, SOL_SOCKET, SO_SNDBUF, send_buffer_bytes);
}

Outcome open_socket(const SocketAddress& address, Transport transport, Descriptor& socket) {
  const bool v6 = address.address.family == Family::v6;
  // UDP's threads wait in the socket itself, which spares a system call for each batch.
  const int type = transport == Transport::udp ? SOCK_DGRAM : SOCK_STREAM | SOCK_NONBLOCK;
  socket = Descriptor(::socket(v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return last_error();
  // "[::]:53" and "0.0.0.0:53" stand side by side, and no client shows up as ::ffff:192.0.2.1.
  return v6 ? set_option(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1) : done;
}

Outcome bind_socket(const Descriptor& socket, const SocketAddress& address) {
  const SystemAddress system(address);
  return ::bind(socket.get(), system.get(), system.size) == 0 ? done : last_error();
}

Outcome set_udp_options(int socket, const Address& address) {
  enlarge_buffers(socket);
  const bool v4 = address.family == Family::v4;
  // A forged "fragmentation needed" must not make us send fragments, into which an attacker could slip his
  // own. Over IPv6 our replies fit the least MTU there is, so nothing has to be said.
  if (v4)
    if (const auto failed = set_option(socket, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT); failed != done)
      return failed;
  if (!is_wildcard(address)) return done;
  return v4 ? set_option(socket, IPPROTO_IP, IP_PKTINFO, 1)
            : set_option(socket, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
}

// The first socket is bound without SO_REUSEPORT, so that it conflicts with any other process, one that uses
// SO_REUSEPORT included; only then is it opened for the sockets of the other workers.
Outcome open_udp(const SocketAddress& address, bool first, Descriptor& socket) {
  if (const auto failed = open_socket(address, Transport::udp, socket); failed != done) return failed;
  if (const auto failed = set_udp_options(socket.get(), address.address); failed != done) return failed;
  if (first)
    if (const auto failed = bind_socket(socket, address); failed != done) return failed;
  if (const auto failed = set_option(socket.get(), SOL_SOCKET, SO_REUSEPORT, 1); failed != done)
    return failed;
  return first ? done : bind_socket(socket, address);
}

// SO_REUSEADDR: connections of the process before us may still be in TIME_WAIT. It does not let two listen on
// one address.
Outcome open_tcp(const SocketAddress& address, Descriptor& socket) {
  if (const auto failed = open_socket(address, Transport::tcp, socket); failed != done) return failed;
  if (const auto failed = set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1); failed != done)
    return failed;
  // Connections inherit it.
  if (const auto failed = set_option(socket.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, unsent_bytes_max);
      failed != done)
    return failed;
  if (const auto failed = bind_socket(socket, address); failed != done) return failed;
  return ::listen(socket.get(), tcp_backlog) == 0 ? done : last_error();
}

Result<std::uint16_t> bound_port(const SocketAddress& address, const Descriptor& socket) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0)
    return cannot_listen(address, Transport::udp, last_error());
  return from_system(reinterpret_cast<const sockaddr*>(&storage)).port;
}

// Opens everything at the port that the first socket gets. `taken` says that another port may work.
Result<Listener> listen_once(const SocketAddress& address, unsigned udp_sockets, bool& taken) {
  Listener listener{.address = address, .udp = std::vector<Descriptor>(udp_sockets), .tcp = {}};
  const auto fail = [&](Transport transport, Outcome outcome) {
    taken = outcome == std::errc::address_in_use;
    return cannot_listen(listener.address, transport, outcome);
  };
  for (Descriptor& socket : listener.udp) {
    const bool first = &socket == listener.udp.data();
    if (const auto failed = open_udp(listener.address, first, socket); failed != done)
      return fail(Transport::udp, failed);
    if (!first) continue;
    const auto port = bound_port(address, socket);
    if (!port) return port.error();
    listener.address.port = *port;
  }
  if (const auto failed = open_tcp(listener.address, listener.tcp); failed != done)
    return fail(Transport::tcp, failed);
  return listener;
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Listener> listen(const SocketAddress& address, unsigned udp_sockets) {
  assert(udp_sockets >= 1);
  for (int attempt = 1;; ++attempt) {
    bool taken = false;
    auto listener = listen_once(address, udp_sockets, taken);
    if (listener || !taken || address.port != 0 || attempt == port_attempts_max) return listener;
  }
}

Result<Listener> listen_tls(const SocketAddress& address) {
  Listener listener{.address = address, .udp = {}, .tcp = {}};
  if (const auto failed = open_tcp(address, listener.tcp); failed != done)
    return cannot_listen(address, Transport::tls, failed);
  const auto port = bound_port(address, listener.tcp);
  if (!port) return port.error();
  listener.address.port = *port;
  return listener;
}

SystemAddress::SystemAddress(const SocketAddress& address) {
  if (address.address.family == Family::v4) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    std::memcpy(&v4.sin_addr, address.address.octets.data(), sizeof v4.sin_addr);
    std::memcpy(&storage, &v4, size = sizeof v4);
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    std::memcpy(&v6.sin6_addr, address.address.octets.data(), sizeof v6.sin6_addr);
    std::memcpy(&storage, &v6, size = sizeof v6);
  }
}

SocketAddress from_system(const sockaddr* address) {
  SocketAddress result;
  if (address->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, address, sizeof v4);
    std::memcpy(result.address.octets.data(), &v4.sin_addr, sizeof v4.sin_addr);
    result.port = ntohs(v4.sin_port);
  } else {
    sockaddr_in6 v6;
    std::memcpy(&v6, address, sizeof v6);
    result.address.family = Family::v6;
    std::memcpy(result.address.octets.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    result.port = ntohs(v6.sin6_port);
  }
  return result;
}

}  // namespace sluice::serve
