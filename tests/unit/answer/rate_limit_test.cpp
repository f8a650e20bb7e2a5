// The rate limiter on a clock of its own.
#include "answer/rate_limit.hpp"

#include <random>

#include <doctest/doctest.h>

#include "world.hpp"

namespace sluice::answer {
namespace {

using namespace test;
using Verdict = RateLimiter::Verdict;

constexpr std::uint64_t second_us = 1'000'000;
constexpr HashKey key{1, 2};

config::RateLimit limit_of(unsigned rate, unsigned slip = 0) {
  config::RateLimit limit;
  limit.responses_per_second = rate;
  limit.slip = slip;
  return limit;
}

unsigned answered(RateLimiter& limiter, const Address& client, std::uint64_t now_us, unsigned count) {
  unsigned answers = 0;
  for (unsigned i = 0; i < count; ++i) answers += limiter.account(client, now_us, 0) == Verdict::answer;
  return answers;
}

TEST_CASE("a burst of one second's replies, then as many a second") {
  RateLimiter limiter(limit_of(100), key);
  const auto client = address_of("192.0.2.1");
  std::uint64_t now = 5 * second_us;
  CHECK(answered(limiter, client, now, 1000) == 100);
  CHECK(answered(limiter, client, now, 1000) == 0);
  CHECK(answered(limiter, client, now + second_us / 2, 1000) == 50);
  CHECK(answered(limiter, client, now + 10 * second_us, 1000) == 100);
}

TEST_CASE("pulses get no more than a steady stream (DNSBomb)") {
  RateLimiter limiter(limit_of(100), key);
  const auto client = address_of("192.0.2.1");
  unsigned answers = 0;
  for (std::uint64_t pulse = 1; pulse <= 60; ++pulse)
    answers += answered(limiter, client, pulse * 2 * second_us, 10'000);
  CHECK(answers == 60 * 100);  // of 600,000
}

TEST_CASE("clients of one prefix are counted together, others are not") {
  const struct {
    const char* name;
    const char* other;
    unsigned answers;
  } cases[] = {
      {"the same /24", "192.0.2.200", 0},
      {"the next /24", "192.0.3.1", 10},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    RateLimiter limiter(limit_of(10), key);
    REQUIRE(answered(limiter, address_of("192.0.2.1"), second_us, 20) == 10);
    CHECK(answered(limiter, address_of(c.other), second_us, 20) == c.answers);
  }
  RateLimiter limiter(limit_of(10), key);
  REQUIRE(answered(limiter, address_of("2001:db8:0:1::1"), second_us, 20) == 10);
  CHECK(answered(limiter, address_of("2001:db8:0:ff::9"), second_us, 20) == 0);
  CHECK(answered(limiter, address_of("2001:db8:0:100::1"), second_us, 20) == 10);
}

TEST_CASE("exempt prefixes have no limit") {
  auto limit = limit_of(10);
  limit.exempt = {parse_prefix("192.0.2.0/25").value()};
  RateLimiter limiter(limit, key);
  CHECK(answered(limiter, address_of("192.0.2.1"), second_us, 1000) == 1000);
  CHECK(answered(limiter, address_of("192.0.2.129"), second_us, 1000) == 10);
}

TEST_CASE("of what is over the limit, one in so many slips") {
  for (const unsigned slip : {0U, 1U, 2U, 10U}) {
    CAPTURE(slip);
    RateLimiter limiter(limit_of(1, slip), key);
    std::mt19937_64 random(1);
    const auto client = address_of("192.0.2.1");
    REQUIRE(limiter.account(client, second_us, random()) == Verdict::answer);
    unsigned slipped = 0;
    for (unsigned i = 0; i < 10'000; ++i)
      slipped += limiter.account(client, second_us, random()) == Verdict::slip;
    const double expected = slip == 0 ? 0 : 10'000.0 / slip;
    CHECK(slipped >= expected * 0.9);
    CHECK(slipped <= expected * 1.1);
  }
}

TEST_CASE("a flood of other prefixes does not lift the limit of a busy one by much") {
  RateLimiter limiter(limit_of(100), key);
  const auto client = address_of("192.0.2.1");
  std::mt19937 random(7);
  unsigned answers = 0;
  for (unsigned i = 0; i < 200'000; ++i) {
    Address other{Family::v4, {}};
    for (int octet = 0; octet < 3; ++octet)
      other.octets[static_cast<std::size_t>(octet)] = static_cast<std::uint8_t>(random());
    limiter.account(other, second_us, 0);
    answers += limiter.account(client, second_us, 0) == Verdict::answer;
  }
  CHECK(answers == 100);
}

TEST_CASE("over the limit: an empty reply with TC, and none with a valid cookie or over TCP") {
  World world;
  auto limit = limit_of(1, 1);
  world.snapshot.policy.rate_limiter = std::make_shared<RateLimiter>(limit, key);
  world.snapshot.policy.cookies.secrets = {CookieSecret{1, 2, 3}};
  world.scratch.now = {1000, second_us};
  const Client client{.address = address_of("192.0.2.1")};
  const auto plain = Message(1).question("host.example.", RrType::a).octets();
  const auto whole = world.ask(plain, client), cut = world.ask(plain, client);
  CHECK((whole[2] & 2) == 0);
  CHECK((cut[2] & 2) != 0);
  CHECK(cut.size() == plain.size());  // no amplification at all
  CHECK(world.counters.value(Metric::rate_limited_slipped) == 1);

  Client over_tcp = client;
  over_tcp.transport = Transport::tcp;
  CHECK(world.ask(plain, over_tcp) == whole);

  Octets option{0, 10, 0, 24};
  const Octets half{1, 2, 3, 4, 5, 6, 7, 8};
  const auto cookie = make_cookie(world.snapshot.policy.cookies.secrets[0], half, client.address, 1000);
  option.insert(option.end(), cookie.begin(), cookie.end());
  const auto known = Message(1).question("host.example.", RrType::a).opt(1232, false, option).octets();
  for (int i = 0; i < 100; ++i) CHECK((world.ask(known, client)[2] & 2) == 0);

  limit.slip = 0;
  world.snapshot.policy.rate_limiter = std::make_shared<RateLimiter>(limit, key);
  CHECK(!world.ask(plain, client).empty());
  CHECK(world.ask(plain, client).empty());
  CHECK(world.counters.value(Metric::rate_limited_dropped) == 1);
}

}  // namespace
}  // namespace sluice::answer
