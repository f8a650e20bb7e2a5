#include "probe/notification.hpp"

#include <array>
#include <cstdint>
#include <utility>

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace sluice::probe {

std::string signature(std::string_view secret, std::string_view body) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest.data(), &size);
  std::string text = "sha256=";
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

WebRequest signed_post(const config::SignedServer& server, std::string body, Duration timeout) {
  WebRequest request;
  request.url = config::parse_url(server.url).value();
  request.headers = server.headers;
  if (!server.secret.empty()) request.headers.push_back({"Sluice-Signature", signature(server.secret, body)});
  request.json = std::move(body);
  request.timeout = timeout;
  request.authorities = server.authorities;
  request.wants_begin = true;
  return request;
}

}  // namespace sluice::probe
