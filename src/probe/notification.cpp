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

WebRequest notification_request(const config::Receiver& receiver, std::string body) {
  WebRequest request;
  request.url = config::parse_url(receiver.url).value();
  request.headers = receiver.headers;
  if (!receiver.secret.empty())
    request.headers.push_back({"Sluice-Signature", signature(receiver.secret, body)});
  request.json = std::move(body);
  request.timeout = receiver.timeout;
  request.authorities = receiver.authorities;
  request.wants_begin = true;  // the status is all that is looked at
  return request;
}

}  // namespace sluice::probe
