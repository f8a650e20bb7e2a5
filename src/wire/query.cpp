#include "wire/query.hpp"

#include <algorithm>

namespace sluice::wire {
namespace {

constexpr std::size_t question_tail = 4;  // type and class
constexpr std::size_t record_fixed = 10;  // type, class, TTL, rdlength
constexpr std::size_t client_cookie_size = 8, cookie_size_min = 16, cookie_size_max = 40;  // RFC 7873, 4

// RFC 7871, 6: family, prefix lengths, and just as many address octets as the source prefix needs, the rest
// of the last one zero. Section 7.1.2: FORMERR when that is not so, or when a query's scope is not 0.
bool parse_subnet(Bytes option, Edns& edns) {
  if (option.size() < 4 || edns.has_subnet) return false;
  const std::uint16_t family = read_u16(option, 0);
  const std::uint8_t source = option[2], scope = option[3];
  // Section 7.1.2: the family says nothing where there is no address; stub resolvers that hide theirs send 0.
  if (family > 2) return false;
  const unsigned bits = family == 0 ? 0 : family == 1 ? 32 : 128;
  const Bytes octets = option.subspan(4);
  if (source > bits || scope != 0 || octets.size() != (source + 7U) / 8) return false;

  edns.subnet = {};
  edns.subnet.family = family;
  edns.subnet.source_prefix = source;
  edns.subnet.address.family = family == 2 ? Family::v6 : Family::v4;
  std::copy(octets.begin(), octets.end(), edns.subnet.address.octets.begin());
  edns.has_subnet = true;
  return masked(edns.subnet.address, source) == edns.subnet.address;
}

// RFC 7873, 5.2: only the first COOKIE counts; one that cannot be is FORMERR (5.2.2).
bool parse_cookie(Bytes option, Edns& edns) {
  const auto size = option.size();
  if (size != client_cookie_size && (size < cookie_size_min || size > cookie_size_max)) return false;
  if (edns.cookie.empty()) edns.cookie = option;
  return true;
}

bool parse_option(OptionCode code, Bytes option, Edns& edns) {
  switch (code) {
    case OptionCode::nsid:
      edns.wants_nsid = true;
      return true;
    case OptionCode::client_subnet:
      return parse_subnet(option, edns);
    case OptionCode::cookie:
      return parse_cookie(option, edns);
    case OptionCode::keepalive:
      edns.has_keepalive = true;
      return true;
    case OptionCode::padding:
      edns.has_padding = true;
      return true;
    case OptionCode::extended_error:
      break;
  }
  return true;  // unknown ones are passed over (RFC 6891, 6.1.2)
}

bool parse_options(Bytes options, Edns& edns) {
  while (!options.empty()) {
    if (options.size() < 4) return false;
    const auto code = static_cast<OptionCode>(read_u16(options, 0));
    const std::size_t length = read_u16(options, 2);
    if (length > options.size() - 4) return false;
    if (!parse_option(code, options.subspan(4, length), edns)) return false;
    options = options.subspan(4 + length);
  }
  return true;
}

// The size of an owner name in the message, which may end in a pointer; 0 when it is malformed. The pointer
// is not followed: of the records behind the question only OPT is read, and its owner is the root.
std::size_t skip_name(Bytes bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::uint8_t length = bytes[at];
    if (length == 0) return at + 1;
    if ((length & 0xC0) == 0xC0) return at + 2 <= bytes.size() ? at + 2 : 0;
    if (length > label_size_max) return 0;
    at += 1U + length;
    if (at >= name_size_max) return 0;
  }
  return 0;
}

// RFC 6891, 6.1.2 and 6.1.3: the class is the sender's buffer size, the TTL holds version and flags.
bool parse_opt(Bytes owner, Bytes fixed, Bytes rdata, Edns& edns) {
  if (edns.present || owner.size() != 1)
    return false;  // RFC 6891, 6.1.1: one only, and its owner is the root
  edns.present = true;
  edns.udp_size = std::max<std::uint16_t>(read_u16(fixed, 2), plain_udp_size);  // 6.2.3: less means 512
  edns.version = fixed[5];
  edns.dnssec_ok = (fixed[6] & 0x80) != 0;
  // Options of a version that we do not know are not ours to judge: the reply is BADVERS.
  return edns.version != 0 || parse_options(rdata, edns);
}

}  // namespace

