#include "answer/answer.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "answer/transfer.hpp"
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
  Next add_steered(const wire::LookupName& name, const steer::NameEntry& entry);
  Next follow_host(const steer::Answer& answer);
  void add_any(const Zone& zone, const Node& node, const wire::LookupName& name);
  const steer::Table& table_of(const steer::NameEntry& entry) const;
  void add_referral(const Zone& zone, const Match& match, const wire::LookupName& name);
  void add_glue(const Zone& zone, const Node& cut, const Rrset& ns);
  void add_negative(const Zone& zone, std::uint32_t ttl_max);
  bool add_answer(const Rrset& rrset);
  void add_target_addresses(const Zone& zone, const Rrset& rrset, const wire::LookupName& owner);
  bool add_addresses(const Zone& zone, wire::Bytes name, bool glue_allowed);
  bool add_services(const Zone& zone, wire::Bytes name, RrType type, const wire::LookupName& owner);
  bool add_steered_addresses(const steer::NameEntry& entry, wire::Bytes name);
  bool add_optional(wire::Bytes owner, const Rrset& rrset);
  bool first_use(const Node* dname);
  bool has_subnet() const { return query_.edns.has_subnet && query_.edns.subnet.source_prefix != 0; }
  steer::Route route(const steer::Table& table);
  steer::Draw draw(const steer::Table& table);
  steer::Question question() const;
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
  bool is_steered_ = false;         // a record of a steer is in the reply
};

Rcode Answering::run() {
  const wire::LookupName* name = &query_.name;
  Rcode rcode = Rcode::noerror;
  std::array<std::uint64_t, chain_max + 2> seen;  // of the names of a chain; most queries have none
  for (unsigned link = 0; link <= chain_max; ++link) {
    if (step(*name, rcode) == Next::done) break;
    if (link == 0) seen[0] = wire::hash_name(query_.name.wire());
    name = &scratch_.target;
    auto* next = &seen[link + 1];
    *next = wire::hash_name(name->wire());
    // A loop (RFC 1034, 3.6.2): its records are all there, and there is no more to say.
    if (std::find(seen.data(), next, *next) != next) break;
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
      authority_settled_ = true;
      return add_steered(name, *entry);
    }
  }
  const Zone* zone = zone_of(name);
  if (zone == nullptr) {
    // RFC 1034, 4.3.2, 3c: a chain that leaves our zones ends here, and the resolver goes on. A question for
    // such a name is not ours.
    if (!authority_settled_) {
      rcode = Rcode::refused;
      edns_.error = {wire::ErrorInfo::not_authoritative, ""};
    }
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
      rcode = Rcode::nxdomain;  // RFC 2308, 2.1; also at the end of a chain (RFC 6604, 2)
      add_negative(*zone, ~std::uint32_t{0});
      return Next::done;
  }
  return Next::done;
}

Answering::Next Answering::at_name(const Zone& zone, const Node& node, const wire::LookupName& name) {
  if (const zone::SteerId steer = zone.steer(node); steer != zone::not_steered) {
    // Addresses are asked for by way of a wildcard here (RFC 4592, 3.3.2): other names were found in the
    // block. Whatever is asked of a name that leads to hosts, its CNAME is the answer (RFC 1034, 3.6.2).
    const auto& entry = *snapshot_.block->at<steer::NameEntry>(steer);
    if (asks_address() || table_of(entry).to_hosts()) return add_steered(name, entry);
  }
  if (query_.type == RrType::any) {
    add_any(zone, node, name);
    return Next::done;
  }
  if (const Rrset rrset = zone.rrset(node, query_.type)) {
    if (add_answer(rrset)) add_target_addresses(zone, rrset, name);
    return Next::done;
  }
  if (const Rrset cname = zone.rrset(node, RrType::cname)) return follow_cname(cname);
  add_negative(zone, ~std::uint32_t{0});  // NODATA: the name is there, the type is not (RFC 2308, 2.2)
  return Next::done;
}

// RFC 1034, 4.3.2, 3a: the CNAME is in the answer, and its target is looked up as if it had been asked for.
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
  // RFC 1034, 4.3.2, 3a: a CNAME is not followed for who asks for CNAME. RFC 6672, 3.2 does not say so of the
  // one that was made, but other servers make no difference.
  if (query_.type == RrType::cname) return Next::done;
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

