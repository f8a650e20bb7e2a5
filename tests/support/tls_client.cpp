#include "tls_client.hpp"

#include <csignal>

#include <openssl/err.h>
#include <openssl/pem.h>

namespace sluice::test {
namespace {

void trust(SSL_CTX* context, const std::string& text) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(
      PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), X509_free);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate.get());
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
}

}  // namespace

TlsClient::TlsClient(int fd, const TlsWishes& wishes) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that the server may have closed
  context_.reset(SSL_CTX_new(TLS_client_method()));
  if (!wishes.trusted.empty()) trust(context_.get(), wishes.trusted);
  if (wishes.version_max != 0) SSL_CTX_set_max_proto_version(context_.get(), wishes.version_max);
  ssl_.reset(SSL_new(context_.get()));
  if (!wishes.alpn.empty())
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(wishes.alpn.data()),
                        static_cast<unsigned>(wishes.alpn.size()));
  if (wishes.session != nullptr) SSL_set_session(ssl_.get(), wishes.session);
  SSL_set_fd(ssl_.get(), fd);
  ERR_clear_error();
  connected_ = SSL_connect(ssl_.get()) == 1;
}

bool TlsClient::write(std::span<const std::uint8_t> octets) {
  ERR_clear_error();
  return SSL_write(ssl_.get(), octets.data(), static_cast<int>(octets.size())) ==
         static_cast<int>(octets.size());
}

bool TlsClient::read_all(std::span<std::uint8_t> octets) {
  while (!octets.empty()) {
    std::size_t size = 0;
    ERR_clear_error();
    if (SSL_read_ex(ssl_.get(), octets.data(), octets.size(), &size) != 1) return false;
    octets = octets.subspan(size);
  }
  return true;
}

bool TlsClient::ended_by_close_notify() {
  std::uint8_t octet = 0;
  ERR_clear_error();
  const int result = SSL_read(ssl_.get(), &octet, 1);
  return result <= 0 && SSL_get_error(ssl_.get(), result) == SSL_ERROR_ZERO_RETURN;
}

std::string TlsClient::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string TlsClient::peer() const {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get1_peer_certificate(ssl_.get()),
                                                                X509_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
  if (!certificate || PEM_write_bio_X509(bio.get(), certificate.get()) != 1) return {};
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

}  // namespace sluice::test
