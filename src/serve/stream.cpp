#include "serve/stream.hpp"

#include <cerrno>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

namespace sluice::serve {
namespace {

// As after a call on a socket.
Progress progress(ssize_t result, Need otherwise) {
  if (result > 0) return {Need::nothing, static_cast<std::size_t>(result)};
  if (result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return {otherwise};
  return {Need::close};
}

}  // namespace

Stream::Stream(Socket socket) : socket_(std::move(socket)) {
  boost::system::error_code ignored;
  socket_.native_non_blocking(true, ignored);
}

void Stream::start_tls(const Certificate& certificate) {
  tls_ = certificate.new_session(socket_.native_handle());
  tls_broken_ = tls_ == nullptr;
}

Progress Stream::handshake() {
  if (!socket_.is_open() || tls_broken_) return {Need::close};
  ERR_clear_error();
  return tls_progress(SSL_do_handshake(tls_.get()), 1);
}

Progress Stream::read(std::span<std::uint8_t> space) {
  if (!socket_.is_open() || tls_broken_) return {Need::close};
  if (!tls_) return progress(::recv(socket_.native_handle(), space.data(), space.size(), 0), Need::readable);
  std::size_t size = 0;
  ERR_clear_error();
  const int result = SSL_read_ex(tls_.get(), space.data(), space.size(), &size);
  return tls_progress(result, size);
}

Progress Stream::write(wire::Bytes octets) {
  if (!socket_.is_open() || tls_broken_) return {Need::close};
  if (!tls_)
    return progress(::send(socket_.native_handle(), octets.data(), octets.size(), MSG_NOSIGNAL),
                    Need::writable);
  std::size_t size = 0;
  ERR_clear_error();
  const int result = SSL_write_ex(tls_.get(), octets.data(), octets.size(), &size);
  return tls_progress(result, size);
}

// Either direction may need either: a key update (RFC 8446, 4.6.3) is answered while reading.
Progress Stream::tls_progress(int result, std::size_t size) {
  if (result == 1) return {Need::nothing, size};
  switch (SSL_get_error(tls_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return {Need::readable};
    case SSL_ERROR_WANT_WRITE:
      return {Need::writable};
    case SSL_ERROR_ZERO_RETURN:
      return {Need::close};
    default:
      tls_broken_ = true;
      return {Need::close};
  }
}

bool Stream::has_unread() const { return tls_ && !tls_broken_ && SSL_has_pending(tls_.get()) == 1; }

void Stream::close() {
  if (!socket_.is_open()) return;
  ERR_clear_error();
  if (tls_ && !tls_broken_ && SSL_is_init_finished(tls_.get()) == 1) SSL_shutdown(tls_.get());
  boost::system::error_code ignored;
  socket_.close(ignored);
}

}  // namespace sluice::serve