const steer::Table& Answering::table_of(const steer::NameEntry& entry) const {
  return *snapshot_.block->at<steer::Table>(entry.table.load(std::memory_order_seq_cst));
}

Answering::Next Answering::add_steered(const wire::LookupName& name, const steer::NameEntry& entry) {
  const auto& block = *snapshot_.block;
  const auto& table = table_of(entry);
  const Family family = query_.type == RrType::aaaa ? Family::v6 : Family::v4;
  const steer::Route led = route(table);
  const steer::Draw drawn = draw(table);
  steer::Choice choice = steer::choose(block, table, drawn, family, led);
  if (choice.answer == nullptr && query_.type == RrType::any)
    choice = steer::choose(block, table, drawn, Family::v6, led);  // ANY is content with either
  if (choice.answer == nullptr) {
    // The pool has no address of this family. For no longer than an address would be kept: it may get one.
    add_negative(*snapshot_.zones.find(name), choice.ttl);
    // The pool's all the same: what each has of a name's answers is its share, whatever families it has.
    if (choice.counter != steer::no_counter)
      scratch_.counters.add_answer(choice.counter, scratch_.now.steady_us);
    return Next::done;
  }
  const auto mark = reply_.mark();
  reply_.section(Section::answer);
  const auto* octets = reinterpret_cast<const std::uint8_t*>(choice.answer + 1);
  reply_.add_ready(owner_offset_, choice.ttl, {octets, choice.answer->length}, choice.answer->stride,
                   choice.answer->record_count);
  if (reply_.overflowed()) {
    reply_.rollback(mark);
    reply_.set_truncated();
    return Next::done;
  }
  if (!is_steered_) scratch_.counters.add(Metric::replies_steered);
  is_steered_ = true;
  scratch_.counters.add_answer(choice.counter, scratch_.now.steady_us);
  if (choice.last_resort)
    edns_.error = {wire::ErrorInfo::other, "no endpoint is up: answered as if all were"};
  return (choice.answer->flags & steer::answer_is_cname) == 0 ? Next::done : follow_host(*choice.answer);
}

// RFC 1034, 3.6.2: the CNAME itself is what a query for CNAME asks for; and one RRset is answer enough for
// ANY.
Answering::Next Answering::follow_host(const steer::Answer& answer) {
  if (query_.type == RrType::cname || query_.type == RrType::any) return Next::done;
  owner_offset_ = reply_.last_rdata_offset();
  const auto* target = reinterpret_cast<const std::uint8_t*>(&answer + 1) + steer::record_fixed_size;
  scratch_.target.assign({target, answer.stride - steer::record_fixed_size});
  return Next::follow;
}

steer::Question Answering::question() const {
  if (query_.type == RrType::a) return steer::Question::a;
  if (query_.type == RrType::aaaa) return steer::Question::aaaa;
  return query_.type == RrType::https ? steer::Question::https : steer::Question::other;
}

// Where the client's class is led to. RFC 7871, 7.2.1: the scope says for which addresses the same holds,
// also when that is that they are of no class; and it may say that more bits are needed to tell.
steer::Route Answering::route(const steer::Table& table) {
  if (table.prefixes == 0) return steer::no_route;
  const auto& block = *snapshot_.block;
  if (!has_subnet())
    return steer::route_of(block, table, client_.address, static_cast<unsigned>(client_.address.size()) * 8)
        .target;
  const auto& subnet = query_.edns.subnet;
  const auto found = steer::route_of(block, table, subnet.address, subnet.source_prefix);
  edns_.scope_prefix = std::max(edns_.scope_prefix, found.scope);
  return found.target;
}

