// The numbers of the DNS (IANA's "Domain Name System Parameters").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::wire {

// Any 16-bit value may occur; only those that we treat specially have a name here.
enum class RrType : std::uint16_t {
  a = 1,
  ns = 2,
  cname = 5,
  soa = 6,
  ptr = 12,
  mx = 15,
  txt = 16,
  aaaa = 28,
  srv = 33,
  dname = 39,
  opt = 41,
  ds = 43,
  rrsig = 46,
  nsec = 47,
  svcb = 64,
  https = 65,
  tsig = 250,
  ixfr = 251,
  axfr = 252,
  mailb = 253,
  maila = 254,
  any = 255,
  caa = 257,
};

enum class RrClass : std::uint16_t { in = 1, ch = 3, none = 254, any = 255 };

enum class Opcode : std::uint8_t { query = 0, iquery = 1, status = 2, notify = 4, update = 5 };

// Extended: the upper eight bits travel in the OPT record (RFC 6891, 6.1.3).
enum class Rcode : std::uint16_t {
  noerror = 0,
  formerr = 1,
  servfail = 2,
  nxdomain = 3,
  notimp = 4,
  refused = 5,
  yxdomain = 6,
  notauth = 9,  // RFC 8945, 3
  badvers = 16,
  badcookie = 23,  // RFC 7873, 8
};

// EDNS options (RFC 6891, 6.1.2).
enum class OptionCode : std::uint16_t {
  nsid = 3,             // RFC 5001
  client_subnet = 8,    // RFC 7871
  cookie = 10,          // RFC 7873
  keepalive = 11,       // RFC 7828
  padding = 12,         // RFC 7830
  extended_error = 15,  // RFC 8914
};

// RFC 8914, 4: what we have occasion to say.
enum class ErrorInfo : std::uint16_t {
  other = 0,
  prohibited = 18,
  not_authoritative = 20,
  not_supported = 21,
};

// RFC 8945, 6: those that may be used.
enum class TsigAlgorithm : std::uint8_t { hmac_sha256, hmac_sha1, hmac_sha224, hmac_sha384, hmac_sha512 };

inline constexpr std::size_t header_size = 12;      // RFC 1035, 4.1.1
inline constexpr std::size_t name_size_max = 255;   // RFC 1035, 2.3.4
inline constexpr std::size_t label_size_max = 63;   // RFC 1035, 2.3.4
inline constexpr std::size_t labels_max = 127;      // of one octet each, in 255 octets with the root
inline constexpr std::size_t plain_udp_size = 512;  // RFC 1035, 2.3.4: without EDNS
inline constexpr std::size_t udp_size_max = 1232;   // what passes every path unfragmented (DNS flag day 2020)
inline constexpr std::size_t message_size_max = 0xFFFF;  // TCP's length prefix, RFC 1035, 4.2.2

}  // namespace sluice::wire
