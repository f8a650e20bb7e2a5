#include "rules.hpp"

#include <algorithm>
#include <stdexcept>

#include "../unit/wire/read_reply.hpp"
#include "wire/reply.hpp"

namespace sluice::fuzz {
namespace {

using wire::Bytes;
using wire::ParseResult;
using wire::Rcode;
using wire::test::reading::u16;
using Packet = std::unique_ptr<ldns_pkt, wire::test::reading::Freed>;

constexpr unsigned flags_never_set =
    0x00C0;                               // RA and Z: we do not recurse, and Z is reserved (RFC 1035, 4.1.1)
constexpr std::size_t compared_max = 64;  // records of a section that are compared with one another

// The header's own words (RFC 1035, 4.1.1).
void check_header(Bytes message, Bytes reply) {
  constexpr unsigned copied = wire::opcode_mask | wire::flag_rd;
  require(u16(reply, 0) == u16(message, 0), "the reply has the query's id");
  require((u16(reply, 2) & wire::flag_qr) != 0, "the reply has QR set");
  require((u16(reply, 2) & copied) == (u16(message, 2) & copied), "the reply has the query's opcode and RD");
  require((u16(reply, 2) & flags_never_set) == 0, "RA and Z are clear");
}

// None, or the query's own, octet for octet.
void check_question(Bytes message, Bytes reply, const wire::Query& query) {
  const std::size_t count = u16(reply, 4);
  require(count <= 1, "there is at most one question");
  require(count == (query.question_end == 0 ? 0 : 1), "a question that can be read is repeated");
  if (count == 0) return;
  const auto asked = message.first(query.question_end), repeated = reply.first(query.question_end);
  require(std::equal(asked.begin() + wire::header_size, asked.end(), repeated.begin() + wire::header_size),
          "the question comes back as it was sent");
}

void check_size(const answer::Client& client, Bytes reply, const wire::Query& query) {
  const std::size_t offered = query.edns.present ? query.edns.udp_size : wire::plain_udp_size;
  const auto udp_max = std::clamp(offered, wire::plain_udp_size, wire::udp_size_max);
  const bool udp = client.transport == answer::Transport::udp;
  require(reply.size() <= (udp ? udp_max : wire::message_size_max), "the reply fits the client's size");
}

// RFC 6891, 6.1.2: code, length, and so many octets.
void check_options(const ldns_rdf* options) {
  if (options == nullptr) return;
  Bytes rest(ldns_rdf_data(options), ldns_rdf_size(options));
  while (!rest.empty()) {
    require(rest.size() >= 4 && rest.size() - 4 >= u16(rest, 2), "the options fill the OPT record");
    rest = rest.subspan(4 + u16(rest, 2));
  }
}

void check_edns(const ldns_pkt* packet, const wire::Query& query, ParseResult parsed) {
  if (parsed != ParseResult::malformed)
    require(ldns_pkt_edns(packet) == query.edns.present, "OPT answers OPT (RFC 6891, 6.1.1)");
  if (!ldns_pkt_edns(packet)) return;
  require(query.edns.present, "no OPT without the query's (RFC 6891, 6.1.1)");
  require(ldns_pkt_edns_version(packet) == 0, "the reply's EDNS version is ours");
  require(ldns_pkt_edns_do(packet) == query.edns.dnssec_ok, "DO comes back (RFC 3225, 3)");
  check_options(ldns_pkt_edns_data(packet));
}

// RFC 2181, 5: no record stands twice in a section, but for the SOA around a transfer (RFC 5936, 2.2). OPT is
// none of these: ldns keeps the first apart.
void check_section(const ldns_rr_list* list) {
  const auto count = std::min<std::size_t>(ldns_rr_list_rr_count(list), compared_max);
  for (std::size_t i = 0; i < count; ++i) {
    const ldns_rr* record = ldns_rr_list_rr(list, i);
    require(static_cast<unsigned>(ldns_rr_get_type(record)) != static_cast<unsigned>(wire::RrType::opt),
            "there is one OPT at most");
    if (ldns_rr_get_type(record) == LDNS_RR_TYPE_SOA) continue;
    for (std::size_t k = 0; k < i; ++k)
      require(ldns_rr_compare(record, ldns_rr_list_rr(list, k)) != 0, "no record stands there twice");
  }
}

bool holds_soa(const ldns_rr_list* list) {
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(list); ++i)
    if (ldns_rr_get_type(ldns_rr_list_rr(list, i)) == LDNS_RR_TYPE_SOA) return true;
  return false;
}

// What a code says about the sections.
void check_rcode(const ldns_pkt* packet, bool has_data) {
  const auto code =
      static_cast<Rcode>(ldns_pkt_get_rcode(packet) | ldns_pkt_edns_extended_rcode(packet) << 4);
  const bool truncated = ldns_pkt_tc(packet);
  const auto answers = ldns_pkt_ancount(packet), authorities = ldns_pkt_nscount(packet);
  switch (code) {
    case Rcode::noerror:
      require(truncated || !has_data || answers + authorities > 0, "NOERROR without a record says nothing");
      break;
    case Rcode::nxdomain:
      require(truncated || holds_soa(ldns_pkt_authority(packet)), "NXDOMAIN has the SOA (RFC 2308, 2.1)");
      break;
    case Rcode::yxdomain:
      require(truncated || answers > 0, "YXDOMAIN has the DNAME (RFC 6672, 2.2)");
      break;
    case Rcode::formerr:
    case Rcode::servfail:
    case Rcode::notimp:
    case Rcode::refused:
    case Rcode::notauth:
    case Rcode::badvers:
    case Rcode::badcookie:
      require(answers + authorities == 0, "an error has no records");
      break;
  }
}

}  // namespace

void require(bool holds, const char* rule) {
  if (!holds) throw std::logic_error(rule);
}

void check_reply(const answer::Client& client, Bytes message, Bytes reply, bool too_large_for_tcp) {
  wire::Query query;
  const auto parsed = query.parse(message);
  const bool answerable = message.size() >= wire::header_size && (u16(message, 2) & wire::flag_qr) == 0;
  require(reply.empty() == !answerable, "responses and fragments are not answered, all else is");
  if (reply.empty()) return;
  require(wire::test::reading::well_formed(reply), "the reply is what its counts say");
  ldns_pkt* raw = nullptr;
  const auto status = ldns_wire2pkt(&raw, reply.data(), reply.size());
  const Packet packet(raw);
  require(status == LDNS_STATUS_OK, "ldns reads the reply");
  check_header(message, reply);
  check_question(message, reply, query);
  check_size(client, reply, query);
  check_edns(raw, query, parsed);
  for (const auto* list : {ldns_pkt_answer(raw), ldns_pkt_authority(raw), ldns_pkt_additional(raw)})
    check_section(list);
  // Class CH has no SOA to give, and a request for a cookie (RFC 7873, 5.4) asks for no records.
  check_rcode(raw, parsed == ParseResult::query && query.rr_class == wire::RrClass::in);
  const bool udp = client.transport == answer::Transport::udp;
  require(udp || too_large_for_tcp || !ldns_pkt_tc(raw), "nothing is cut over TCP that fits into 64 KiB");
}

}  // namespace sluice::fuzz

// ldns 1.8.3 loses a few octets for each malformed IPSECKEY record. That happens when a zone is loaded, to a
// file of the operator's own, and is not ours to mend.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:ldns_str2rdf_ipseckey\n"; }
