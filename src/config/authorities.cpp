#include "config/authorities.hpp"

#include <utility>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace sluice::config {
namespace {

// A system trusts some hundred and fifty.
constexpr std::size_t certificates_max = 1000;

// Without it OpenSSL would ask on the terminal.
int no_pass_phrase(char*, int, int, void*) { return 0; }

// The last thing that OpenSSL had to say; empties its list.
unsigned long take_error() {
  const auto code = ERR_peek_last_error();
  ERR_clear_error();
  return code;
}

}  // namespace

Result<std::vector<std::shared_ptr<x509_st>>> parse_certificates(const std::string& pem) {
  const auto refuse = [](std::string message) { return Error{ErrorCode::invalid, std::move(message)}; };
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  ERR_clear_error();
  std::vector<std::shared_ptr<x509_st>> certificates;
  for (;;) {
    std::shared_ptr<X509> next(PEM_read_bio_X509(bio.get(), nullptr, no_pass_phrase, nullptr), X509_free);
    if (!next) break;
    if (certificates.size() == certificates_max)
      return refuse(fmt::format("there are more than {} certificates in it", certificates_max));
    certificates.push_back(std::move(next));
  }
  const auto code = take_error();
  // "No start line" is how OpenSSL says that there is no more.
  if (ERR_GET_LIB(code) != ERR_LIB_PEM || ERR_GET_REASON(code) != PEM_R_NO_START_LINE) {
    const char* reason = ERR_reason_error_string(code);
    return refuse(fmt::format("certificate {} in it is damaged: {}", certificates.size() + 1,
                              reason != nullptr ? reason : "unknown reason"));
  }
  if (certificates.empty()) return refuse("there is no PEM certificate in it");
  return certificates;
}

}  // namespace sluice::config
