// Listening sockets: made before privileges are dropped, owned as descriptors until a server takes them.
#pragma once

#include <utility>
#include <vector>

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

// Sockets of one configured listen address: one UDP socket per worker (SO_REUSEPORT), one TCP socket.
struct Listener {
  SocketAddress address;  // with the port that was really bound
  std::vector<Descriptor> udp;
  Descriptor tcp;
};

// Binds both transports. Fails when the address is in use (by another process: SO_REUSEPORT must not hide that), is not ours,
// or is not allowed; the error names address, transport and reason.
Result<Listener> listen(const SocketAddress& address, unsigned udp_sockets);

}  // namespace sluice::serve
