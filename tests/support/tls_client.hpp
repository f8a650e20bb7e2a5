// The client's end of a TLS connection over a blocking socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <openssl/ssl.h>

namespace sluice::test {

struct TlsWishes {
  std::string alpn{};              // as on the wire, such as "\3dot"; empty: the extension is not sent
  std::string trusted{};           // PEM, the only certificate that is believed; empty: any is
  SSL_SESSION* session = nullptr;  // to be resumed
  int version_max = 0;             // such as TLS1_2_VERSION
};

class TlsClient {
 public:
  // Shakes hands over the connected socket `fd`, which it does not own; see connected().
  explicit TlsClient(int fd, const TlsWishes& wishes = {});

  bool connected() const { return connected_; }
  bool write(std::span<const std::uint8_t> octets);
  bool read_all(std::span<std::uint8_t> octets);
  bool ended_by_close_notify();  // the next thing to be read is an orderly end

  std::string protocol() const { return SSL_get_version(ssl_.get()); }
  std::string alpn() const;
  std::string peer() const;  // its certificate, PEM
  SSL* ssl() { return ssl_.get(); }

 private:
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_{nullptr, SSL_CTX_free};
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, SSL_free};
  bool connected_ = false;
};

}  // namespace sluice::test
