// Lookup in a compiled zone: RFC 1034, 4.3.2 as RFC 4592 (wildcards) and RFC 6672 (DNAME) have refined it.
#include "zone/zone.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "zone/layout.hpp"

namespace sluice::zone {

const Node* Zone::Data::look_up(wire::Bytes name) const {
  const auto hash = wire::hash_name(name);
  const auto* slots = reinterpret_cast<const Slot*>(block.data());
  // The table is never full, so a free slot ends the walk.
  for (auto i = home_slot(hash, slot_count);; i = i + 1 == slot_count ? 0 : i + 1) {
    if (slots[i].node == nowhere) return nullptr;
    if (slots[i].tag != hash_tag(hash)) continue;
    const Node* candidate = node(slots[i].node);
    if (candidate->name_size == name.size() && std::memcmp(candidate->name(), name.data(), name.size()) == 0)
      return candidate;
  }
}

Rrset Zone::Data::rrset(const RrsetEntry& entry) const {
  return {wire::RrType{entry.type}, entry.ttl, entry.count, block.data() + entry.data};
}

namespace {

std::span<const RrsetEntry> entries(const Node& node) {
  const auto* first = reinterpret_cast<const RrsetEntry*>(node.name() + padded(node.name_size));
  return {first, node.rrset_count};
}

bool is_cut(const Node& node) { return (node.flags & Node::is_cut) != 0; }

}  // namespace

Zone::Zone(std::unique_ptr<Data> data) : data_(std::move(data)) {}
Zone::~Zone() = default;

const wire::Name& Zone::apex() const { return data_->apex_name; }
std::size_t Zone::name_count() const { return data_->name_count; }
std::size_t Zone::record_count() const { return data_->record_count; }
std::size_t Zone::memory_size() const { return data_->block.capacity(); }
std::uint32_t Zone::serial() const { return data_->serial; }
const Rrset& Zone::soa() const { return data_->soa; }
const Rrset& Zone::apex_ns() const { return data_->apex_ns; }
std::uint32_t Zone::negative_ttl() const { return data_->negative_ttl; }
SteerId Zone::steer(const Node& node) const { return node.steer; }

const Node* Zone::exact(const wire::LookupName& name) const { return data_->look_up(name.wire()); }

const Node* Zone::cut_above(const Node& node) const {
  const Node* cover = data_->node(node.cover);
  return cover != nullptr && is_cut(*cover) ? cover : nullptr;
}

Rrset Zone::rrset(const Node& node, wire::RrType type) const {
  for (const auto& entry : entries(node))
    if (entry.type == static_cast<std::uint16_t>(type)) return data_->rrset(entry);
  return {};
}

Rrset Zone::any_rrset(const Node& node) const {
  return node.rrset_count == 0 ? Rrset{} : data_->rrset(entries(node).front());
}

const Node* Zone::first() const { return data_->node(data_->first_node()); }

// A node ends where the rdata of its last RRset ends, and the next one stands behind it.
const Node* Zone::next(const Node& node) const {
  const std::uint8_t* end = node.name() + padded(node.name_size);
  if (node.rrset_count != 0)
    for (const wire::Bytes rdata : data_->rrset(entries(node).back())) end = rdata.data() + rdata.size();
  const std::size_t at = padded(static_cast<std::size_t>(end - data_->block.data()));
  return at < data_->block.size() ? data_->node(static_cast<Offset>(at)) : nullptr;
}

wire::Bytes Zone::name(const Node& node) const { return {node.name(), node.name_size}; }
unsigned Zone::rrset_count(const Node& node) const { return node.rrset_count; }
Rrset Zone::rrset_at(const Node& node, unsigned number) const { return data_->rrset(entries(node)[number]); }

Match Zone::find(const wire::LookupName& name, wire::RrType type) const {
  const unsigned labels = name.label_count();
  assert(labels >= data_->apex_labels);
  if (const Node* node = data_->look_up(name.wire())) {
    const Node* cover = data_->node(node->cover);
    // RFC 4035, 3.1.4.1: the parent side answers for DS at the cut. Below a DNAME stands nothing, so that a
    // cover that is none is the name's own DNAME, which does not touch the name itself (RFC 6672, 2.3).
    const bool own_ds = cover == node && type == wire::RrType::ds;
    if (cover == nullptr || !is_cut(*cover) || own_ds) return {Outcome::name, false, 0, node};
    return {Outcome::delegation, false, labels - cover->label_count, cover};
  }

  // The closest encloser (RFC 4592, 3.3.1): every ancestor of a name in the zone is in the table, so "the
  // suffix of so many labels exists" goes from true to false once.
  const Node* encloser = data_->node(data_->first_node());
  unsigned known = data_->apex_labels, unknown = labels;
  while (unknown - known > 1) {
    const unsigned middle = known + (unknown - known) / 2;
    const Node* node = data_->look_up(name.suffix(labels - middle));
    (node != nullptr ? known : unknown) = middle;
    if (node != nullptr) encloser = node;
  }
  // RFC 1034, 4.3.2, 3b and RFC 6672, 3.2: what is below a cut or a DNAME is theirs, before any wildcard.
  if (const Node* cover = data_->node(encloser->cover)) {
    const auto outcome = is_cut(*cover) ? Outcome::delegation : Outcome::dname;
    return {outcome, false, labels - cover->label_count, cover};
  }
  // RFC 4592, 3.3.1: only the asterisk directly below the closest encloser is the source of synthesis.
  const unsigned before = labels - encloser->label_count;
  if (const Node* wildcard = data_->node(encloser->wildcard)) return {Outcome::name, true, before, wildcard};
  return {Outcome::no_name, false, before, encloser};
}

ZoneSet::ZoneSet(std::vector<std::shared_ptr<const Zone>> zones) : zones_(std::move(zones)) {
  table_.assign(zones_.size() * 2 + 1, 0);
  for (std::uint32_t number = 0; number < zones_.size(); ++number) {
    const auto& apex = zones_[number]->apex();
    auto i = home_slot(wire::hash_name(apex.wire()), table_.size());
    while (table_[i] != 0) i = i + 1 == table_.size() ? 0 : i + 1;
    table_[i] = number + 1;
    depths_[apex.label_count()] = true;
  }
}

const Zone* ZoneSet::find(const wire::LookupName& name) const {
  if (zones_.empty()) return nullptr;
  const unsigned labels = name.label_count();
  for (unsigned before = 0; before <= labels; ++before) {
    if (!depths_[labels - before]) continue;
    const auto suffix = name.suffix(before);
    auto i = home_slot(wire::hash_name(suffix), table_.size());
    for (; table_[i] != 0; i = i + 1 == table_.size() ? 0 : i + 1) {
      const Zone& zone = *zones_[table_[i] - 1];
      if (std::ranges::equal(zone.apex().wire(), suffix)) return &zone;
    }
  }
  return nullptr;
}

}  // namespace sluice::zone
