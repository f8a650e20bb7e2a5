// How a compiled zone lies in memory. One block, 32-bit offsets from its start, everything aligned to 4:
//
//   | Slot Slot ... | Node name RrsetEntry... rdata... | Node name ... |
//     hash table      ^ the apex is the first node
//
// A million names with an A record each take about 82 octets a name, the table included.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "zone/zone.hpp"

namespace sluice::zone {

using Offset = std::uint32_t;
inline constexpr Offset nowhere = 0;  // the table lies there, so no node does

// A zone larger than this is refused: its offsets would not fit.
inline constexpr std::size_t block_size_max = std::numeric_limits<Offset>::max();

// Open addressing, linear probing. `tag` spares most looks at nodes that are not the one.
struct Slot {
  std::uint32_t tag;
  Offset node;  // `nowhere`: free
};

struct Node {
  static constexpr std::uint8_t is_cut = 1;  // NS, and not the apex

  Offset wildcard;  // the child "*"
  // What takes the queries for all names below this one: the topmost zone cut at or above it, or the DNAME at
  // it or above. When that is a cut, it takes those for the name itself, too (but for DS at the cut).
  Offset cover;
  SteerId steer;
  std::uint16_t rrset_count;
  std::uint8_t name_size;
  std::uint8_t label_count;
  std::uint8_t flags;

  // The wire form in lower case, padded to 4, and behind it the RrsetEntries in the order of their types.
  const std::uint8_t* name() const { return reinterpret_cast<const std::uint8_t*>(this + 1); }
};

struct RrsetEntry {
  std::uint16_t type;
  std::uint16_t count;
  std::uint32_t ttl;
  Offset data;  // as Rrset::Iterator walks it
};

constexpr std::size_t padded(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

inline std::uint32_t hash_tag(std::uint64_t hash) { return static_cast<std::uint32_t>(hash); }

// Any number of slots will do, not only powers of two: the table can be as dense as we like.
inline std::size_t home_slot(std::uint64_t hash, std::size_t slot_count) {
  return static_cast<std::size_t>((hash >> 32) * slot_count >> 32);
}

struct Zone::Data {
  wire::Name apex_name;
  std::vector<std::uint8_t> block;
  std::size_t slot_count = 0;
  std::size_t name_count = 0;
  std::size_t record_count = 0;
  unsigned apex_labels = 0;
  Rrset soa;
  Rrset apex_ns;
  std::uint32_t serial = 0;
  std::uint32_t negative_ttl = 0;

  Offset first_node() const { return static_cast<Offset>(slot_count * sizeof(Slot)); }  // the apex
  const Node* node(Offset at) const {
    return at == nowhere ? nullptr : reinterpret_cast<const Node*>(block.data() + at);
  }
  const Node* look_up(wire::Bytes name) const;
  Rrset rrset(const RrsetEntry& entry) const;
};

}  // namespace sluice::zone
