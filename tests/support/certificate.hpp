// Certificates for tests, made when they are needed: nothing that expires is stored.
#pragma once

#include <string>

namespace sluice::test {

struct CertificateText {
  std::string certificate, key;  // PEM
};

// From when to when a certificate is valid, in days from now.
struct Validity {
  int begin = -1, end = 1;
};

// Self-signed, P-256, for `name` and the addresses 127.0.0.1 and ::1. With a pass phrase the key is
// encrypted.
CertificateText make_certificate(const std::string& name, const std::string& pass_phrase = {},
                                 Validity validity = {});

// The two as files in a folder of its own, which goes with it.
class CertificateFiles {
 public:
  explicit CertificateFiles(const CertificateText& text);
  ~CertificateFiles();
  CertificateFiles(const CertificateFiles&) = delete;
  CertificateFiles& operator=(const CertificateFiles&) = delete;

  const std::string& certificate() const { return certificate_; }
  const std::string& key() const { return key_; }

 private:
  std::string folder_, certificate_, key_;
};

// Throws when the file cannot be written.
void write_file(const std::string& path, const std::string& content);

}  // namespace sluice::test
