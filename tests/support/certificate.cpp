#include "certificate.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace sluice::test {
namespace {

constexpr long a_day = 86'400;

void require(bool done, const char* what) {
  if (!done) throw std::runtime_error(std::string("cannot make a test certificate: ") + what);
}

void add_extension(X509* certificate, int id, const std::string& value) {
  const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
      X509V3_EXT_conf_nid(nullptr, nullptr, id, value.c_str()), X509_EXTENSION_free);
  require(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1, "extension");
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string key_text(EVP_PKEY* key, const std::string& pass_phrase) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
  const auto* cipher = pass_phrase.empty() ? nullptr : EVP_aes_128_cbc();
  require(PEM_write_bio_PKCS8PrivateKey(bio.get(), key, cipher, pass_phrase.data(),
                                        static_cast<int>(pass_phrase.size()), nullptr, nullptr) == 1,
          "key");
  return text_of(bio.get());
}

}  // namespace

CertificateText make_certificate(const std::string& name, const std::string& pass_phrase, Validity validity) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  require(key && certificate, "memory");
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), a_day * validity.begin);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), a_day * validity.end);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  add_extension(certificate.get(), NID_subject_alt_name, "DNS:" + name + ",IP:127.0.0.1,IP:::1");
  require(X509_sign(certificate.get(), key.get(), EVP_sha256()) != 0, "signature");

  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new(BIO_s_mem()), BIO_free);
  require(PEM_write_bio_X509(bio.get(), certificate.get()) == 1, "text");
  return {text_of(bio.get()), key_text(key.get(), pass_phrase)};
}

CertificateFiles::CertificateFiles(const CertificateText& text) {
  folder_ = (std::filesystem::temp_directory_path() / "sluice-test-XXXXXX").string();
  require(mkdtemp(folder_.data()) != nullptr, "folder");
  certificate_ = folder_ + "/server.pem", key_ = folder_ + "/server.key";
  write_file(certificate_, text.certificate);
  write_file(key_, text.key);
}

CertificateFiles::~CertificateFiles() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream << content;
  stream.close();
  if (!stream) throw std::runtime_error("cannot write " + path);
}

}  // namespace sluice::test
