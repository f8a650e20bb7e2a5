#include "base/address.hpp"

#include <algorithm>
#include <charconv>

#include <arpa/inet.h>
#include <fmt/format.h>

namespace sluice {

Result<Address> parse_address(std::string_view text) {
  // Big zones call this a million times: the message is made when it is needed.
  const auto malformed = [text] {
    return Error{ErrorCode::invalid, fmt::format("'{}' is not an IP address", text)};
  };
  // inet_pton() reads up to the first zero octet, which a TOML or JSON string can hold.
  if (text.find('\0') != std::string_view::npos) return malformed();
  const std::string zero_terminated(text);
  Address address;
  if (inet_pton(AF_INET, zero_terminated.c_str(), address.octets.data()) == 1) return address;
  address.family = Family::v6;
  if (inet_pton(AF_INET6, zero_terminated.c_str(), address.octets.data()) == 1) return address;
  return malformed();
}

Result<SocketAddress> parse_socket_address(std::string_view text) {
  const Error malformed{ErrorCode::invalid,
                        fmt::format("'{}' is not ADDRESS:PORT (\"127.0.0.1:53\" or \"[::1]:53\")", text)};
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return malformed;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);

  SocketAddress result;
  const auto address = parse_address(host);
  if (!address || (address->family == Family::v6) != bracketed) return malformed;
  result.address = *address;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), result.port);
  if (error != std::errc{} || end != port.data() + port.size()) return malformed;
  return result;
}

std::string to_text(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(address.family == Family::v4 ? AF_INET : AF_INET6, address.octets.data(), text.data(),
            text.size());
  return text.data();
}

std::string to_text(const SocketAddress& address) {
  const char* format = address.address.family == Family::v4 ? "{}:{}" : "[{}]:{}";
  return fmt::format(fmt::runtime(format), to_text(address.address), address.port);
}

Address masked(const Address& address, unsigned prefix_length) {
  Address result = address;
  for (std::size_t i = 0; i < address.size(); ++i) {
    const unsigned bits_before = static_cast<unsigned>(i) * 8;
    const unsigned kept = prefix_length > bits_before ? std::min(prefix_length - bits_before, 8U) : 0;
    result.octets[i] &= static_cast<std::uint8_t>(0xFF00U >> kept);
  }
  return result;
}

Result<Prefix> parse_prefix(std::string_view text) {
  const Error malformed{ErrorCode::invalid,
                        fmt::format("'{}' is no prefix such as \"192.0.2.0/24\" or \"2001:db8::/32\"", text)};
  const auto slash = text.find('/');
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return malformed;
  const auto bits = static_cast<std::uint8_t>(address->size() * 8);
  Prefix prefix{*address, bits};
  if (slash == std::string_view::npos) return prefix;
  const auto length = text.substr(slash + 1);
  const auto [end, error] = std::from_chars(length.data(), length.data() + length.size(), prefix.length);
  if (error != std::errc{} || end != length.data() + length.size() || prefix.length > bits) return malformed;
  if (masked(*address, prefix.length) == *address) return prefix;
  return Error{ErrorCode::invalid,
               fmt::format("'{}' has bits behind its length; the prefix is {}", text,
                           to_text(Prefix{masked(*address, prefix.length), prefix.length}))};
}

std::string to_text(const Prefix& prefix) {
  return fmt::format("{}/{}", to_text(prefix.address), prefix.length);
}

std::size_t AddressHash::operator()(const Address& address) const {
  return std::hash<std::string_view>{}(
      {reinterpret_cast<const char*>(address.octets.data()), address.octets.size()});
}

}  // namespace sluice
