#include "serve/certificate.hpp"

#include <array>
#include <string_view>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/file.hpp"

namespace sluice::serve {
namespace {

// Chains and keys have a few KiB; what is larger was named by mistake.
constexpr std::size_t file_size_max = 1 << 20;

// Certificates above our own; real chains have two or three.
constexpr unsigned chain_certificates_max = 16;

template <auto function>
struct Free {
  void operator()(auto* it) const { function(it); }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free>>;
using X509Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

// The last thing that OpenSSL had to say; empties its list.
std::string openssl_message() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason != nullptr ? reason : "unknown reason";
}

Bio view_of(const std::string& content) {
  return Bio(BIO_new_mem_buf(content.data(), static_cast<int>(content.size())));
}

// Without it OpenSSL would ask on the terminal.
int no_pass_phrase(char*, int, int, void*) { return 0; }

// The octets of the chain are the user's text; "no start line" is how OpenSSL says that there is no more.
bool at_end() {
  const auto code = ERR_peek_last_error();
  const bool end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  if (end) ERR_clear_error();
  return end;
}

std::string use_chain(SSL_CTX* context, const std::string& file) {
  const auto content = read_file(file, file_size_max);
  if (!content) return fmt::format("{}: {}", file, content.error().message);
  const auto bio = view_of(*content);
  const X509Certificate own(PEM_read_bio_X509_AUX(bio.get(), nullptr, no_pass_phrase, nullptr));
  if (!own) {
    const bool none = at_end();
    return none ? fmt::format("there is no PEM certificate in {}", file)
                : fmt::format("the certificate in {} is damaged: {}", file, openssl_message());
  }
  if (SSL_CTX_use_certificate(context, own.get()) != 1)
    return fmt::format("the certificate in {} cannot be used: {}", file, openssl_message());
  for (unsigned count = 0; count < chain_certificates_max; ++count) {
    const X509Certificate next(PEM_read_bio_X509(bio.get(), nullptr, no_pass_phrase, nullptr));
    if (!next && at_end()) return {};
    if (!next || SSL_CTX_add1_chain_cert(context, next.get()) != 1)
      return fmt::format("the chain in {} is damaged after {} certificate(s): {}", file, count + 1,
                         openssl_message());
  }
  return fmt::format("there are more than {} certificates in {}", chain_certificates_max, file);
}

std::string load_key(Key& key, const std::string& file) {
  auto content = read_file(file, file_size_max);
  if (!content) return fmt::format("{}: {}", file, content.error().message);
  if (content->find("PRIVATE KEY-----") == content->npos)
    return fmt::format("there is no PEM private key in {}", file);
  key.reset(PEM_read_bio_PrivateKey(view_of(*content).get(), nullptr, no_pass_phrase, nullptr));
  OPENSSL_cleanse(content->data(), content->size());
  if (key) return {};
  return fmt::format("the key in {} cannot be read (a pass phrase cannot be asked for): {}", file,
                     openssl_message());
}

// RFC 7858 is registered as "dot". Who names other protocols only is no DNS client (RFC 7301, 3.2); who names
// none is served, as RFC 7858 asks for no ALPN.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                    const unsigned char* offered, unsigned offered_size, void*) {
  constexpr std::string_view dot = "dot";
  for (unsigned at = 0; at < offered_size; at += 1U + offered[at]) {
    const std::string_view name(reinterpret_cast<const char*>(offered + at + 1), offered[at]);
    if (name != dot) continue;
    *chosen = offered + at + 1;
    *chosen_size = offered[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

std::shared_ptr<ssl_ctx_st> make_context() {
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return nullptr;
  // RFC 9325 (which RFC 7858 follows): TLS 1.2 at least, and with it only forward secret, authenticated
  // ciphers.
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context.get(), "ECDHE+AESGCM:ECDHE+CHACHA20");
  // No renegotiation: it costs us more than the client. An end without close_notify is an end: messages have
  // lengths.
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  // What has been written stays in our own buffer; what is idle keeps none of OpenSSL's (some 34 KiB).
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  // Sessions are resumed (RFC 7858, 3.4) by tickets, which cost us no memory. Their key lives and dies with
  // the context.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  return context;
}

}  // namespace

void FreeSession::operator()(ssl_st* session) const { SSL_free(session); }

TlsSession Certificate::new_session(int fd) const {
  TlsSession session(SSL_new(context_.get()));
  if (!session || SSL_set_fd(session.get(), fd) != 1) return nullptr;
  SSL_set_accept_state(session.get());
  return session;
}

LoadedCertificate load_certificate(const std::string& certificate_file, const std::string& key_file) {
  LoadedCertificate result;
  const auto context = make_context();
  if (!context) return result.certificate_error = "OpenSSL: " + openssl_message(), result;
  ERR_clear_error();
  result.certificate_error = use_chain(context.get(), certificate_file);
  Key key;
  result.key_error = load_key(key, key_file);
  if (!result.certificate_error.empty() || !result.key_error.empty()) return result;
  // Fails for a key of another certificate, too.
  if (SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    result.key_error = fmt::format("the key in {} does not go with the certificate in {}: {}", key_file,
                                   certificate_file, openssl_message());
  } else {
    result.certificate = std::make_shared<Certificate>(context);
  }
  return result;
}

}  // namespace sluice::serve
