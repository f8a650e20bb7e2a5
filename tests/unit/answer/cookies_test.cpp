// DNS cookies: the test vectors of RFC 9018 (appendix A), ages, secrets that follow one another, files.
#include "answer/cookies.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "world.hpp"

namespace sluice::answer {
namespace {

using test::address_of;

std::vector<std::uint8_t> octets_of(std::string_view hex) {
  std::vector<std::uint8_t> octets(hex.size() / 2);
  for (std::size_t i = 0; i < octets.size(); ++i)
    std::from_chars(hex.data() + 2 * i, hex.data() + 2 * i + 2, octets[i], 16);
  return octets;
}

CookieSecret secret_of(std::string_view hex) {
  CookieSecret secret;
  std::ranges::copy(octets_of(hex), secret.begin());
  return secret;
}

constexpr std::string_view first_secret = "e5e973e5a6b2a43f48e7dc849e37bfcf";
constexpr std::string_view second_secret = "dd3bdf9344b678b185a6f5cb60fca715",
                           third_secret = "445536bcd2513298075a5d379663c962";
constexpr std::uint32_t made_at = 1559731985;

TEST_CASE("the vectors of RFC 9018, appendix A") {
  const struct {
    const char* name;
    std::string_view secret, sent, made;
    const char* client;
    std::uint32_t now;
    CookieVerdict verdict;
  } cases[] = {
      {"A.1 a new one", first_secret, "2464c4abcf10c957", "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
       "198.51.100.100", made_at, CookieVerdict::unknown},
      {"A.2 one that is renewed", first_secret, "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
       "2464c4abcf10c957010000005cf7a871d4a564a1442aca77", "198.51.100.100", 1559734385,
       CookieVerdict::stale},
      {"A.3 another client, reserved octets that are not 0", first_secret,
       "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e",
       "203.0.113.203", 1559734700, CookieVerdict::unknown},
      {"A.4 IPv6, under the secret before", second_secret, "22681ab97d52c298",
       "22681ab97d52c298010000005cf7c57926556bd0934c72f8", "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741817,
       CookieVerdict::unknown},
      {"A.4 IPv6, under the next one", third_secret, "22681ab97d52c298010000005cf7c57926556bd0934c72f8",
       "22681ab97d52c298010000005cf7c609a6bb79d16625507a", "2001:db8:220:1:59de:d0f4:8769:82b8", 1559741961,
       CookieVerdict::unknown},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    const Cookies cookies{.secrets = {secret_of(c.secret)}};
    const auto sent = octets_of(c.sent);
    CHECK(judge_cookie(cookies, sent, address_of(c.client), c.now) == c.verdict);
    const auto made = make_cookie(cookies.secrets[0], sent, address_of(c.client), c.now);
    CHECK(std::ranges::equal(made, octets_of(c.made)));
  }
}

TEST_CASE("a cookie ages, and may come from a clock that is ahead") {
  const Cookies cookies{.secrets = {secret_of(first_secret)}};
  const auto client = address_of("198.51.100.100");
  const auto cookie = octets_of("2464c4abcf10c957010000005cf79f111f8130c3eee29480");
  const struct {
    const char* name;
    std::int64_t age;
    CookieVerdict verdict;
  } cases[] = {
      {"now", 0, CookieVerdict::valid},
      {"half an hour", 1800, CookieVerdict::valid},
      {"more than that", 1801, CookieVerdict::stale},
      {"an hour", 3600, CookieVerdict::stale},
      {"more than that", 3601, CookieVerdict::unknown},
      {"five minutes ahead", -300, CookieVerdict::valid},
      {"more than that", -301, CookieVerdict::unknown},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    const auto now = static_cast<std::uint32_t>(made_at + c.age);
    CHECK(judge_cookie(cookies, cookie, client, now) == c.verdict);
  }
}

TEST_CASE("the seconds go round without a cookie being lost") {
  const auto secret = secret_of(first_secret);
  const auto client = address_of("192.0.2.1");
  const auto cookie = make_cookie(secret, octets_of("0102030405060708"), client, 0xFFFFFFF0);
  CHECK(judge_cookie({.secrets = {secret}}, cookie, client, 0x10) == CookieVerdict::valid);
}

TEST_CASE("what is not ours") {
  const Cookies cookies{.secrets = {secret_of(first_secret)}};
  const auto client = address_of("198.51.100.100");
  const auto good = octets_of("2464c4abcf10c957010000005cf79f111f8130c3eee29480");
  REQUIRE(judge_cookie(cookies, good, client, made_at) == CookieVerdict::valid);
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto bent = good;
    bent[i] ^= 1;
    CAPTURE(i);
    CHECK(judge_cookie(cookies, bent, client, made_at) == CookieVerdict::unknown);
  }
  CHECK(judge_cookie(cookies, good, address_of("198.51.100.101"), made_at) == CookieVerdict::unknown);
  CHECK(judge_cookie(cookies, {}, client, made_at) == CookieVerdict::absent);
  auto longer = good;
  longer.push_back(0);
  CHECK(judge_cookie(cookies, longer, client, made_at) == CookieVerdict::unknown);
}

TEST_CASE("secrets follow one another") {
  const auto client = address_of("192.0.2.1");
  const auto sent = octets_of("0102030405060708");
  const auto old_secret = secret_of(first_secret), new_secret = secret_of(second_secret);
  const auto under_old = make_cookie(old_secret, sent, client, made_at);
  CHECK(judge_cookie({.secrets = {old_secret, new_secret}}, under_old, client, made_at) ==
        CookieVerdict::valid);
  CHECK(judge_cookie({.secrets = {new_secret, old_secret}}, under_old, client, made_at) ==
        CookieVerdict::stale);
  CHECK(judge_cookie({.secrets = {new_secret}}, under_old, client, made_at) == CookieVerdict::unknown);
}

TEST_CASE("files of secrets") {
  const std::string a(32, 'a'), b(32, 'B');
  const struct {
    const char* name;
    std::string text;
    std::size_t count;
    const char* error;  // empty: none
  } cases[] = {
      {"one", a, 1, ""},
      {"two, with comments and blanks", "# in use\n " + a + " # since May\n\n" + b + "\r\n", 2, ""},
      {"nothing", "", 0, "f:1:1: error: expected a secret of 32 hexadecimal digits, found none\n"},
      {"only a comment", "# later\n", 0,
       "f:1:1: error: expected a secret of 32 hexadecimal digits, found none\n"},
      {"too short", a + "\n" + a.substr(1) + "\n", 0,
       "f:2:1: error: expected a secret of 32 hexadecimal digits\n"},
      {"no hexadecimal digit", "g" + a.substr(1), 0,
       "f:1:1: error: expected a secret of 32 hexadecimal digits\n"},
      {"a sign", "-" + a.substr(1), 0, "f:1:1: error: expected a secret of 32 hexadecimal digits\n"},
      {"four", a + "\n" + a + "\n" + a + "\n" + a, 0, "f:4:1: error: expected at most 3 secrets\n"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    Diagnostics errors;
    CHECK(parse_cookie_secrets(c.text, "f", errors).size() == c.count);
    CHECK(to_text(errors) == c.error);
  }
}

}  // namespace
}  // namespace sluice::answer
