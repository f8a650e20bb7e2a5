// Writes a reply into the caller's buffer: question, sections in order, compression (RFC 1035, 4.1.4), OPT,
// header. Nothing is allocated. What does not fit is left out as a whole RRset, and fits() says so.
//
//   ReplyWriter reply(buffer, limit);
//   reply.begin(query, message);
//   auto mark = reply.mark();
//   reply.section(Section::answer);
//   reply.add(...);
//   if (reply.overflowed()) reply.rollback(mark) ...
//   return reply.finish(rcode, edns);
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "wire/name.hpp"
#include "wire/query.hpp"
#include "wire/types.hpp"

namespace sluice::wire {

enum class Section : std::uint8_t { answer, authority, additional };

inline constexpr std::uint16_t flag_qr = 0x8000, flag_aa = 0x0400, flag_tc = 0x0200, flag_rd = 0x0100;
inline constexpr std::uint16_t opcode_mask = 0x7800;

// RFC 8914: why a reply is what it is, for the operator who looks at it. `text` outlives the reply.
struct ExtendedError {
  ErrorInfo code = ErrorInfo::other;
  std::string_view text;
};

// A client's 8 octets and our 16 (RFC 9018, 4).
using Cookie = std::array<std::uint8_t, 24>;

// The OPT record of a reply (RFC 6891). What is set when begin() is called has its room reserved.
struct ReplyEdns {
  bool present = false;
  bool dnssec_ok = false;
  bool has_subnet = false;  // RFC 7871, with the scope that was used
  ClientSubnet subnet{};
  std::uint8_t scope_prefix = 0;
  bool has_cookie = false;
  Cookie cookie{};
  std::uint16_t padding_block = 0;  // RFC 8467, 4.1: pad to a multiple of so many octets; 0: do not
  std::optional<std::uint16_t> idle_timeout{};  // RFC 7828, in units of 100 ms
  Bytes nsid{};                                 // RFC 5001; empty: not asked for, or there is none
  std::optional<ExtendedError> error{};         // may be set later: sent when there is room left
};

class ReplyWriter {
 public:
  // Writes at most min(buffer.size(), limit) octets, which have to be enough for a header.
  ReplyWriter(std::span<std::uint8_t> buffer, std::size_t limit);

  // `query` outlives the writer. Copies the header's id, opcode and RD, and the question as it was sent,
  // letter case included (none when query.question_end is 0). Reserves room for `edns` so that the OPT record
  // always fits. No transport has so small a limit that OPT or the question do not fit; they are then left
  // out.
  void begin(const Query& query, Bytes message, const ReplyEdns& edns);

  // Of all records; IN unless said.
  void set_class(RrClass rr_class) { rr_class_ = rr_class; }
  void set_authoritative() { flags_ |= flag_aa; }
  void set_truncated() { flags_ |= flag_tc; }
  bool truncated() const { return (flags_ & flag_tc) != 0; }

  // Records go to this section from now on. Sections can only be opened in order.
  void section(Section section) { section_ = section; }

  // One record. `owner` is an uncompressed name. Rdata of the types of RFC 1035 is compressed (RFC 3597,
  // section 4). A name's offset in the reply, when the caller knows it, spares the search: see add_at().
  void add(Bytes owner, RrType type, std::uint32_t ttl, Bytes rdata);

  // The same with the owner given as the offset of a name that is already in the reply.
  void add_at(std::uint16_t owner_offset, RrType type, std::uint32_t ttl, Bytes rdata);

  // The same with `labels` before a name that is already in the reply: of many owners below one apex none is
  // searched.
  void add_below(Bytes labels, std::uint16_t ancestor_offset, RrType type, std::uint32_t ttl, Bytes rdata);

  // `count` records, one for each of `rdatas`: uncompressed, each behind its two octets of length. Ends with
  // the first that does not fit.
  void add_rrset_at(std::uint16_t owner_offset, RrType type, std::uint32_t ttl, const std::uint8_t* rdatas,
                    unsigned count);

  // `count` ready records, each `stride` octets long and beginning with a two-octet owner, type, class, TTL.
  // Owner and TTL are set here.
  void add_ready(std::uint16_t owner_offset, std::uint32_t ttl, Bytes records, std::size_t stride,
                 unsigned count);

  // True when something since the last rollback (or begin) did not fit. Nothing is written past the limit.
  bool overflowed() const { return overflowed_; }

  struct Mark {
    std::size_t size;
    std::array<std::uint16_t, 3> counts;
    std::uint16_t names;
  };
  Mark mark() const { return {size_, counts_, name_count_}; }
  void rollback(const Mark& mark);

  unsigned count(Section section) const { return counts_[static_cast<std::size_t>(section)]; }

  // The offset at which the last rdata was written: where a CNAME's target stands.
  std::uint16_t last_rdata_offset() const { return last_rdata_; }

  // Completes header and OPT; returns the reply's size in octets. What overflowed has been rolled back
  // before.
  std::size_t finish(Rcode rcode, const ReplyEdns& edns);

 private:
  bool reserve(std::size_t octets);
  void put_u16(std::uint16_t value);
  void put_u32(std::uint32_t value);
  void put_bytes(Bytes bytes);
  void set_u16(std::size_t at, std::size_t value);
  void put_option(OptionCode code, Bytes value);
  void put_options(const ReplyEdns& edns);
  void put_padding(std::size_t block);
  void put_name(Bytes name);
  void put_rdata(RrType type, Bytes rdata);
  void put_record_body(RrType type, std::uint32_t ttl, Bytes rdata);
  void remember_question();
  void remember_name(std::size_t offset, std::size_t size);
  bool name_at_equals(std::size_t offset, Bytes name);

  // A name in the reply that later ones may point to, and its size without compression: names of different
  // sizes need no look at their octets.
  struct KnownName {
    std::uint16_t offset;
    std::uint8_t size;
    std::uint8_t pointers;  // that have to be followed to read it
  };
  const KnownName* find_name(Bytes name, std::size_t size);

  // More than these are simply not used.
  static constexpr std::size_t names_max = 48;

  // No name that is read over more pointers is pointed to, so that none in a reply takes more than ten: Go's
  // resolver gives up there, others a little later. A chain of DNAMEs that add labels would make longer ones.
  static constexpr std::uint8_t pointers_max = 8;

  // Looking for names to point to may cost so many steps (a name looked at, an octet compared) and as many
  // again for each octet of the reply; after that names are written in full. Names of many equal labels,
  // which a client can bring in below a DNAME, would cost 10,000 times a plain query. Replies of ordinary
  // names take a tenth of it.
  static constexpr std::size_t steps_base = 2048, steps_per_octet = 8;

  std::uint8_t* data_;
  std::size_t limit_;
  std::size_t opt_size_ = 0;  // reserved behind limit_
  std::size_t size_ = header_size;
  std::uint16_t id_ = 0;
  std::uint16_t flags_ = 0;
  std::array<std::uint16_t, 3> counts_{};
  std::array<KnownName, names_max> names_;
  std::uint16_t name_count_ = 0;
  const LookupName* question_ = nullptr;  // the query's, from begin() on; null: there is none in the reply
  std::size_t steps_ = 0;
  std::uint16_t last_rdata_ = 0;
  std::uint16_t question_count_ = 0;
  Section section_ = Section::answer;
  RrClass rr_class_ = RrClass::in;
  bool overflowed_ = false;
};

}  // namespace sluice::wire
