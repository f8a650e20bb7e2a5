#include "wire/reply.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace sluice::wire {
namespace {

constexpr std::size_t pointer_offset_max = 0x3FFF;  // RFC 1035, 4.1.4: 14 bits
constexpr unsigned jumps_max = labels_max;          // our own pointers only go back; a bound all the same
constexpr std::size_t opt_fixed_size = 11;
constexpr std::size_t option_fixed_size = 4;  // code and length
constexpr std::size_t keepalive_size = 2;
// In a ready record: owner, type and class stand before the TTL, and rdlength behind it.
constexpr std::size_t ready_ttl_at = 6, ready_rdata_at = 12;

// RFC 7871, 6: only as many address octets as the source prefix covers.
std::size_t subnet_octets(const ReplyEdns& edns) { return (edns.subnet.source_prefix + 7U) / 8; }

std::size_t opt_size(const ReplyEdns& edns) {
  if (!edns.present) return 0;
  std::size_t size = opt_fixed_size;
  if (edns.has_subnet) size += option_fixed_size + 4 + subnet_octets(edns);
  if (edns.has_cookie) size += option_fixed_size + edns.cookie.size();
  if (!edns.nsid.empty()) size += option_fixed_size + edns.nsid.size();
  if (edns.idle_timeout) size += option_fixed_size + keepalive_size;
  return size;
}

std::size_t name_size(Bytes bytes) {
  std::size_t at = 0;
  while (bytes[at] != 0) at += 1U + bytes[at];
  return at + 1;
}

// The part of a type's rdata that may be compressed: so many octets, then so many names, then the rest as it
// is. Only types of RFC 1035 (RFC 3597, section 4): a receiver need not know how to undo it in any other.
struct RdataShape {
  std::uint8_t octets_before;
  std::uint8_t names;
};

RdataShape shape_of(RrType type) {
  if (type == RrType::ns || type == RrType::cname || type == RrType::ptr) return {0, 1};
  if (type == RrType::mx) return {2, 1};
  if (type == RrType::soa) return {0, 2};
  return {0, 0};
}

void store_u16(std::uint8_t* at, std::uint16_t value) {
  at[0] = static_cast<std::uint8_t>(value >> 8);
  at[1] = static_cast<std::uint8_t>(value);
}

void store_u32(std::uint8_t* at, std::uint32_t value) {
  store_u16(at, static_cast<std::uint16_t>(value >> 16));
  store_u16(at + 2, static_cast<std::uint16_t>(value));
}

}  // namespace

// Whether there is room for so many octets more. This and the next three stand before all others so that they
// are inlined there.
bool ReplyWriter::reserve(std::size_t octets) {
  if (octets > limit_ - size_) overflowed_ = true;
  return !overflowed_;
}

void ReplyWriter::put_u16(std::uint16_t value) {
  if (!reserve(2)) return;
  store_u16(data_ + size_, value);
  size_ += 2;
}

void ReplyWriter::put_u32(std::uint32_t value) {
  if (!reserve(4)) return;
  store_u32(data_ + size_, value);
  size_ += 4;
}

