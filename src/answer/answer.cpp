#include "answer/answer.hpp"

#include <algorithm>
#include <array>

#include "wire/reply.hpp"

namespace sluice::answer {
namespace {

using wire::Rcode;
using wire::RrType;
using wire::Section;
using zone::Match;
using zone::Node;
using zone::Outcome;
using zone::Rrset;
using zone::Zone;

// One query on its way to its reply.
class Answering {
 public:
  Answering(const Snapshot& snapshot, Scratch& scratch, const Client& client, wire::ReplyWriter& reply,
            wire::ReplyEdns& edns)
      : snapshot_(snapshot),
        scratch_(scratch),
        client_(client),
        query_(scratch.query),
        reply_(reply),
        edns_(edns) {}

  // RFC 1034, 4.3.2, over a chain of CNAMEs and DNAMEs. Fills the sections; returns the response code.
  Rcode run();

 private:
  // What a step along the chain came to.
  enum class Next : std::uint8_t { done, follow };

  Next step(const wire::LookupName& name, Rcode& rcode);
  const Zone* zone_of(const wire::LookupName& name) const;
  Next at_name(const Zone& zone, const Node& node, const wire::LookupName& name);
  Next follow_cname(const Rrset& cname);
  Next follow_dname(const Zone& zone, const Match& match, const wire::LookupName& name, Rcode& rcode);
  void add_steered(const wire::LookupName& name, const steer::NameEntry& entry);
  void add_any(const Zone& zone, const Node& node, const wire::LookupName& name);
  void add_referral(const Zone& zone, const Match& match, const wire::LookupName& name);
  void add_glue(const Zone& zone, const Rrset& ns);
  void add_negative(const Zone& zone, std::uint32_t ttl_max);
  bool add_answer(const Rrset& rrset);
  bool first_use(const Node* dname);
  steer::Draw draw(const steer::Table& table, Family family);
  bool asks_address() const { return query_.type == RrType::a || query_.type == RrType::aaaa; }

