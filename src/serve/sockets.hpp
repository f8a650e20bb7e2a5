// Listening sockets: made before privileges are dropped, owned as descriptors until a server takes them.
//
//   auto listener = listen(*parse_socket_address("127.0.0.1:53"), workers);
//   if (!listener) return listener.error();    // "cannot listen on 127.0.0.1:53 (UDP): address already in
//   use"
#pragma once

#include <utility>
#include <vector>

#include <sys/socket.h>

#include "base/address.hpp"
#include "base/result.hpp"

namespace sluice::serve {

// Owns a descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// Sockets of one configured listen address: one UDP socket per worker (SO_REUSEPORT), one TCP
// socket, which does not block. All of them are closed on exec. A UDP socket that is bound to a wildcard
// address reports with each datagram the address that was asked (IP_PKTINFO, IPV6_PKTINFO).
struct Listener {
  SocketAddress address;  // with the port that was really bound
  std::vector<Descriptor> udp;
  Descriptor tcp;
};

// Binds both transports. Fails when the address is in use (by another process: SO_REUSEPORT must not hide
// that), is not ours, or is not allowed; the error names address, transport and reason. `udp_sockets` is at
// least 1.
Result<Listener> listen(const SocketAddress& address, unsigned udp_sockets);

// For DNS over TLS: the same without UDP.
Result<Listener> listen_tls(const SocketAddress& address);

// The same address as the system's calls want it, and back.
struct SystemAddress {
  explicit SystemAddress(const SocketAddress& address);
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }

  sockaddr_storage storage{};
  socklen_t size = 0;
};

// `address` is an AF_INET or AF_INET6 one; no socket of ours can yield another.
SocketAddress from_system(const sockaddr* address);

}  // namespace sluice::serve
