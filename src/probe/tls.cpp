#include "probe/tls.hpp"

#include <ctime>
#include <memory>
#include <vector>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>

#include "base/address.hpp"
#include "base/text.hpp"
#include "config/authorities.hpp"

namespace sluice::probe {
namespace {

namespace ssl = boost::asio::ssl;

constexpr std::size_t names_shown_max = 3, name_shown_max = 64;

// ---- What is wrong with a certificate

std::string date_text(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return "an unknown date";
  return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

// One name of a certificate, which may hold anything.
std::string name_text(const GENERAL_NAME& name) {
  const auto octets = [](const ASN1_STRING* string) {
    return std::string_view(reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
                            static_cast<std::size_t>(ASN1_STRING_length(string)));
  };
  if (name.type == GEN_DNS) return printable(octets(name.d.dNSName), name_shown_max);
  if (name.type != GEN_IPADD) return {};
  const auto raw = octets(name.d.iPAddress);
  Address address;
  if (raw.size() != 4 && raw.size() != 16) return {};
  address.family = raw.size() == 4 ? Family::v4 : Family::v6;
  std::copy(raw.begin(), raw.end(), address.octets.begin());
  return to_text(address);
}

// "shop.example, 192.0.2.1, ..."
std::string names_of(const X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  std::string text;
  std::size_t shown = 0;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const auto name = name_text(*sk_GENERAL_NAME_value(names.get(), i));
    if (name.empty()) continue;
    if (shown++ == names_shown_max) return text + ", ...";
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

std::string refusal_of(X509_STORE_CTX* context, const std::string& name) {
  const X509* certificate = X509_STORE_CTX_get_current_cert(context);
  const int code = X509_STORE_CTX_get_error(context);
  const char* whose =
      X509_STORE_CTX_get_error_depth(context) == 0 ? "the certificate" : "a certificate above it";
  if (certificate == nullptr)
    return fmt::format("the certificate was refused: {}", X509_verify_cert_error_string(code));
  switch (code) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: {
      const auto names = names_of(certificate);
      return fmt::format("the certificate is not for {}, but for {}", name,
                         names.empty() ? "no name" : names);
    }
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return fmt::format("{} expired on {}", whose, date_text(X509_get0_notAfter(certificate)));
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return fmt::format("{} is not valid before {}", whose, date_text(X509_get0_notBefore(certificate)));
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return "the certificate is self-signed and not one that is trusted";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return "the certificate is of an authority that is not trusted, or its chain is not complete";
    default:
      return fmt::format("the certificate was refused: {}", X509_verify_cert_error_string(code));
  }
}

std::string openssl_message() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return fmt::format("OpenSSL: {}", reason != nullptr ? reason : "unknown reason");
}

bool trust(SSL_CTX* context, const config::Check& check) {
  if (check.authorities.text().empty()) return SSL_CTX_set_default_verify_paths(context) == 1;
  const auto certificates = config::parse_certificates(check.authorities.text());
  if (!certificates) return false;
  for (const auto& certificate : *certificates)
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate.get()) != 1) return false;
  return true;
}

}  // namespace

Result<std::shared_ptr<TlsContext>> make_context(const config::Check& check) {
  ERR_clear_error();
  auto context = std::make_shared<TlsContext>(ssl::context::tls_client);
  SSL_CTX* handle = context->native_handle();
  SSL_CTX_set_min_proto_version(handle, TLS1_2_VERSION);  // RFC 9325
  SSL_CTX_set_mode(handle, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_options(handle, SSL_OP_NO_RENEGOTIATION);
  if (check.verify && !trust(handle, check)) return Error{ErrorCode::unavailable, openssl_message()};
  return context;
}

Result<void> expect_server(TlsStream& stream, const config::Check& check, const std::string& name,
                           std::string& refusal) {
  SSL* handle = stream.native_handle();
  const bool is_address = parse_address(name).has_value();
  // RFC 6066, 3: an address is not sent as SNI. (OpenSSL's macro for this has a cast of C.)
  if (!is_address && SSL_ctrl(handle, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                              const_cast<char*>(name.c_str())) != 1)
    return Error{ErrorCode::unavailable, openssl_message()};
  boost::system::error_code failure;
  stream.set_verify_mode(check.verify ? ssl::verify_peer : ssl::verify_none, failure);
  if (!check.verify || failure) return {};
  auto* wanted = SSL_get0_param(handle);
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const int set = is_address ? X509_VERIFY_PARAM_set1_ip_asc(wanted, name.c_str())
                             : X509_VERIFY_PARAM_set1_host(wanted, name.data(), name.size());
  if (set != 1) return Error{ErrorCode::unavailable, openssl_message()};
  stream.set_verify_callback(
      [&refusal, name](bool good, ssl::verify_context& context) {
        if (!good && refusal.empty()) refusal = refusal_of(context.native_handle(), name);
        return good;
      },
      failure);
  if (failure) return Error{ErrorCode::unavailable, failure.message()};
  return {};
}

bool has_received(TlsStream& stream) { return BIO_number_read(SSL_get_rbio(stream.native_handle())) > 0; }

std::string handshake_failure_text(const boost::system::error_code& failure) {
  namespace error = boost::asio::error;
  if (failure == error::eof || failure == error::connection_reset || failure == error::broken_pipe ||
      failure == ssl::error::stream_truncated)
    return "connection closed in the TLS handshake";
  if (!is_tls(failure)) return failure.message();
  switch (ERR_GET_REASON(static_cast<unsigned long>(failure.value()))) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_UNEXPECTED_MESSAGE:
    case SSL_R_BAD_RECORD_TYPE:
      return "not TLS";
    default:
      return fmt::format("TLS handshake failed: {}", alert_text(failure));
  }
}

std::string alert_text(const boost::system::error_code& failure) {
  const char* reason = ERR_reason_error_string(static_cast<unsigned long>(failure.value()));
  return reason != nullptr ? reason : "unknown reason";
}

bool is_tls(const boost::system::error_code& failure) {
  return failure.category() == boost::asio::error::get_ssl_category();
}

}  // namespace sluice::probe
