// Which prefix an address lies in, and for how many others that holds: by examples, and against an oracle
// that looks at all prefixes one by one.
#include "steer/prefixes.hpp"

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

namespace sluice::steer {
namespace {

// Leads each prefix to its place in the list.
std::vector<TargetedPrefix> targeted(const std::vector<std::string>& texts) {
  std::vector<TargetedPrefix> result;
  for (const auto& text : texts)
    result.push_back({parse_prefix(text).value(), static_cast<std::uint16_t>(result.size())});
  return result;
}

Located look(const std::vector<std::uint64_t>& table, const Prefix& client) {
  return locate(*reinterpret_cast<const PrefixTable*>(table.data()), client.address, client.length);
}

// "2 /24, scope 25"
std::string look(const std::vector<std::string>& prefixes, const std::string& client) {
  const auto found = look(compile_prefixes(targeted(prefixes)), parse_prefix(client).value());
  const auto where =
      found.target == no_target ? std::string("none") : fmt::format("{} /{}", found.target, found.length);
  return fmt::format("{}, scope {}", where, found.scope);
}

TEST_CASE("the longest prefix of an address, and the scope of that") {
  const std::vector<std::string> nested{"10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "192.0.2.0/24"};
  const std::vector<std::string> v6{"2001:db8::/32", "2001:db8:1::/48", "2001:db8:1:2:3::/80", "::1/128"};
  struct Row {
    const char* what;
    std::vector<std::string> prefixes;
    const char* client;
    const char* expected;
  };
  const Row rows[] = {
      {"no prefixes", {}, "192.0.2.1", "none, scope 0"},
      {"of the other family", {"2001:db8::/32"}, "192.0.2.1", "none, scope 0"},
      {"all addresses", {"0.0.0.0/0"}, "192.0.2.1", "0 /0, scope 0"},
      {"both halves", {"0.0.0.0/1", "128.0.0.0/1"}, "192.0.2.1", "1 /1, scope 1"},
      {"one address", {"192.0.2.1/32"}, "192.0.2.1", "0 /32, scope 32"},
      {"beside it", {"192.0.2.1/32"}, "192.0.2.0", "none, scope 32"},
      {"far from it", {"192.0.2.1/32"}, "10.0.0.0", "none, scope 1"},
      {"the first address", {"0.0.0.0/32"}, "0.0.0.0", "0 /32, scope 32"},
      {"the last address", {"255.255.255.255/32"}, "255.255.255.255", "0 /32, scope 32"},
      {"behind the last prefix", {"10.0.0.0/8"}, "255.0.0.0", "none, scope 1"},
      {"a prefix without others in it", nested, "192.0.2.77", "3 /24, scope 24"},
      {"beside that", nested, "192.0.3.1", "none, scope 24"},
      {"the innermost", nested, "10.1.2.3", "2 /24, scope 24"},
      {"around the innermost", nested, "10.1.3.3", "1 /16, scope 24"},
      {"farther away from it", nested, "10.1.128.1", "1 /16, scope 17"},
      {"the outermost", nested, "10.128.0.0", "0 /8, scope 9"},
      {"no more than a prefix is known", nested, "10.1.2.0/24", "2 /24, scope 24"},
      {"too little is known for the innermost", nested, "10.1.2.0/23", "1 /16, scope 24"},
      {"beside what would need more", nested, "10.0.0.0/15", "0 /8, scope 16"},
      {"too little is known for two of them",
       {"10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24"},
       "10.0.0.0/12",
       "0 /8, scope 24"},
      {"too little is known for any", nested, "10.0.0.0/7", "none, scope 16"},
      {"IPv6", v6, "2001:db8:ffff::", "0 /32, scope 33"},
      {"IPv6 inside", v6, "2001:db8:1::", "1 /48, scope 63"},
      {"IPv6 beyond 64 bits", v6, "2001:db8:1:2:3:4:5:6", "2 /80, scope 80"},
      {"IPv6 beside that", v6, "2001:db8:1:2:2:4:5:6", "1 /48, scope 80"},
      {"IPv6 of a few bits", v6, "2001:db8:1:2::/64", "1 /48, scope 79"},
      {"IPv6 loopback", v6, "::1", "3 /128, scope 128"},
      {"IPv6 beside it", v6, "::", "none, scope 128"},
      {"neighbours stay apart", {"10.0.0.0/24", "10.0.1.0/24"}, "10.0.1.9", "1 /24, scope 24"},
      {"a prefix that others fill",
       {"10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9"},
       "10.200.0.0",
       "2 /9, scope 9"},
      {"and of which little is known",
       {"10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9"},
       "10.0.0.0/8",
       "0 /8, scope 9"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    CHECK(look(row.prefixes, row.client) == row.expected);
  }
}

struct Chance {
  explicit Chance(unsigned seed) : engine(seed) {}
  unsigned operator()() { return static_cast<unsigned>(engine()); }
  using result_type = unsigned;
  static constexpr unsigned min() { return 0; }
  static constexpr unsigned max() { return ~0U; }
  std::mt19937 engine;
};

// Few bits differ, so that prefixes are nested and neighbours.
Prefix random_prefix(Chance& random, Family family) {
  Address address{family, {}};
  const unsigned bits = family == Family::v4 ? 32 : 128;
  const unsigned from = family == Family::v4 ? 8 : random() % 2 == 0 ? 32 : 60;
  address.octets[0] = 0x20;
  const unsigned length = random() % 9 == 0 ? random() % (bits + 1) : from + random() % 12;
  for (unsigned bit = from; bit < std::min(from + 12, bits); ++bit)
    if (random() % 3 == 0) address.octets[bit / 8] |= static_cast<std::uint8_t>(0x80U >> bit % 8);
  if (random() % 2 == 0)
    for (unsigned i = from / 8 + 2; i < address.size(); ++i)
      address.octets[i] = static_cast<std::uint8_t>(random());
  return {masked(address, length), static_cast<std::uint8_t>(length)};
}

bool covers(const Prefix& outer, const Prefix& inner) {
  return outer.length <= inner.length && outer.contains(inner.address);
}

// All prefixes, one by one.
struct Oracle {
  std::vector<TargetedPrefix> prefixes;

  std::optional<TargetedPrefix> longest(const Prefix& client) const {
    std::optional<TargetedPrefix> best;
    for (const auto& one : prefixes)
      if (covers(one.prefix, client) && (!best || one.prefix.length > best->prefix.length)) best = one;
    return best;
  }

  // The fewest bits that all prefixes agree about: each covers all who share them, or none.
  unsigned scope(const Address& address) const {
    const unsigned bits = static_cast<unsigned>(address.size()) * 8;
    for (unsigned length = 0; length < bits; ++length) {
      const Prefix group{masked(address, length), static_cast<std::uint8_t>(length)};
      const bool one_answer = std::none_of(prefixes.begin(), prefixes.end(), [&](const auto& one) {
        return one.prefix.length > length && covers(group, one.prefix);
      });
      if (one_answer) return length;
    }
    return bits;
  }
};

std::vector<TargetedPrefix> random_prefixes(Chance& random) {
  std::vector<Prefix> all;
  for (unsigned i = random() % 40; i > 0; --i)
    all.push_back(random_prefix(random, random() % 2 == 0 ? Family::v4 : Family::v6));
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  std::shuffle(all.begin(), all.end(), random);
  std::vector<TargetedPrefix> result;
  for (const auto& prefix : all) result.push_back({prefix, static_cast<std::uint16_t>(random() % 5)});
  return result;
}

// An edge of one of them, where mistakes are; or anywhere.
Prefix random_client(Chance& random, const std::vector<TargetedPrefix>& prefixes) {
  Prefix client = random_prefix(random, random() % 2 == 0 ? Family::v4 : Family::v6);
  if (!prefixes.empty() && random() % 2 == 0) {
    client = prefixes[random() % prefixes.size()].prefix;
    const auto bits = static_cast<unsigned>(client.address.size()) * 8;
    for (unsigned bit = client.length; bit < bits && random() % 2 == 0; ++bit)
      client.address.octets[bit / 8] |= static_cast<std::uint8_t>(0x80U >> bit % 8);
  }
  const auto bits = static_cast<unsigned>(client.address.size()) * 8;
  client.length = static_cast<std::uint8_t>(random() % 2 == 0 ? bits : random() % (bits + 1));
  client.address = masked(client.address, client.length);
  return client;
}

TEST_CASE("random prefixes of both families, nested: the oracle agrees") {
  Chance random(7871);
  unsigned found = 0, nested = 0;
  for (int round = 0; round < 400; ++round) {
    const Oracle oracle{random_prefixes(random)};
    const auto table = compile_prefixes(oracle.prefixes);
    for (int i = 0; i < 60; ++i) {
      const auto client = random_client(random, oracle.prefixes);
      CAPTURE(round);
      CAPTURE(to_text(client));
      const auto seen = look(table, client);
      const auto expected = oracle.longest(client);
      REQUIRE(seen.target == (expected ? expected->target : no_target));
      if (expected) REQUIRE(seen.length == expected->prefix.length);
      REQUIRE(seen.scope == oracle.scope(client.address));
      found += expected.has_value();
      nested += expected && seen.scope > expected->prefix.length;
    }
  }
  CHECK(found > 5000);
  CHECK(nested > 1000);
}

TEST_CASE("groups of one scope never overlap, and all of a group get one answer") {
  Chance random(7);
  for (int round = 0; round < 200; ++round) {
    const Oracle oracle{random_prefixes(random)};
    const auto table = compile_prefixes(oracle.prefixes);
    for (int i = 0; i < 20; ++i) {
      auto client = random_client(random, oracle.prefixes);
      client.length = static_cast<std::uint8_t>(client.address.size() * 8);
      const auto seen = look(table, client);
      auto other = client;
      for (unsigned bit = seen.scope; bit < client.length; ++bit)
        if (random() % 2 == 0) other.address.octets[bit / 8] ^= static_cast<std::uint8_t>(0x80U >> bit % 8);
      CAPTURE(to_text(client));
      CAPTURE(to_text(other));
      const auto beside = look(table, other);
      REQUIRE(beside.scope == seen.scope);
      REQUIRE(beside.target == seen.target);
      REQUIRE(beside.length == seen.length);
    }
  }
}

TEST_CASE("as many prefixes as there may be") {
  std::vector<TargetedPrefix> prefixes;
  for (unsigned i = 0; i < prefixes_max; ++i) {
    const Address address{Family::v4, {10, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)}};
    prefixes.push_back({{address, 28}, static_cast<std::uint16_t>(i)});
  }
  const auto table = compile_prefixes(prefixes);
  for (unsigned i = 0; i < prefixes_max; ++i) {
    auto client = prefixes[i].prefix;
    client.length = 32;
    REQUIRE(look(table, client).target == i);
    client.address.octets[3] = 16;
    REQUIRE(look(table, client).target == no_target);
    REQUIRE(look(table, client).scope == 28);
  }
}

}  // namespace
}  // namespace sluice::steer
