// Addresses: their texts, their masks, their order.
#include "base/address.hpp"

#include <string>

#include <doctest/doctest.h>

namespace sluice {
namespace {

using namespace std::string_view_literals;

TEST_CASE("parse_address and to_text are each other's inverse") {
  const struct {
    std::string_view text;
    Family family;
    const char* canonical;
  } cases[] = {
      {"192.0.2.1", Family::v4, "192.0.2.1"},
      {"0.0.0.0", Family::v4, "0.0.0.0"},
      {"255.255.255.255", Family::v4, "255.255.255.255"},
      {"::", Family::v6, "::"},
      {"2001:DB8:0:0::1", Family::v6, "2001:db8::1"},
      {"::ffff:192.0.2.1", Family::v6, "::ffff:192.0.2.1"},
      {"fe80::1", Family::v6, "fe80::1"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    const auto address = parse_address(c.text);
    REQUIRE(address.has_value());
    CHECK(address->family == c.family);
    CHECK(to_text(*address) == c.canonical);
    CHECK(parse_address(c.canonical).value() == *address);
  }
}

TEST_CASE("parse_address leaves the octets behind an IPv4 address zero") {
  const auto address = parse_address("192.0.2.7").value();
  CHECK(address.size() == 4);
  CHECK(address.bytes().size() == 4);
  CHECK(address.octets == std::array<std::uint8_t, 16>{192, 0, 2, 7});
}

TEST_CASE("parse_address refuses what is no address") {
  const std::string_view texts[] = {"",         "1.2.3",    "1.2.3.4.5",     "256.0.0.1",
                                    "1.2.3.4 ", " 1.2.3.4", "01.2.3.4x",     "localhost",
                                    "[::1]",    "::1%lo",   "1.2.3.4:5",     "2001:db8::g",
                                    ":::",      "1::2::3",  "192.0.2.1\0"sv, "192.0.2.1\0.example"sv,
                                    "::1\0"sv};
  for (const auto text : texts) {
    CAPTURE(std::string(text));
    CHECK_FALSE(parse_address(text).has_value());
  }
}

TEST_CASE("parse_socket_address wants an address and a port") {
  const struct {
    const char* name;
    std::string_view text;
    const char* canonical;  // null: refused
  } cases[] = {
      {"IPv4", "127.0.0.1:53", "127.0.0.1:53"},
      {"IPv6", "[::1]:5300", "[::1]:5300"},
      {"port 0: the kernel chooses", "0.0.0.0:0", "0.0.0.0:0"},
      {"the greatest port", "[::]:65535", "[::]:65535"},
      {"no port", "127.0.0.1", nullptr},
      {"an empty port", "127.0.0.1:", nullptr},
      {"a port beyond 16 bits", "127.0.0.1:65536", nullptr},
      {"a negative port", "127.0.0.1:-1", nullptr},
      {"something behind the port", "127.0.0.1:53x", nullptr},
      {"IPv6 without brackets", "::1:53", nullptr},
      {"IPv4 in brackets", "[127.0.0.1]:53", nullptr},
      {"a name", "localhost:53", nullptr},
      {"only a port", ":53", nullptr},
      {"an open bracket", "[::1:53", nullptr},
      {"empty", "", nullptr},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    const auto got = parse_socket_address(c.text);
    REQUIRE(got.has_value() == (c.canonical != nullptr));
    if (got) CHECK(to_text(*got) == c.canonical);
  }
}

TEST_CASE("masked clears every bit behind the prefix") {
  const struct {
    const char* address;
    unsigned prefix;
    const char* expected;
  } cases[] = {
      {"192.0.2.255", 24, "192.0.2.0"},
      {"192.0.2.255", 25, "192.0.2.128"},
      {"192.0.2.255", 31, "192.0.2.254"},
      {"192.0.2.255", 32, "192.0.2.255"},
      {"192.0.2.255", 200, "192.0.2.255"},
      {"192.0.2.255", 0, "0.0.0.0"},
      {"255.255.255.255", 1, "128.0.0.0"},
      {"2001:db8:ffff:ffff::1", 56, "2001:db8:ffff:ff00::"},
      {"2001:db8::ffff", 127, "2001:db8::fffe"},
      {"2001:db8::ffff", 128, "2001:db8::ffff"},
      {"ffff::1", 0, "::"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.address);
    CAPTURE(c.prefix);
    CHECK(to_text(masked(parse_address(c.address).value(), c.prefix)) == c.expected);
  }
}

TEST_CASE("addresses of two families differ, and so may be keys of one table") {
  const auto v4 = parse_address("1.2.3.4").value(), v6 = parse_address("102:304::").value();
  CHECK(v4 != v6);
  CHECK(v4.octets == v6.octets);
  CHECK(AddressHash{}(v4) == AddressHash{}(parse_address("1.2.3.4").value()));
  CHECK(AddressHash{}(v4) != AddressHash{}(parse_address("1.2.3.5").value()));
}

TEST_CASE("prefixes") {
  const struct {
    std::string_view text;
    std::string_view canonical;  // empty: no prefix
  } cases[] = {
      {"192.0.2.0/24", "192.0.2.0/24"},
      {"192.0.2.7", "192.0.2.7/32"},
      {"0.0.0.0/0", "0.0.0.0/0"},
      {"2001:DB8::/32", "2001:db8::/32"},
      {"::1", "::1/128"},
      {"192.0.2.1/24", ""},
      {"192.0.2.0/33", ""},
      {"192.0.2.0/", ""},
      {"192.0.2.0/-1", ""},
      {"192.0.2.0/24 ", ""},
      {"192.0.2/24", ""},
      {"/24", ""},
      {"", ""},
  };
  for (const auto& c : cases) {
    CAPTURE(c.text);
    const auto prefix = parse_prefix(c.text);
    REQUIRE(prefix.has_value() == !c.canonical.empty());
    if (prefix) CHECK(to_text(*prefix) == c.canonical);
  }
  const auto v4 = parse_prefix("192.0.2.128/25").value();
  CHECK(v4.contains(parse_address("192.0.2.200").value()));
  CHECK(!v4.contains(parse_address("192.0.2.100").value()));
  CHECK(!parse_prefix("::/0").value().contains(parse_address("192.0.2.1").value()));
}

}  // namespace
}  // namespace sluice
