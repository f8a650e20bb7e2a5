// Reads replies independently of our own code: a walk over the octets that believes nothing, and then ldns.
//
//   const auto reply = read_reply(octets);
//   REQUIRE(reply.has_value());
//   CHECK(reply->sections[0][0].owner == "www.example.");
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ldns/ldns.h>

#include "wire/name.hpp"

namespace sluice::wire::test {

struct ReadRecord {
  std::string owner;  // text, letter case as in the reply
  unsigned type = 0;
  unsigned rr_class = 0;
  std::uint32_t ttl = 0;
  std::vector<std::uint8_t> rdata;  // uncompressed
  std::string rdata_text;           // one space between fields
};

struct ReadReply {
  unsigned id = 0;
  unsigned flags = 0;  // the header's second word
  std::size_t size = 0;
  std::vector<ReadRecord> question;                 // without ttl and rdata
  std::array<std::vector<ReadRecord>, 3> sections;  // answer, authority, additional; OPT is not among them
  bool edns = false, edns_do = false;
  unsigned edns_size = 0, edns_version = 0;
  std::vector<std::uint8_t> edns_options;
  unsigned rcode = 0;  // with the upper bits from OPT
};

namespace reading {

inline std::size_t u16(Bytes bytes, std::size_t at) { return std::size_t{bytes[at]} << 8 | bytes[at + 1]; }

// Behind the name at `at`, or 0. A pointer has to point backwards, and so a chain of them ends.
inline std::size_t behind_name(Bytes bytes, std::size_t at) {
  std::size_t expanded = 0, end = 0, lowest = at;
  for (;;) {
    if (at >= bytes.size()) return 0;
    const std::size_t length = bytes[at];
    if (length >= 0xC0) {
      if (at + 1 >= bytes.size()) return 0;
      const std::size_t target = u16(bytes, at) & 0x3FFF;
      if (target >= lowest || target < header_size) return 0;
      if (end == 0) end = at + 2;
      lowest = at = target;
      continue;
    }
    if (length > label_size_max) return 0;
    expanded += 1 + length;
    if (expanded > name_size_max) return 0;
    at += 1 + length;
    if (length == 0) return end == 0 ? at : end;
  }
}

// Whether the message is exactly what its counts say.
inline bool well_formed(Bytes bytes) {
  if (bytes.size() < header_size) return false;
  std::size_t at = header_size;
  const std::size_t questions = u16(bytes, 4);
  const std::size_t records = u16(bytes, 6) + u16(bytes, 8) + u16(bytes, 10);
  for (std::size_t i = 0; i < questions + records; ++i) {
    at = behind_name(bytes, at);
    const std::size_t fixed = i < questions ? 4 : 10;
    if (at == 0 || bytes.size() - at < fixed) return false;
    at += fixed;
    if (i < questions) continue;
    const std::size_t rdata = u16(bytes, at - 2);
    if (bytes.size() - at < rdata) return false;
    at += rdata;
  }
  return at == bytes.size();
}

struct Freed {
  void operator()(ldns_pkt* packet) const { ldns_pkt_free(packet); }
  void operator()(ldns_buffer* buffer) const { ldns_buffer_free(buffer); }
  void operator()(char* text) const { LDNS_FREE(text); }
};

inline std::string text_of(const ldns_rdf* rdf) {
  const std::unique_ptr<char, Freed> text(ldns_rdf2str(rdf));
  return text == nullptr ? "" : text.get();
}

inline ReadRecord record_of(const ldns_rr* rr) {
  ReadRecord record{.owner = text_of(ldns_rr_owner(rr)),
                    .type = static_cast<unsigned>(ldns_rr_get_type(rr)),
                    .rr_class = static_cast<unsigned>(ldns_rr_get_class(rr)),
                    .ttl = ldns_rr_ttl(rr),
                    .rdata = {},
                    .rdata_text = {}};
  const std::unique_ptr<ldns_buffer, Freed> wire(ldns_buffer_new(LDNS_MAX_PACKETLEN));
  if (ldns_rr_rdata2buffer_wire(wire.get(), rr) == LDNS_STATUS_OK)
    record.rdata.assign(ldns_buffer_begin(wire.get()), ldns_buffer_current(wire.get()));
  for (std::size_t i = 0; i < ldns_rr_rd_count(rr); ++i) {
    if (i > 0) record.rdata_text += ' ';
    record.rdata_text += text_of(ldns_rr_rdf(rr, i));
  }
  return record;
}

inline std::vector<ReadRecord> records_of(const ldns_rr_list* list) {
  std::vector<ReadRecord> records;
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(list); ++i)
    records.push_back(record_of(ldns_rr_list_rr(list, i)));
  return records;
}

}  // namespace reading

// Nothing when the octets are no DNS message.
inline std::optional<ReadReply> read_reply(Bytes bytes) {
  if (!reading::well_formed(bytes)) return {};
  ldns_pkt* raw = nullptr;
  if (ldns_wire2pkt(&raw, bytes.data(), bytes.size()) != LDNS_STATUS_OK) return {};
  const std::unique_ptr<ldns_pkt, reading::Freed> packet(raw);
  ReadReply reply;
  reply.id = ldns_pkt_id(raw);
  reply.flags = static_cast<unsigned>(reading::u16(bytes, 2));
  reply.size = bytes.size();
  reply.question = reading::records_of(ldns_pkt_question(raw));
  reply.sections = {reading::records_of(ldns_pkt_answer(raw)), reading::records_of(ldns_pkt_authority(raw)),
                    reading::records_of(ldns_pkt_additional(raw))};
  reply.rcode = reply.flags & 0xF;
  reply.edns = ldns_pkt_edns(raw);
  if (!reply.edns) return reply;
  reply.edns_do = ldns_pkt_edns_do(raw);
  reply.edns_size = ldns_pkt_edns_udp_size(raw);
  reply.edns_version = ldns_pkt_edns_version(raw);
  reply.rcode |= unsigned{ldns_pkt_edns_extended_rcode(raw)} << 4;
  if (const ldns_rdf* options = ldns_pkt_edns_data(raw))
    reply.edns_options.assign(ldns_rdf_data(options), ldns_rdf_data(options) + ldns_rdf_size(options));
  return reply;
}

}  // namespace sluice::wire::test
