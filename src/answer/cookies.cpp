#include "answer/cookies.hpp"

#include <algorithm>
#include <charconv>

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

Result<std::vector<CookieSecret>> parse_cookie_secrets(std::string_view text) {
  std::vector<CookieSecret> secrets;
  const auto fail = [](unsigned line, std::string_view message) {
    return Error{ErrorCode::invalid, fmt::format("{}: {}", line, message)};
  };
  unsigned line = 0;
  while (!text.empty()) {
    ++line;
    auto words = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), words.size() + 1));
    words = words.substr(0, words.find('#'));
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
    while (!words.empty() && blank(words.front())) words.remove_prefix(1);
    while (!words.empty() && blank(words.back())) words.remove_suffix(1);
    if (words.empty()) continue;
    if (secrets.size() == Cookies::secrets_max)
      return fail(line, fmt::format("expected at most {} secrets", Cookies::secrets_max));
    auto& secret = secrets.emplace_back();
    bool sound = words.size() == 2 * secret.size();
    for (std::size_t i = 0; sound && i < secret.size(); ++i) {
      const char* digits = words.data() + 2 * i;
      const auto [end, error] = std::from_chars(digits, digits + 2, secret[i], 16);
      sound = error == std::errc{} && end == digits + 2;
    }
    // The line itself is not shown: it may be a secret with a slip in it.
    if (!sound) return fail(line, "expected a secret of 32 hexadecimal digits");
  }
  if (secrets.empty()) return fail(1, "expected a secret of 32 hexadecimal digits, found none");
  return secrets;
}

}  // namespace sluice::answer
