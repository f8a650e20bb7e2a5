// IP addresses as plain values: comparable, hashable, usable in constant tables and on the answer path.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace sluice {

enum class Family : std::uint8_t { v4, v6 };

// An IPv4 or IPv6 address in network byte order; IPv4 uses the first four octets, the others are zero.
struct Address {
  Family family = Family::v4;
  std::array<std::uint8_t, 16> octets{};

  constexpr std::size_t size() const { return family == Family::v4 ? 4 : 16; }
  std::span<const std::uint8_t> bytes() const { return {octets.data(), size()}; }
  friend auto operator<=>(const Address&, const Address&) = default;
};

struct SocketAddress {
  Address address;
  std::uint16_t port = 0;
  friend auto operator<=>(const SocketAddress&, const SocketAddress&) = default;
};

// "192.0.2.1", "2001:db8::1"; no zone index, no brackets.
Result<Address> parse_address(std::string_view text);

// "192.0.2.1:53", "[2001:db8::1]:53"; the port is required, 0 is allowed (the kernel chooses one).
Result<SocketAddress> parse_socket_address(std::string_view text);

std::string to_text(const Address& address);
std::string to_text(const SocketAddress& address);

// The address with all bits after the first `prefix_length` cleared. A longer prefix than the address leaves
// it as it is.
Address masked(const Address& address, unsigned prefix_length);

// All addresses of one family that begin with the same bits.
struct Prefix {
  Address address;  // masked
  std::uint8_t length = 0;

  bool contains(const Address& other) const {
    return other.family == address.family && masked(other, length) == address;
  }
  friend auto operator<=>(const Prefix&, const Prefix&) = default;
};

// "192.0.2.0/24", "2001:db8::/32"; an address alone is the prefix of all its bits. Bits behind the length
// have to be zero.
Result<Prefix> parse_prefix(std::string_view text);
std::string to_text(const Prefix& prefix);

struct AddressHash {
  std::size_t operator()(const Address& address) const;
};

}  // namespace sluice