ParseResult Query::parse(Bytes message) {
  question_end = 0;
  tsig_at = 0;
  edns = {};
  if (message.size() < header_size) return ParseResult::not_answerable;
  id = read_u16(message, 0);
  flags = read_u16(message, 2);
  // A response is never answered: two servers could answer one another for ever.
  if ((flags & 0x8000) != 0) return ParseResult::not_answerable;
  const unsigned questions = read_u16(message, 4);
  const unsigned answers = read_u16(message, 6), authorities = read_u16(message, 8),
                 additionals = read_u16(message, 10);

  // RFC 9619: a query has exactly one question, or none and a cookie (RFC 7873, 5.4). Other opcodes are
  // answered NOTIMP with what could be read.
  if (questions > 1) return ParseResult::malformed;
  std::size_t at = header_size;
  if (questions == 1) {
    const std::size_t name_size = name.assign(message.subspan(header_size));
    at += name_size;
    if (name_size == 0 || message.size() - at < question_tail) return ParseResult::malformed;
    type = static_cast<RrType>(read_u16(message, at));
    rr_class = static_cast<RrClass>(read_u16(message, at + 2));
    at += question_tail;
    question_end = static_cast<std::uint16_t>(at);
  }
  const unsigned before = answers + authorities;  // records that stand before the additional section
  if (opcode() != Opcode::query) {
    if (questions != 1) return ParseResult::malformed;
    // What they hold is not ours to judge; OPT and TSIG, if all can be read, are for the reply to reflect
    // (RFC 6891, 6.1.1; RFC 8945, 5.3).
    if (read_records(message, at, before, before + additionals) != message.size()) edns = {}, tsig_at = 0;
    return ParseResult::query;
  }
  if (answers != 0 || authorities > 1)
    return ParseResult::malformed;  // one authority record: IXFR's SOA (RFC 1995, 3)

  at = read_records(message, at, before, before + additionals);
  // What follows the last record was counted nowhere: not a DNS message.
  if (at != message.size()) return ParseResult::malformed;
  if (questions == 1) return ParseResult::query;
  return edns.cookie.empty() ? ParseResult::malformed : ParseResult::cookie_request;
}

// Returns where the records end; 0 when one of them cannot be.
std::size_t Query::read_records(Bytes message, std::size_t at, unsigned before, unsigned count) {
  for (unsigned record = 0; record < count; ++record) {
    const std::size_t owner_size = skip_name(message.subspan(at));
    if (owner_size == 0 || message.size() - at - owner_size < record_fixed) return 0;
    const Bytes owner = message.subspan(at, owner_size),
                fixed = message.subspan(at + owner_size, record_fixed);
    const std::size_t rdata_size = read_u16(fixed, 8);
    if (static_cast<RrType>(read_u16(fixed, 0)) == RrType::tsig) {
      // RFC 8945, 5.1: one only, and the last of the additional section.
      if (record < before || record + 1 != count) return 0;
      tsig_at = static_cast<std::uint16_t>(at);
    }
    at += owner_size + record_fixed;
    if (message.size() - at < rdata_size) return 0;
    const Bytes rdata = message.subspan(at, rdata_size);
    at += rdata_size;
    const bool is_opt = static_cast<RrType>(read_u16(fixed, 0)) == RrType::opt;
    if (is_opt && (record < before || !parse_opt(owner, fixed, rdata, edns))) return 0;
  }
  return at;
}

}  // namespace sluice::wire