steer::Draw Answering::draw(const steer::Table& table) {
  switch (table.method) {
    case config::Method::random: {
      const auto fresh = steer::Draw::from_bits(scratch_.random.next());
      if (!table.in_pairs()) return fresh;
      const auto client =
          keyed_hash(snapshot_.sticky_key, client_.address.bytes()) ^ table.hash_salt * 0x9E3779B97F4A7C15;
      const auto drawn = snapshot_.pairs->pair(client, question(), fresh);
      return table.to_hosts() ? steer::with_common_spot(drawn) : drawn;
    }
    case config::Method::sticky:
      break;
  }
  if (!has_subnet()) return steer::sticky_draw(snapshot_.sticky_key, client_.address, table);
  // RFC 7871, 7.2.1: the scope says for which addresses this answer holds.
  const auto& subnet = query_.edns.subnet;
  const auto own = subnet.address.family == Family::v4 ? table.subnet_v4 : table.subnet_v6;
  const auto prefix = std::min(subnet.source_prefix, own);
  edns_.scope_prefix = std::max(edns_.scope_prefix, prefix);  // a chain may have led by another such name
  return steer::sticky_draw(snapshot_.sticky_key, masked(subnet.address, prefix), table);
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
  add_glue(zone, *match.node, ns);
}

// Whose glue comes first: that of servers below the cut itself.
enum class Glue : std::uint8_t { in_domain, other };

