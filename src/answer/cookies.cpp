#include "answer/cookies.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "base/hash.hpp"

namespace sluice::answer {
namespace {

constexpr std::size_t client_size = 8, cookie_size = 24;
constexpr std::uint8_t version = 1;

// RFC 9018, 4.3: in seconds.
constexpr std::uint32_t age_max = 3600, future_max = 300, renewal_age = 1800;

// Of the client's half, version, reserved octets, time and address, under the secret (RFC 9018, 4.4). The
// hash goes into the message as SipHash's authors print it: least octet first.
void put_hash(const CookieSecret& secret, const Address& client, wire::Cookie& cookie) {
  std::array<std::uint8_t, 16 + 16> input;
  std::copy_n(cookie.begin(), 16, input.begin());
  std::ranges::copy(client.bytes(), input.begin() + 16);
  const auto hash = siphash_2_4(secret, {input.data(), 16 + client.size()});
  for (unsigned octet = 0; octet < 8; ++octet)
    cookie[16 + octet] = static_cast<std::uint8_t>(hash >> (8 * octet));
}

}  // namespace

CookieVerdict judge_cookie(const Cookies& cookies, wire::Bytes sent, const Address& client,
                           std::uint32_t now) {
  if (sent.empty()) return CookieVerdict::absent;
  if (sent.size() != cookie_size || sent[client_size] != version) return CookieVerdict::unknown;
  const auto made = static_cast<std::uint32_t>(sent[12]) << 24 | static_cast<std::uint32_t>(sent[13]) << 16 |
                    static_cast<std::uint32_t>(sent[14]) << 8 | sent[15];
  // Serial number arithmetic (RFC 1982), as the seconds do not fit 32 bits for ever.
  const std::uint32_t age = now - made;
  const bool in_future = age >= 1U << 31;
  if (in_future ? made - now > future_max : age > age_max) return CookieVerdict::unknown;
  for (const auto& secret : cookies.secrets) {
    wire::Cookie own;
    std::copy_n(sent.begin(), 16, own.begin());
    put_hash(secret, client, own);
    // Not in constant time: an attacker who sees the reply's delay so well is on the path, and sees cookies
    // themselves.
    if (!std::ranges::equal(own, sent)) continue;
    const bool fresh = in_future || age <= renewal_age;
    return fresh && &secret == cookies.secrets.data() ? CookieVerdict::valid : CookieVerdict::stale;
  }
  return CookieVerdict::unknown;
}

wire::Cookie make_cookie(const CookieSecret& secret, wire::Bytes cookie, const Address& client,
                         std::uint32_t now) {
  wire::Cookie made;
  std::copy_n(cookie.begin(), client_size, made.begin());
  made[8] = version;
  made[9] = made[10] = made[11] = 0;
  for (unsigned octet = 0; octet < 4; ++octet)
    made[12 + octet] = static_cast<std::uint8_t>(now >> (24 - 8 * octet));
  put_hash(secret, client, made);
  return made;
}

namespace {

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  text.remove_prefix(std::min(text.size(), text.find_first_not_of(blanks)));
  return text.substr(0, text.find_last_not_of(blanks) + 1);
}

std::optional<CookieSecret> parse_secret(std::string_view digits) {
  CookieSecret secret;
  if (digits.size() != 2 * secret.size()) return {};
  for (std::size_t i = 0; i < secret.size(); ++i) {
    const char* first = digits.data() + 2 * i;
    const auto [end, error] = std::from_chars(first, first + 2, secret[i], 16);
    if (error != std::errc{} || end != first + 2) return {};
  }
  return secret;
}

}  // namespace

std::vector<CookieSecret> parse_cookie_secrets(std::string_view text, const std::string& file,
                                               Diagnostics& errors) {
  std::vector<CookieSecret> secrets;
  const auto errors_before = errors.size();
  for (std::uint32_t line = 1; !text.empty(); ++line) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto words = without_blanks(text.substr(0, std::min(end, text.find('#'))));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty()) continue;
    // The line itself is not shown: it may be a secret with a slip in it.
    if (const auto secret = parse_secret(words))
      secrets.push_back(*secret);
    else
      errors.push_back({file, {line, 1}, "expected a secret of 32 hexadecimal digits"});
    if (secrets.size() > Cookies::secrets_max) {
      errors.push_back({file, {line, 1}, fmt::format("expected at most {} secrets", Cookies::secrets_max)});
      break;
    }
  }
  if (secrets.empty() && errors.size() == errors_before)
    errors.push_back({file, {}, "expected a secret of 32 hexadecimal digits, found none"});
  if (errors.size() != errors_before) secrets.clear();
  return secrets;
}

}  // namespace sluice::answer
