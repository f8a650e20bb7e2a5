// What DNS over TLS (RFC 7858) shows to clients: a certificate chain and its key, checked, with the settings
// of every connection.
//
//   auto loaded = load_certificate("server.pem", "server.key");
//   if (loaded.certificate) published.publish(loaded.certificate);     // new connections get it
#pragma once

#include <memory>
#include <string>

// OpenSSL's; its headers stay in .cpp files.
struct ssl_st;
struct ssl_ctx_st;

namespace sluice::serve {

struct FreeSession {
  void operator()(ssl_st* session) const;
};
using TlsSession = std::unique_ptr<ssl_st, FreeSession>;

// Thread-safe.
class Certificate {
 public:
  explicit Certificate(std::shared_ptr<ssl_ctx_st> context) : context_(std::move(context)) {}

  // One connection's state, server side, over the connected socket `fd`, which it does not own. Null: no
  // memory.
  TlsSession new_session(int fd) const;

 private:
  std::shared_ptr<ssl_ctx_st> context_;
};

struct LoadedCertificate {
  std::shared_ptr<const Certificate> certificate;  // null when there is an error
  std::string certificate_error, key_error;        // what is wrong with the one file and the other
};

// Reads a PEM chain (the server's certificate first) and its PEM key, which has no pass phrase.
LoadedCertificate load_certificate(const std::string& certificate_file, const std::string& key_file);

}  // namespace sluice::serve