void ReplyWriter::put_bytes(Bytes bytes) {
  if (!reserve(bytes.size())) return;
  if (!bytes.empty()) std::memcpy(data_ + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
}

ReplyWriter::ReplyWriter(std::span<std::uint8_t> buffer, std::size_t limit)
    : data_(buffer.data()), limit_(std::min(buffer.size(), limit)) {
  assert(limit_ >= header_size);
}

void ReplyWriter::begin(const Query& query, Bytes message, const ReplyEdns& edns) {
  id_ = query.id;
  // RFC 1035, 4.1.1: opcode and RD are copied; RA stays 0, we do not recurse.
  flags_ = static_cast<std::uint16_t>(flag_qr | (query.flags & (opcode_mask | flag_rd)));
  if (opt_size(edns) <= limit_ - size_) opt_size_ = opt_size(edns);
  limit_ -= opt_size_;
  if (query.question_end == 0) return;
  put_bytes(message.subspan(header_size, query.question_end - header_size));
  if (overflowed_) {
    overflowed_ = false;
    set_truncated();
    return;
  }
  question_count_ = 1;
  question_ = &query.name;
}

void ReplyWriter::add(Bytes owner, RrType type, std::uint32_t ttl, Bytes rdata) {
  put_name(owner);
  put_record_body(type, ttl, rdata);
}

void ReplyWriter::add_at(std::uint16_t owner_offset, RrType type, std::uint32_t ttl, Bytes rdata) {
  assert(owner_offset <= pointer_offset_max);
  put_u16(static_cast<std::uint16_t>(0xC000 | owner_offset));
  put_record_body(type, ttl, rdata);
}

void ReplyWriter::add_rrset_at(std::uint16_t owner_offset, RrType type, std::uint32_t ttl,
                               const std::uint8_t* rdatas, unsigned count) {
  // Owner, type, class, TTL: the same in all of them, as nothing in an rdata is compressed.
  std::uint8_t head[ready_ttl_at + 4];
  const bool ready = shape_of(type).names == 0;
  store_u16(head, static_cast<std::uint16_t>(0xC000 | owner_offset));
  store_u16(head + 2, static_cast<std::uint16_t>(type));
  store_u16(head + 4, static_cast<std::uint16_t>(rr_class_));
  store_u32(head + ready_ttl_at, ttl);
  for (unsigned i = 0; i < count && !overflowed_; ++i) {
    const std::size_t with_length = 2 + (std::size_t{rdatas[0]} << 8 | rdatas[1]);
    if (!ready) {
      add_at(owner_offset, type, ttl, {rdatas + 2, with_length - 2});
    } else if (reserve(sizeof head + with_length)) {
      std::memcpy(data_ + size_, head, sizeof head);
      std::memcpy(data_ + size_ + sizeof head, rdatas, with_length);
      last_rdata_ = static_cast<std::uint16_t>(size_ + sizeof head + 2);
      size_ += sizeof head + with_length;
      ++counts_[static_cast<std::size_t>(section_)];
    }
    rdatas += with_length;
  }
}

void ReplyWriter::add_below(Bytes labels, std::uint16_t ancestor_offset, RrType type, std::uint32_t ttl,
                            Bytes rdata) {
  put_bytes(labels);
  add_at(ancestor_offset, type, ttl, rdata);
}

void ReplyWriter::add_ready(std::uint16_t owner_offset, std::uint32_t ttl, Bytes records, std::size_t stride,
                            unsigned count) {
  assert(owner_offset <= pointer_offset_max);
  const std::size_t first = size_;
  put_bytes(records);
  if (overflowed_) return;
  last_rdata_ = static_cast<std::uint16_t>(size_ - stride + ready_rdata_at);
  const auto pointer = static_cast<std::uint16_t>(0xC000 | owner_offset);
  for (std::size_t at = first; at < size_; at += stride) {
    store_u16(data_ + at, pointer);
    store_u32(data_ + at + ready_ttl_at, ttl);
  }
  counts_[static_cast<std::size_t>(section_)] += static_cast<std::uint16_t>(count);
}

void ReplyWriter::rollback(const Mark& mark) {
  size_ = mark.size;
  counts_ = mark.counts;
  name_count_ = mark.names;
  overflowed_ = false;
}

std::size_t ReplyWriter::finish(Rcode rcode, const ReplyEdns& edns) {
  assert(!overflowed_);
  limit_ += opt_size_;
  const auto code = static_cast<std::uint16_t>(rcode);
  if (opt_size_ > 0) {
    data_[size_++] = 0;  // the root; reserved, as the whole of OPT is
    put_u16(static_cast<std::uint16_t>(RrType::opt));
    put_u16(udp_size_max);
    put_u32(std::uint32_t{code} >> 4 << 24 | (edns.dnssec_ok ? 0x8000U : 0U));
    const std::size_t length_at = size_;
    put_u16(0);
    put_options(edns);
    set_u16(length_at, size_ - length_at - 2);
  }
  store_u16(data_, id_);
  store_u16(data_ + 2, static_cast<std::uint16_t>(flags_ | (code & 0xF)));
  store_u16(data_ + 4, question_count_);
  store_u16(data_ + 6, counts_[0]);
  store_u16(data_ + 8, counts_[1]);
  store_u16(data_ + 10, static_cast<std::uint16_t>(counts_[2] + (opt_size_ > 0 ? 1 : 0)));
  return size_;
}

void ReplyWriter::set_u16(std::size_t at, std::size_t value) {
  store_u16(data_ + at, static_cast<std::uint16_t>(value));
}

void ReplyWriter::put_option(OptionCode code, Bytes value) {
  put_u16(static_cast<std::uint16_t>(code));
  put_u16(static_cast<std::uint16_t>(value.size()));
  put_bytes(value);
}

void ReplyWriter::put_options(const ReplyEdns& edns) {
  if (edns.has_subnet) {
    put_u16(static_cast<std::uint16_t>(OptionCode::client_subnet));
    put_u16(static_cast<std::uint16_t>(4 + subnet_octets(edns)));
    put_u16(edns.subnet.family);
    put_u16(static_cast<std::uint16_t>(edns.subnet.source_prefix << 8 | edns.scope_prefix));
    put_bytes(edns.subnet.address.bytes().first(subnet_octets(edns)));
  }
  if (edns.has_cookie) put_option(OptionCode::cookie, edns.cookie);
  if (!edns.nsid.empty()) put_option(OptionCode::nsid, edns.nsid);
  if (edns.idle_timeout) {
    put_u16(static_cast<std::uint16_t>(OptionCode::keepalive));
    put_u16(keepalive_size);
    put_u16(*edns.idle_timeout);
  }
  if (edns.error && option_fixed_size + 2 + edns.error->text.size() <= limit_ - size_) {
    put_u16(static_cast<std::uint16_t>(OptionCode::extended_error));
    put_u16(static_cast<std::uint16_t>(2 + edns.error->text.size()));
    put_u16(static_cast<std::uint16_t>(edns.error->code));
    put_bytes({reinterpret_cast<const std::uint8_t*>(edns.error->text.data()), edns.error->text.size()});
  }
  if (edns.padding_block != 0) put_padding(edns.padding_block);
}

// RFC 7830, 3: octets of zero. At the size limit there is nothing left to hide.
void ReplyWriter::put_padding(std::size_t block) {
  const std::size_t size = (size_ + option_fixed_size + block - 1) / block * block;
  if (size > limit_) return;
  const std::size_t zeros = size - size_ - option_fixed_size;
  put_u16(static_cast<std::uint16_t>(OptionCode::padding));
  put_u16(static_cast<std::uint16_t>(zeros));
  std::memset(data_ + size_, 0, zeros);
  size_ += zeros;
}

void ReplyWriter::put_record_body(RrType type, std::uint32_t ttl, Bytes rdata) {
  put_u16(static_cast<std::uint16_t>(type));
  put_u16(static_cast<std::uint16_t>(rr_class_));
  put_u32(ttl);
  const std::size_t length_at = size_;
  put_u16(0);
  last_rdata_ = static_cast<std::uint16_t>(size_);
  put_rdata(type, rdata);
  if (overflowed_) return;
  set_u16(length_at, size_ - length_at - 2);
  ++counts_[static_cast<std::size_t>(section_)];
}

void ReplyWriter::put_rdata(RrType type, Bytes rdata) {
  const RdataShape shape = shape_of(type);
  put_bytes(rdata.first(shape.octets_before));
  rdata = rdata.subspan(shape.octets_before);
  for (unsigned i = 0; i < shape.names; ++i) {
    const std::size_t size = name_size(rdata);
    put_name(rdata.first(size));
    rdata = rdata.subspan(size);
  }
  put_bytes(rdata);
}

// Only once a name is to be compressed: most replies have none.
void ReplyWriter::remember_question() {
  if (question_ == nullptr) return;
  for (unsigned label = 0; label < question_->label_count(); ++label)
    remember_name(header_size + question_->suffix_offset(label), question_->suffix(label).size());
}

void ReplyWriter::put_name(Bytes name) {
  if (name_count_ == 0) remember_question();
  std::size_t size = name_size(name);
  const std::size_t first = name_count_;
  while (name[0] != 0) {
    if (const KnownName* known = find_name(name, size); known != nullptr) {
      put_u16(static_cast<std::uint16_t>(0xC000 | known->offset));
      const auto pointers = static_cast<std::uint8_t>(known->pointers + 1);
      for (std::size_t i = first; i < name_count_; ++i) names_[i].pointers = pointers;
      return;
    }
    const std::size_t label_size = 1U + name[0];
    if (!overflowed_) remember_name(size_, size);
    put_bytes(name.first(label_size));
    name = name.subspan(label_size);
    size -= label_size;
  }
  put_bytes(name.first(1));
}

void ReplyWriter::remember_name(std::size_t offset, std::size_t size) {
  if (name_count_ < names_max && offset <= pointer_offset_max)
    names_[name_count_++] = {static_cast<std::uint16_t>(offset), static_cast<std::uint8_t>(size), 0};
}

const ReplyWriter::KnownName* ReplyWriter::find_name(Bytes name, std::size_t size) {
  if (overflowed_ || steps_ > steps_base + steps_per_octet * size_) return nullptr;
  steps_ += name_count_;
  for (std::size_t i = 0; i < name_count_; ++i) {
    const KnownName& known = names_[i];
    if (known.size == size && known.pointers < pointers_max && known.offset < size_ &&
        name_at_equals(known.offset, name))
      return &known;
  }
  return nullptr;
}

// Compares the name that stands in the reply at `offset`, pointers followed, letter case ignored (RFC 4343).
bool ReplyWriter::name_at_equals(std::size_t offset, Bytes name) {
  for (unsigned steps = 0; steps < 2 * jumps_max; ++steps) {
    if (offset >= size_) return false;  // the name that is being written now: its rest is not there yet
    const std::uint8_t length = data_[offset];
    if ((length & 0xC0) == 0xC0) {
      offset = static_cast<std::size_t>(length & 0x3F) << 8 | data_[offset + 1];
      continue;
    }
    if (length != name[0]) return false;
    if (length == 0) return true;
    steps_ += 1U + length;
    for (std::size_t i = 1; i <= length; ++i)
      if (lower(data_[offset + i]) != lower(name[i])) return false;
    offset += 1U + length;
    name = name.subspan(1U + length);
  }
  return false;
}

}  // namespace sluice::wire