  const Snapshot& snapshot_;
  Scratch& scratch_;
  const Client& client_;
  const wire::Query& query_;
  wire::ReplyWriter& reply_;
  wire::ReplyEdns& edns_;
  std::uint16_t owner_offset_ =
      wire::header_size;                           // where the name that is looked up now stands in the reply
  std::array<const Node*, chain_max + 1> dnames_;  // whose records are in the reply
  unsigned dname_count_ = 0;
  bool authority_settled_ = false;  // RFC 1035, 4.1.1: AA speaks of the first owner in the answer
};

Rcode Answering::run() {
  const wire::LookupName* name = &query_.name;
  Rcode rcode = Rcode::noerror;
  std::array<std::uint64_t, chain_max + 1> seen;
  for (unsigned link = 0; link <= chain_max; ++link) {
    seen[link] = wire::hash_name(name->wire());
    if (step(*name, rcode) == Next::done) break;
    name = &scratch_.target;
    // A loop: its records are all there, and there is no more to say.
    if (std::find(&seen[0], &seen[link] + 1, wire::hash_name(name->wire())) != &seen[link] + 1) break;
  }
  return rcode;
}

// RFC 4035, 3.1.4.1: DS stands on the parent's side of a cut, and we may serve both sides.
const Zone* Answering::zone_of(const wire::LookupName& name) const {
  const Zone* zone = snapshot_.zones.find(name);
  const bool at_apex = zone != nullptr && zone->apex().label_count() == name.label_count();
  if (query_.type != RrType::ds || !at_apex || name.label_count() == 0) return zone;
  wire::LookupName parent;
  parent.assign(name.suffix(1));
  const Zone* above = snapshot_.zones.find(parent);
  return above != nullptr && above->exact(name) != nullptr ? above : zone;
}

Answering::Next Answering::step(const wire::LookupName& name, Rcode& rcode) {
  // The usual case: one hash, one probe. The loader lets no steered name stand below a zone cut, so it is
  // always ours.
  if (asks_address()) {
    if (const auto* entry = snapshot_.block->find(name.wire())) {
      if (!authority_settled_) reply_.set_authoritative();
      add_steered(name, *entry);
      return Next::done;
    }
  }
  const Zone* zone = zone_of(name);
  if (zone == nullptr) {
    // A chain that leaves our zones ends here, and the resolver goes on. A question for such a name is not
    // ours.
    if (!authority_settled_) rcode = Rcode::refused;
    return Next::done;
  }
  const Match match = zone->find(name, query_.type);
  if (!authority_settled_ && match.outcome != Outcome::delegation) reply_.set_authoritative();
  authority_settled_ = true;
  switch (match.outcome) {
    case Outcome::name:
      return at_name(*zone, *match.node, name);
    case Outcome::dname:
      return follow_dname(*zone, match, name, rcode);
    case Outcome::delegation:
      add_referral(*zone, match, name);
      return Next::done;
    case Outcome::no_name:
      rcode = Rcode::nxdomain;  // also at the end of a chain (RFC 6604, 2)
      add_negative(*zone, ~std::uint32_t{0});
      return Next::done;
  }
  return Next::done;
}

Answering::Next Answering::at_name(const Zone& zone, const Node& node, const wire::LookupName& name) {
  const zone::SteerId steer = zone.steer(node);
  if (steer != zone::not_steered &&
      asks_address()) {  // by way of a wildcard: other names were found in the block
    add_steered(name, *snapshot_.block->at<steer::NameEntry>(steer));
    return Next::done;
  }
  if (query_.type == RrType::any) {
    add_any(zone, node, name);
    return Next::done;
  }
  if (const Rrset rrset = zone.rrset(node, query_.type)) {
    add_answer(rrset);
    return Next::done;
  }
  if (const Rrset cname = zone.rrset(node, RrType::cname)) return follow_cname(cname);
  add_negative(zone, ~std::uint32_t{0});
  return Next::done;
}

Answering::Next Answering::follow_cname(const Rrset& cname) {
  if (!add_answer(cname)) return Next::done;
  owner_offset_ = reply_.last_rdata_offset();
  scratch_.target.assign(cname.first());
  return Next::follow;
}

// RFC 6672, 3.1: the DNAME itself, and a CNAME made of it with its TTL.
Answering::Next Answering::follow_dname(const Zone& zone, const Match& match, const wire::LookupName& name,
                                        Rcode& rcode) {
  const Rrset dname = zone.rrset(*match.node, RrType::dname);
  const wire::Bytes prefix = name.wire().first(name.suffix_offset(match.labels_before));
  const wire::Bytes owner = name.suffix(match.labels_before), target = dname.first();
  std::array<std::uint8_t, 2 * wire::name_size_max> made;
  auto* end = std::copy(prefix.begin(), prefix.end(), made.begin());
  end = std::copy(target.begin(), target.end(), end);
  const wire::Bytes cname(made.data(), static_cast<std::size_t>(end - made.data()));
  const bool too_long = cname.size() > wire::name_size_max;
  if (too_long) rcode = Rcode::yxdomain;  // RFC 6672, 2.2

  const auto mark = reply_.mark();
  reply_.section(Section::answer);
  if (first_use(match.node)) reply_.add(owner, RrType::dname, dname.ttl(), target);
  if (!too_long) reply_.add_at(owner_offset_, RrType::cname, dname.ttl(), cname);
  if (reply_.overflowed()) {
    reply_.rollback(mark);
    reply_.set_truncated();
    return Next::done;
  }
  if (too_long) return Next::done;
  owner_offset_ = reply_.last_rdata_offset();
  scratch_.target.assign(cname);
  return Next::follow;
}

// A chain may come by a DNAME more than once; its record stands in the answer once (RFC 2181, 5).
bool Answering::first_use(const Node* dname) {
  auto* end = dnames_.begin() + dname_count_;
  if (std::find(dnames_.begin(), end, dname) != end) return false;
  dnames_[dname_count_++] = dname;
  return true;
}

void Answering::add_steered(const wire::LookupName& name, const steer::NameEntry& entry) {
  const auto& block = *snapshot_.block;
  const auto& table = *block.at<steer::Table>(entry.table.load(std::memory_order_seq_cst));
  const Family family = query_.type == RrType::aaaa ? Family::v6 : Family::v4;
  const steer::Draw drawn = draw(table, family);
  steer::Choice choice = steer::choose(block, table, drawn, family);
  if (choice.answer == nullptr && query_.type == RrType::any)
    choice = steer::choose(block, table, drawn, Family::v6);  // ANY is content with either
  if (choice.answer == nullptr) {
    // The pool has no address of this family. For no longer than an address would be kept: it may get one.
    add_negative(*snapshot_.zones.find(name), choice.ttl);
    return;
  }
  const auto mark = reply_.mark();
  reply_.section(Section::answer);
  const auto* octets = reinterpret_cast<const std::uint8_t*>(choice.answer + 1);
  reply_.add_ready(owner_offset_, choice.ttl, {octets, choice.answer->length}, choice.answer->stride,
                   choice.answer->record_count);
  if (reply_.overflowed()) {
    reply_.rollback(mark);
    reply_.set_truncated();
    return;
  }
  scratch_.counters.add(Metric::replies_steered);
  scratch_.counters.add_answer(choice.counter);
}

steer::Draw Answering::draw(const steer::Table& table, Family family) {
  const bool has_subnet = query_.edns.has_subnet && query_.edns.subnet.source_prefix != 0;
  switch (table.method) {
    case config::Method::random: {
      const auto client =
          keyed_hash(snapshot_.sticky_key, client_.address.bytes()) ^ table.hash_salt * 0x9E3779B97F4A7C15;
      return snapshot_.pairs->pair(client, family, steer::Draw::from_bits(scratch_.random.next()));
    }
    case config::Method::sticky:
      break;
  }
  if (!has_subnet) return steer::sticky_draw(snapshot_.sticky_key, client_.address, table);
  // RFC 7871, 7.2.1: the scope says for which addresses this answer holds.
  const auto& subnet = query_.edns.subnet;
  const auto own = subnet.address.family == Family::v4 ? table.subnet_v4 : table.subnet_v6;
  edns_.scope_prefix = std::min(subnet.source_prefix, own);
  return steer::sticky_draw(snapshot_.sticky_key, masked(subnet.address, edns_.scope_prefix), table);
}

// RFC 8482, 4.1: one RRset is answer enough for ANY.
void Answering::add_any(const Zone& zone, const Node& node, const wire::LookupName& name) {
  if (const Rrset rrset = zone.any_rrset(node)) {
    add_answer(rrset);
  } else if (const auto steer = zone.steer(node); steer != zone::not_steered) {
    add_steered(name, *snapshot_.block->at<steer::NameEntry>(steer));
  } else {
    add_negative(zone, ~std::uint32_t{0});
  }
}

// RFC 1034, 4.3.2, 3b: the cut's NS, and what addresses of theirs we know.
void Answering::add_referral(const Zone& zone, const Match& match, const wire::LookupName& name) {
  const Rrset ns = zone.rrset(*match.node, RrType::ns);
  const auto mark = reply_.mark();
  reply_.section(Section::authority);
  for (const wire::Bytes rdata : ns) {
    reply_.add(name.suffix(match.labels_before), RrType::ns, ns.ttl(), rdata);
    if (reply_.overflowed()) break;
  }
  if (reply_.overflowed()) {
    reply_.rollback(mark);
    reply_.set_truncated();
    return;
  }
  add_glue(zone, ns);
}

void Answering::add_glue(const Zone& zone, const Rrset& ns) {
  reply_.section(Section::additional);
  for (const wire::Bytes target : ns) {
    // A chain may have brought us here by way of scratch_.target; its name is in the reply by now.
    scratch_.target.assign(target);
    if (snapshot_.zones.find(scratch_.target) != &zone) continue;
    const Node* node = zone.exact(scratch_.target);
    if (node == nullptr) continue;
    for (const RrType type : {RrType::a, RrType::aaaa}) {
      const Rrset addresses = zone.rrset(*node, type);
      const auto mark = reply_.mark();
      for (const wire::Bytes rdata : addresses) reply_.add(target, type, addresses.ttl(), rdata);
      if (!reply_.overflowed()) continue;
      reply_.rollback(mark);
      // RFC 9471, 3: glue below the cut is not optional; without it the referral leads nowhere.
      if (zone.occluded(*node)) reply_.set_truncated();
    }
  }
}

// RFC 2308, 3: the SOA says how long the absence may be remembered.
void Answering::add_negative(const Zone& zone, std::uint32_t ttl_max) {
  const auto mark = reply_.mark();
  reply_.section(Section::authority);
  reply_.add(zone.apex().wire(), RrType::soa, std::min(zone.negative_ttl(), ttl_max), zone.soa().first());
  if (!reply_.overflowed()) return;
  reply_.rollback(mark);
  reply_.set_truncated();
}

bool Answering::add_answer(const Rrset& rrset) {
  const auto mark = reply_.mark();
  reply_.section(Section::answer);
  for (const wire::Bytes rdata : rrset) {
    reply_.add_at(owner_offset_, rrset.type(), rrset.ttl(), rdata);
    if (reply_.overflowed()) break;  // thousands may follow
  }
  if (!reply_.overflowed()) return true;
  // RFC 2181, 9: an RRset that does not fit is left out whole, and TC says that TCP has it.
  reply_.rollback(mark);
  reply_.set_truncated();
  return false;
}

// What is decided before anything is looked up.
enum class Preanswer : std::uint8_t { look_up, reply };

Preanswer preanswer(const wire::Query& query, wire::ParseResult parsed, Rcode& rcode) {
  rcode = Rcode::noerror;
  if (parsed == wire::ParseResult::malformed) {
    rcode = query.opcode() == wire::Opcode::query ? Rcode::formerr : Rcode::notimp;
  } else if (query.opcode() != wire::Opcode::query) {
    rcode = Rcode::notimp;
  } else if (query.edns.present && query.edns.version != 0) {
    rcode = Rcode::badvers;  // RFC 6891, 6.1.3
  } else if (query.type == RrType::axfr || query.type == RrType::ixfr ||
             query.rr_class != wire::RrClass::in) {
    rcode = Rcode::refused;  // transfers are not served; other classes have no zones here
  } else if (query.type == RrType::opt || query.type == RrType::tsig) {
    rcode = Rcode::formerr;  // never a question: they belong to messages, not to names
  } else if (query.type == RrType::maila || query.type == RrType::mailb) {
    rcode = Rcode::notimp;  // RFC 1035, 3.2.3: obsolete
  }
  return rcode == Rcode::noerror ? Preanswer::look_up : Preanswer::reply;
}

Metric metric_of(Rcode rcode) {
  switch (rcode) {
    case Rcode::noerror:
      return Metric::replies_noerror;
    case Rcode::formerr:
      return Metric::replies_formerr;
    case Rcode::nxdomain:
      return Metric::replies_nxdomain;
    case Rcode::notimp:
      return Metric::replies_notimp;
    case Rcode::refused:
      return Metric::replies_refused;
    case Rcode::servfail:
    case Rcode::yxdomain:
    case Rcode::notauth:
    case Rcode::badvers:
      break;
  }
  return Metric::replies_other;
}

std::size_t size_limit(const wire::Query& query, Transport transport) {
  switch (transport) {
    case Transport::tcp:
    case Transport::tls:
      return wire::message_size_max;
    case Transport::udp:
      break;
  }
  return std::min<std::size_t>(query.edns.udp_size, wire::udp_size_max);
}

}  // namespace

std::size_t answer(const Snapshot& snapshot, Scratch& scratch, const Client& client, wire::Bytes message,
                   std::span<std::uint8_t> buffer) noexcept {
  wire::Query& query = scratch.query;
  const wire::ParseResult parsed = query.parse(message);
  if (parsed == wire::ParseResult::not_answerable) {
    scratch.counters.add(Metric::dropped);
    return 0;
  }
  wire::ReplyEdns edns{.present = query.edns.present,
                       .dnssec_ok = query.edns.dnssec_ok,
                       .has_subnet = query.edns.has_subnet && parsed == wire::ParseResult::query,
                       .subnet = query.edns.subnet,
                       .scope_prefix = 0};
  wire::ReplyWriter reply(buffer, size_limit(query, client.transport));
  reply.begin(query, message, edns);
  Rcode rcode{};
  if (preanswer(query, parsed, rcode) == Preanswer::look_up)
    rcode = Answering(snapshot, scratch, client, reply, edns).run();
  scratch.counters.add(metric_of(rcode));
  if (reply.truncated()) scratch.counters.add(Metric::replies_truncated);
  return reply.finish(rcode, edns);
}

}  // namespace sluice::answer