void Answering::add_glue(const Zone& zone, const Node& cut, const Rrset& ns) {
  reply_.section(Section::additional);
  for (const Glue glue : {Glue::in_domain, Glue::other}) {
    for (const wire::Bytes target : ns) {
      // A chain may have brought us here by way of scratch_.target; its name is in the reply by now.
      scratch_.target.assign(target);
      const Node* node = zone.exact(scratch_.target);
      const bool in_domain = node != nullptr && zone.cut_above(*node) == &cut;
      if (in_domain != (glue == Glue::in_domain)) continue;
      if (node == nullptr || zone.cut_above(*node) == nullptr) {
        // Data of ours, by way of a wildcard or steered, too: the resolver could ask for it.
        add_addresses(zone, target, false);
        continue;
      }
      const bool is_whole = add_optional(target, zone.rrset(*node, RrType::a)) &
                            add_optional(target, zone.rrset(*node, RrType::aaaa));
      // RFC 9471, 3.1: glue below the cut is not optional; without it the referral leads nowhere. That below
      // other cuts is (3.2).
      if (in_domain && !is_whole) reply_.set_truncated();
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
  reply_.add_rrset_at(owner_offset_, rrset.type(), rrset.ttl(), rrset.rdatas(), rrset.count());
  if (!reply_.overflowed()) return true;
  // RFC 2181, 9: an RRset that does not fit is left out whole, and TC says that TCP has it.
  reply_.rollback(mark);
  reply_.set_truncated();
  return false;
}

// Where in the rdata the name stands whose addresses are worth adding; none for other types.
std::optional<std::size_t> target_offset(RrType type) {
  if (type == RrType::ns) return 0;
  if (type == RrType::mx) return 2;                             // RFC 1035, 3.3.9
  if (type == RrType::srv) return 6;                            // RFC 2782
  if (type == RrType::svcb || type == RrType::https) return 2;  // RFC 9460, 4.1
  return {};
}

wire::Bytes first_name(wire::Bytes octets) {
  std::size_t size = 0;
  while (octets[size] != 0) size += 1U + octets[size];
  return octets.first(size + 1);
}

// RFC 4343, 3: without regard to the case of letters.
bool is_same_name(wire::Bytes a, wire::Bytes b) {
  return std::ranges::equal(a, b, {}, wire::lower, wire::lower);
}

// RFC 1034, 4.3.2, 6: what the client is likely to ask next. Nothing of it is missed when it does not fit.
void Answering::add_target_addresses(const Zone& zone, const Rrset& rrset, const wire::LookupName& owner) {
  const auto offset = target_offset(rrset.type());
  if (!offset) return;
  reply_.section(Section::additional);
  const bool is_service = rrset.type() == RrType::svcb || rrset.type() == RrType::https;
  std::array<wire::Bytes, additional_targets_max> targets;
  std::size_t count = 0;
  for (const wire::Bytes rdata : rrset) {
    if (count == targets.size()) return;
    wire::Bytes target = first_name(rdata.subspan(*offset));
    if (is_service && target[0] == 0) {
      // RFC 9460, 2.5: "." is the owner itself in ServiceMode, and nothing in AliasMode (priority 0).
      if (rdata[0] == 0 && rdata[1] == 0) continue;
      target = owner.wire();
    }
    // RFC 2181, 5: no record stands twice in a reply, though two may lead to the same name.
    const auto same = [&](wire::Bytes other) { return is_same_name(other, target); };
    if (std::any_of(targets.begin(), targets.begin() + count, same)) continue;
    targets[count++] = target;
    if (!add_addresses(zone, target, rrset.type() == RrType::ns)) return;
    if (is_service && !add_services(zone, target, rrset.type(), owner)) return;
  }
}

// RFC 9460, 4.1: the target's own SVCB or HTTPS records, which a client asks for when it is in AliasMode.
bool Answering::add_services(const Zone& zone, wire::Bytes name, RrType type, const wire::LookupName& owner) {
  auto& target = scratch_.additional;
  name = name.first(target.assign(name));
  if (snapshot_.zones.find(target) != &zone || std::ranges::equal(target.wire(), owner.wire())) return true;
  const Match match = zone.find(target, type);
  return match.outcome != Outcome::name || add_optional(name, zone.rrset(*match.node, type));
}

// The addresses of a name of this zone, chosen when it is steered. `name` begins with it, and may go on.
// False when there is no more room.
bool Answering::add_addresses(const Zone& zone, wire::Bytes name, bool glue_allowed) {
  auto& target = scratch_.additional;
  name = name.first(target.assign(name));
  if (snapshot_.zones.find(target) != &zone) return true;
  if (const auto* entry = snapshot_.block->find(target.wire())) return add_steered_addresses(*entry, name);
  const Match match = zone.find(target, RrType::a);
  const Node* node = match.outcome == Outcome::name ? match.node : nullptr;
  if (match.outcome == Outcome::delegation && glue_allowed) node = zone.exact(target);
  if (node == nullptr) return true;
  if (const auto steer = zone.steer(*node); steer != zone::not_steered)
    return add_steered_addresses(*snapshot_.block->at<steer::NameEntry>(steer), name);
  return add_optional(name, zone.rrset(*node, RrType::a)) &&
         add_optional(name, zone.rrset(*node, RrType::aaaa));
}

bool Answering::add_steered_addresses(const steer::NameEntry& entry, wire::Bytes name) {
  const auto& block = *snapshot_.block;
  const auto& table = table_of(entry);
  if (table.to_hosts()) return true;  // RFC 2181, 10.3: not to be the target; what it leads to is elsewhere
  // One draw, so that both families come from one pool.
  const steer::Route led = route(table);
  const steer::Draw drawn =
      table.method == config::Method::random ? steer::Draw::from_bits(scratch_.random.next()) : draw(table);
  for (const Family family : {Family::v4, Family::v6}) {
    const auto choice = steer::choose(block, table, drawn, family, led);
    if (choice.answer == nullptr) continue;
    const wire::Bytes records(reinterpret_cast<const std::uint8_t*>(choice.answer + 1),
                              choice.answer->length);
    const std::size_t stride = choice.answer->stride;
    const auto type = family == Family::v4 ? RrType::a : RrType::aaaa;
    const auto mark = reply_.mark();
    for (std::size_t at = 0; at < records.size(); at += stride)
      reply_.add(name, type, choice.ttl,
                 records.subspan(at + steer::record_fixed_size, stride - steer::record_fixed_size));
    if (reply_.overflowed()) return reply_.rollback(mark), false;
    scratch_.counters.add_answer(choice.counter, scratch_.now.steady_us);
  }
  return true;
}

// An RRset that nobody misses when it is not there.
bool Answering::add_optional(wire::Bytes owner, const Rrset& rrset) {
  const auto mark = reply_.mark();
  for (const wire::Bytes rdata : rrset) reply_.add(owner, rrset.type(), rrset.ttl(), rdata);
  if (!reply_.overflowed()) return true;
  reply_.rollback(mark);
  return false;
}

// The names below which servers tell about themselves (RFC 4892, and BIND's custom), in wire form.
constexpr std::string_view identity_names[] = {std::string_view("\2id\6server", 11),
                                               std::string_view("\10hostname\4bind", 15)},
                           version_names[] = {std::string_view("\7version\6server", 16),
                                              std::string_view("\7version\4bind", 14)};

// Class CH: TXT of what the operator lets us tell.
Rcode answer_chaos(const Policy& policy, const wire::Query& query, wire::ReplyWriter& reply) {
  const auto octets = query.name.wire();
  const std::string_view name(reinterpret_cast<const char*>(octets.data()), octets.size());
  const auto is_one_of = [&](std::span<const std::string_view> names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  const auto* text = is_one_of(identity_names)  ? &policy.identity
                     : is_one_of(version_names) ? &policy.version
                                                : nullptr;
  if (text == nullptr || text->empty()) return Rcode::refused;
  reply.set_authoritative();
  if (query.type != RrType::txt && query.type != RrType::any) return Rcode::noerror;
  reply.set_class(wire::RrClass::ch);
  reply.section(Section::answer);
  const auto mark = reply.mark();
  reply.add_at(wire::header_size, RrType::txt, 0, *text);
  if (reply.overflowed()) reply.rollback(mark), reply.set_truncated();
  return Rcode::noerror;
}

// What is decided before anything is looked up.
enum class Preanswer : std::uint8_t { look_up, chaos, transfer, reply };

Preanswer preanswer(const wire::Query& query, wire::ParseResult parsed, Rcode& rcode) {
  rcode = Rcode::noerror;
  if (parsed == wire::ParseResult::malformed) {
    rcode = query.opcode() == wire::Opcode::query ? Rcode::formerr : Rcode::notimp;
  } else if (query.opcode() != wire::Opcode::query) {
    rcode = Rcode::notimp;
  } else if (query.edns.present && query.edns.version != 0) {
    rcode = Rcode::badvers;  // RFC 6891, 6.1.3
  } else if (parsed == wire::ParseResult::cookie_request) {
    return Preanswer::reply;  // RFC 7873, 5.4: NOERROR with the cookie, and nothing else
  } else if (query.rr_class == wire::RrClass::ch) {
    return Preanswer::chaos;
  } else if (query.rr_class != wire::RrClass::in) {
    rcode = Rcode::refused;  // RFC 1035, 4.1.1: other classes have no zones here
  } else if (query.type == RrType::axfr || query.type == RrType::ixfr) {
    return Preanswer::transfer;
  } else if (query.type == RrType::opt || query.type == RrType::tsig) {
    rcode = Rcode::formerr;  // RFC 6895, 3.1: never a question, they belong to messages and not to names
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
    case Rcode::badcookie:
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

// RFC 8914: for the operator who wonders.
std::optional<wire::ExtendedError> reason_of(Rcode rcode, const wire::Query& query) {
  if (rcode == Rcode::notimp) return wire::ExtendedError{wire::ErrorInfo::not_supported, ""};
  const bool transfer = query.type == RrType::axfr || query.type == RrType::ixfr;
  if (rcode == Rcode::refused && transfer) return wire::ExtendedError{wire::ErrorInfo::prohibited, ""};
  return {};
}

// What the client's standing gives it.
enum class Admission : std::uint8_t { answer, truncated, bad_cookie, drop };

// Whether a message is a query that could be answered. What is not gets its error whatever the client's
// standing is: the error is as small as a demand to come back, which would promise that it was understood.
bool is_answerable(const wire::Query& query, wire::ParseResult parsed) {
  return parsed == wire::ParseResult::query && query.opcode() == wire::Opcode::query &&
         query.edns.version == 0;
}

// Over UDP anybody can ask in anybody's name; a valid cookie shows that the client is who it says.
Admission admit(const Policy& policy, Scratch& scratch, const Client& client, CookieVerdict cookie,
                wire::ParseResult parsed) {
  if (parsed == wire::ParseResult::not_answerable) return Admission::drop;
  if (client.transport != Transport::udp) return Admission::answer;
  if (cookie == CookieVerdict::valid || cookie == CookieVerdict::stale) return Admission::answer;
  const bool answerable = is_answerable(scratch.query, parsed);
  if (policy.rate_limiter) {
    switch (policy.rate_limiter->account(client.address, scratch.now.steady_us, scratch.random.next())) {
      case RateLimiter::Verdict::answer:
        break;
      case RateLimiter::Verdict::slip:
        scratch.counters.add(Metric::rate_limited_slipped);
        return answerable ? Admission::truncated : Admission::answer;
      case RateLimiter::Verdict::drop:
        scratch.counters.add(Metric::rate_limited_dropped);
        return Admission::drop;
    }
  }
  if (!policy.cookies.required || !answerable) return Admission::answer;
  scratch.counters.add(Metric::cookies_demanded);
  // RFC 7873, 5.2.3 and 5.2.4: a client that knows no cookies can still come over TCP.
  return cookie == CookieVerdict::absent ? Admission::truncated : Admission::bad_cookie;
}

// RFC 9018, 4.3: a cookie's time is modulo 2^32.
std::uint32_t low_seconds(const Moment& now) { return static_cast<std::uint32_t>(now.unix_seconds); }

constexpr std::uint16_t padding_block = 468;  // RFC 8467, 4.1

void set_cookie(const Policy& policy, const Scratch& scratch, const Client& client, CookieVerdict verdict,
                wire::ReplyEdns& edns) {
  const auto sent = scratch.query.edns.cookie;
  edns.has_cookie = true;
  if (verdict == CookieVerdict::valid)
    std::copy(sent.begin(), sent.end(), edns.cookie.begin());
  else
    edns.cookie = make_cookie(policy.cookies.secrets.front(), sent, client.address, low_seconds(scratch.now));
}

// What a reply may need besides question, TSIG and NSID: OPT with cookie, subnet and keepalive. The question
// has to be there, because all owner names begin as a pointer to it.
constexpr std::size_t beside_question_max = 80;

// `room` is what is left behind the question.
wire::ReplyEdns reply_edns(const Policy& policy, const wire::Query& query, wire::ParseResult parsed,
                           const Client& client, std::size_t room) {
  wire::ReplyEdns edns;
  edns.present = query.edns.present;
  if (!edns.present) return edns;
  edns.dnssec_ok = query.edns.dnssec_ok;
  edns.has_subnet = query.edns.has_subnet && parsed == wire::ParseResult::query;
  edns.subnet = query.edns.subnet;
  const bool nsid_fits = policy.identity.size() + beside_question_max <= room;
  if (query.edns.wants_nsid && !policy.identity.empty() && nsid_fits)
    edns.nsid = wire::Bytes(policy.identity).subspan(1);
  switch (client.transport) {
    case Transport::tls:
      if (query.edns.has_padding) edns.padding_block = padding_block;  // RFC 7830, 4
      [[fallthrough]];
    case Transport::tcp:
      if (query.edns.has_keepalive) edns.idle_timeout = client.idle_timeout;
      break;
    case Transport::udp:
      break;  // RFC 7828, 3.2.1: an option of connections is passed over
  }
  return edns;
}

// A transfer that may be is left to the caller; here are the replies of one message.
Rcode answer_transfer(const Snapshot& snapshot, Scratch& scratch, const Client& client, wire::Bytes message,
                      wire::ReplyWriter& reply) {
  const TransferDecision decision = decide_transfer(snapshot, scratch, client, message);
  if (decision.rcode != Rcode::noerror) return decision.rcode;
  if (decision.whole) {
    scratch.transfer = decision.zone;
    return Rcode::noerror;
  }
  const Rrset& soa = decision.zone->soa();
  const auto mark = reply.mark();
  reply.set_authoritative();
  reply.section(Section::answer);
  reply.add_at(wire::header_size, RrType::soa, soa.ttl(), soa.first());
  if (reply.overflowed()) reply.rollback(mark), reply.set_truncated();
  return Rcode::noerror;
}

// RFC 8945, 5.2: a signed query is verified before it is answered. One whose record cannot be read counts as
// malformed. `limit` is of the reply.
tsig::Verdict verify(const Snapshot& snapshot, Scratch& scratch, wire::Bytes message, std::size_t limit,
                     wire::ParseResult& parsed) {
  const std::size_t at = scratch.query.tsig_at;
  scratch.is_signed = at != 0 && parsed != wire::ParseResult::malformed;
  if (!scratch.is_signed) return tsig::Verdict::valid;
  const auto verdict = scratch.tsig.verify(snapshot.keys, message, at, scratch.now.unix_seconds);
  if (verdict == tsig::Verdict::malformed) parsed = wire::ParseResult::malformed;
  if (verdict != tsig::Verdict::valid) scratch.counters.add(Metric::tsig_failures);
  // With the longest of names the record can be too long for a datagram.
  const std::size_t unsigned_size_min = scratch.query.question_end + beside_question_max;
  scratch.is_signed =
      verdict != tsig::Verdict::malformed && scratch.tsig.record_size() + unsigned_size_min <= limit;
  return verdict;
}

// The sections; returns the response code.
Rcode fill(const Snapshot& snapshot, Scratch& scratch, const Client& client, wire::Bytes message,
           wire::ParseResult parsed, wire::ReplyWriter& reply, wire::ReplyEdns& edns) {
  Rcode rcode{};
  switch (preanswer(scratch.query, parsed, rcode)) {
    case Preanswer::look_up:
      return Answering(snapshot, scratch, client, reply, edns).run();
    case Preanswer::chaos:
      return answer_chaos(snapshot.policy, scratch.query, reply);
    case Preanswer::transfer:
      rcode = answer_transfer(snapshot, scratch, client, message, reply);
      break;
    case Preanswer::reply:
      break;
  }
  edns.error = reason_of(rcode, scratch.query);
  return rcode;
}

}  // namespace

std::vector<std::uint8_t> character_string(std::string_view text) {
  if (text.empty()) return {};
  std::vector<std::uint8_t> octets(1 + text.size(), static_cast<std::uint8_t>(text.size()));
  std::copy(text.begin(), text.end(), octets.begin() + 1);
  return octets;
}

std::size_t answer(const Snapshot& snapshot, Scratch& scratch, const Client& client, wire::Bytes message,
                   std::span<std::uint8_t> buffer) noexcept {
  wire::Query& query = scratch.query;
  const Policy& policy = snapshot.policy;
  wire::ParseResult parsed = query.parse(message);
  scratch.transfer = nullptr;
  CookieVerdict cookie = CookieVerdict::absent;
  if (!query.edns.cookie.empty() && !policy.cookies.secrets.empty())
    cookie = judge_cookie(policy.cookies, query.edns.cookie, client.address, low_seconds(scratch.now));
  const Admission admission = admit(policy, scratch, client, cookie, parsed);
  if (admission == Admission::drop) {
    scratch.counters.add(Metric::dropped);
    return 0;
  }
  const std::size_t limit = std::min(size_limit(query, client.transport), buffer.size());
  // Who is sent back is not worth the work that a signature makes.
  scratch.is_signed = false;
  auto verdict = tsig::Verdict::valid;
  if (admission == Admission::answer) verdict = verify(snapshot, scratch, message, limit, parsed);
  const std::size_t unsigned_limit = limit - (scratch.is_signed ? scratch.tsig.record_size() : 0);
  wire::ReplyEdns edns = reply_edns(policy, query, parsed, client, unsigned_limit - query.question_end);
  if (cookie != CookieVerdict::absent) set_cookie(policy, scratch, client, cookie, edns);
  wire::ReplyWriter reply(buffer, unsigned_limit);
  reply.begin(query, message, edns);
  Rcode rcode = Rcode::noerror;
  if (verdict == tsig::Verdict::failed)
    rcode = Rcode::notauth;  // RFC 8945, 5.2
  else if (admission == Admission::answer)
    rcode = fill(snapshot, scratch, client, message, parsed, reply, edns);
  else if (admission == Admission::truncated)
    reply.set_truncated();
  else
    rcode = Rcode::badcookie;
  if (scratch.transfer != nullptr) return 0;
  scratch.counters.add(metric_of(rcode));
  if (reply.truncated()) scratch.counters.add(Metric::replies_truncated);
  const std::size_t size = reply.finish(rcode, edns);
  return scratch.is_signed ? scratch.tsig.sign(buffer.first(limit), size, scratch.now.unix_seconds) : size;
}

}  // namespace sluice::answer
