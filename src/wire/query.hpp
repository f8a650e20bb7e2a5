// Reads a query: header, question, and the EDNS record. Checks all that a server can check before it looks
// anything up.
#pragma once

#include <cstdint>

#include "base/address.hpp"
#include "wire/name.hpp"
#include "wire/types.hpp"

namespace sluice::wire {

// RFC 7871, section 6. The address is masked to the source prefix length.
struct ClientSubnet {
  Address address;
  std::uint8_t source_prefix = 0;
  std::uint16_t family = 1;  // as sent, to be sent back: 0 occurs where there is no address
};

struct Edns {
  bool present = false;
  bool dnssec_ok = false;
  bool has_subnet = false;
  std::uint8_t version = 0;
  bool wants_nsid = false;
  bool has_keepalive = false;
  bool has_padding = false;
  std::uint16_t udp_size = plain_udp_size;
  ClientSubnet subnet;
  Bytes cookie;  // borrowed from the message: empty, or the client's 8 octets, or those and the server's 8 to
                 // 32
};

enum class ParseResult : std::uint8_t {
  query,           // well-formed: all fields are set
  cookie_request,  // no question, but a COOKIE option: all fields but the question are set
  not_answerable,  // shorter than a header, or a response: stay silent
  malformed,       // FORMERR, with the question when `question_end` says that it could be read
};

// What a client asked. Reused from packet to packet: parse() sets every field.
struct Query {
  std::uint16_t id = 0;
  std::uint16_t flags = 0;  // the header's second word as received
  LookupName name;
  RrType type{};
  RrClass rr_class{};
  std::uint16_t question_end = 0;  // offset behind the question; 0: there is none, or it could not be read
  std::uint16_t tsig_at = 0;       // offset of the TSIG record, which is the last; 0: there is none
  Edns edns;

  Opcode opcode() const { return static_cast<Opcode>(flags >> 11 & 0xF); }
  bool recursion_desired() const { return (flags & 0x0100) != 0; }

  // Reads the message. Never reads outside `message`.
  ParseResult parse(Bytes message);

 private:
  std::size_t read_records(Bytes message, std::size_t at, unsigned before, unsigned count);
};

}  // namespace sluice::wire
