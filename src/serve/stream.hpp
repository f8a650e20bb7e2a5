// The octets of one connection, plain or within TLS: one interface, so that framing, limits and deadlines are
// the same for both. Never waits: it says what has to be waited for.
//
//   const auto [need, size] = stream.read(space);
//   if (need == Need::readable) co_await ...;          then again
//
// OpenSSL works on the socket itself: a layer between (boost::asio::ssl::stream) keeps four buffers of 17 KiB
// for each connection, idle or not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <boost/asio/ip/tcp.hpp>

#include "serve/certificate.hpp"
#include "wire/name.hpp"

namespace sluice::serve {

// What is needed to go on.
enum class Need : std::uint8_t { nothing, readable, writable, close };

struct Progress {
  Need need;
  std::size_t size = 0;  // with Need::nothing: how many octets were read or written, 1 at least
};

class Stream {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  explicit Stream(Socket socket);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // From here on all octets are within TLS; handshake() comes first, until it needs nothing.
  void start_tls(const Certificate& certificate);
  Progress handshake();

  Progress read(std::span<std::uint8_t> space);
  Progress write(wire::Bytes octets);  // maybe only the first of them

  // There are octets to read of which the socket knows no more.
  bool has_unread() const;

  // At once; within TLS with close_notify, if there is room for it. Nothing is needed any more but to close.
  void close();

  Socket& socket() { return socket_; }

 private:
  Progress tls_progress(int result, std::size_t size);

  Socket socket_;
  TlsSession tls_;
  bool tls_broken_ = false;  // OpenSSL may only be asked to free it
};

}  // namespace sluice::serve
