#include "answer/transfer.hpp"

#include <algorithm>

namespace sluice::answer {
namespace {

using wire::Rcode;
using wire::RrType;
using wire::Section;
using zone::Rrset;

// As far as compression reaches (RFC 1035, 4.1.4): longer messages would save nothing. A record that needs
// more gets a message of its own.
constexpr std::size_t message_size_usual = 16 * 1024 - 1;

// The serial of the SOA in the authority section, of which Query::parse has seen to it that all of it is
// there. RFC 1995, 3: the client's version.
std::optional<std::uint32_t> client_serial(const wire::Query& query, wire::Bytes message) {
  constexpr std::size_t fixed = 10, numbers = 20;  // SERIAL to MINIMUM end the rdata (RFC 1035, 3.3.13)
  if (wire::read_u16(message, 8) == 0) return {};
  std::size_t at = query.question_end;
  while (message[at] != 0 && message[at] <= wire::label_size_max) at += 1U + message[at];
  at += message[at] == 0 ? 1 : 2;
  const std::size_t size = wire::read_u16(message, at + 8);
  if (static_cast<RrType>(wire::read_u16(message, at)) != RrType::soa || size < numbers + 2) return {};
  at += fixed + size - numbers;
  return std::uint32_t{wire::read_u16(message, at)} << 16 | wire::read_u16(message, at + 2);
}

bool may_transfer(const Snapshot& snapshot, const zone::Zone& zone, const Address& client,
                  const tsig::Key* key) {
  const auto rules = snapshot.transfers.find(&zone);
  if (rules == snapshot.transfers.end()) return false;
  return std::any_of(rules->second.begin(), rules->second.end(), [&](const config::TransferRule& rule) {
    if (rule.address && !rule.address->contains(client)) return false;
    return !rule.key || (key != nullptr && key->name() == *rule.key);
  });
}

const zone::Zone* zone_with_apex(const Snapshot& snapshot, const wire::LookupName& name) {
  const auto* zone = snapshot.zones.find(name);
  return zone != nullptr && zone->apex().wire().size() == name.wire().size() ? zone : nullptr;
}

TransferDecision refuse(Scratch& scratch, Rcode rcode) {
  scratch.counters.add(Metric::transfers_refused);
  return {.rcode = rcode};
}

}  // namespace

TransferDecision decide_transfer(const Snapshot& snapshot, Scratch& scratch, const Client& client,
                                 wire::Bytes message) {
  const wire::Query& query = scratch.query;
  const bool incremental = query.type == RrType::ixfr, datagram = client.transport == Transport::udp;
  if (!incremental && datagram)
    return refuse(scratch, Rcode::notimp);  // RFC 5936, 4.2: there is no such thing
  const zone::Zone* zone = zone_with_apex(snapshot, query.name);
  if (zone == nullptr) return refuse(scratch, Rcode::notauth);  // RFC 5936, 2.2.1
  const tsig::Key* key = scratch.is_signed ? scratch.tsig.key() : nullptr;
  if (!may_transfer(snapshot, *zone, client.address, key)) return refuse(scratch, Rcode::refused);

  TransferDecision decision{.rcode = Rcode::noerror, .zone = zone, .whole = true};
  if (incremental) {
    const auto serial = client_serial(query, message);
    if (!serial) return refuse(scratch, Rcode::formerr);
    // RFC 1995, 2 and 4: a client that is up to date, or that is to come again over TCP, gets the SOA alone.
    // RFC 1982, 3.2: which of two serials is newer.
    const bool up_to_date = static_cast<std::int32_t>(*serial - zone->serial()) >= 0;
    decision.whole = !datagram && !up_to_date;
  }
  if (decision.whole && scratch.transfers_full) return refuse(scratch, Rcode::servfail);
  if (decision.whole) scratch.counters.add(Metric::transfers);
  return decision;
}

Transfer::Transfer(std::shared_ptr<const Snapshot> snapshot, const Scratch& scratch, wire::Bytes query)
    : snapshot_(std::move(snapshot)), zone_(*scratch.transfer), message_(query.begin(), query.end()) {
  query_.parse(message_);  // what it borrows is ours then
  edns_.present = query_.edns.present;
  edns_.dnssec_ok = query_.edns.dnssec_ok;
  if (scratch.is_signed) tsig_ = scratch.tsig;
}

std::size_t Transfer::next(std::span<std::uint8_t> buffer, const Moment& now) {
  if (finished()) return 0;
  const std::size_t room = tsig_ ? tsig_->record_size() : 0;
  std::size_t size = fill(buffer.first(message_size_usual - room), ~std::size_t{0});
  if (size == 0) size = fill(buffer.first(buffer.size() - room), 1);
  return size == 0 || !tsig_ ? size : tsig_->sign(buffer, size, now.unix_seconds);
}

// As many records as there is room for; 0 when there is none for the first.
std::size_t Transfer::fill(std::span<std::uint8_t> buffer, std::size_t records_max) {
  wire::ReplyWriter reply(buffer, wire::message_size_max);
  reply.begin(query_, message_, edns_);
  reply.set_authoritative();
  reply.section(Section::answer);
  owner_offset_ = 0;
  while (!finished() && reply.count(Section::answer) < records_max) {
    const auto mark = reply.mark();
    if (!add_record(reply)) {
      reply.rollback(mark);
      break;
    }
    advance();
  }
  return reply.count(Section::answer) == 0 ? 0 : reply.finish(Rcode::noerror, edns_);
}

// False when there is no room for it.
bool Transfer::add_record(wire::ReplyWriter& reply) {
  if (place_ != Place::zone) {
    const Rrset& soa = zone_.soa();
    reply.add_at(wire::header_size, RrType::soa, soa.ttl(), soa.first());
    return !reply.overflowed();
  }
  const auto owner_at = static_cast<std::uint16_t>(reply.mark().size);
  const auto add = [&](RrType type, std::uint32_t ttl, wire::Bytes rdata) {
    // The apex stands in the question; the first record of another name spells its labels.
    const auto labels = zone_.name(*node_).first(zone_.name(*node_).size() - zone_.apex().wire().size());
    if (owner_offset_ == 0)
      reply.add_below(labels, wire::header_size, type, ttl, rdata);
    else
      reply.add_at(owner_offset_, type, ttl, rdata);
  };
  if (family_)
    add(steered_.records[steered_number_].type, steered_.ttl, steered_.records[steered_number_].rdata);
  else
    add(rrset_.type(), rrset_.ttl(), *record_);
  if (reply.overflowed()) return false;
  if (owner_offset_ == 0) owner_offset_ = owner_at;
  return true;
}

void Transfer::advance() {
  switch (place_) {
    case Place::first_soa:
      place_ = Place::zone;
      enter(zone_.first());
      return settle();
    case Place::zone:
      if (family_)
        ++steered_number_;
      else if (++record_ == rrset_.end())
        enter_rrset(rrset_number_ + 1);
      return settle();
    case Place::last_soa:
      place_ = Place::end;
      return;
    case Place::end:
      return;
  }
}

// Goes on from where it is to the next record: RRset by RRset, what is steered, node by node.
void Transfer::settle() {
  while (node_ != nullptr) {
    if (!family_ && rrset_number_ < zone_.rrset_count(*node_)) {
      if (rrset_.type() != RrType::soa) return;
      enter_rrset(rrset_number_ + 1);  // it stands at the beginning and the end
    } else if (!family_ && zone_.steer(*node_) != zone::not_steered) {
      enter_steered(Family::v4);
    } else if (family_ && steered_number_ < steered_.records.size()) {
      return;
    } else if (family_ == Family::v4) {
      enter_steered(Family::v6);
    } else {
      enter(zone_.next(*node_));
    }
  }
  place_ = Place::last_soa;
}

void Transfer::enter(const zone::Node* node) {
  node_ = node;
  owner_offset_ = 0;
  family_.reset();
  if (node != nullptr) enter_rrset(0);
}

void Transfer::enter_rrset(unsigned number) {
  rrset_number_ = number;
  if (number >= zone_.rrset_count(*node_)) return;
  rrset_ = zone_.rrset_at(*node_, number);
  record_ = rrset_.begin();
}

void Transfer::enter_steered(Family family) {
  // A CNAME is there for both families, and once.
  const bool done =
      family == Family::v6 && !steered_.records.empty() && steered_.records[0].type == RrType::cname;
  const auto& block = *snapshot_->block;
  const auto* entry = block.at<steer::NameEntry>(zone_.steer(*node_));
  const auto* table = block.at<steer::Table>(entry->table.load(std::memory_order_seq_cst));
  steered_ = done ? steer::InForce{} : steer::in_force(block, *table, family);
  family_ = family;
  steered_number_ = 0;
}

}  // namespace sluice::answer
