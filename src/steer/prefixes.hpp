// Which of many prefixes an address lies in: the longest one, and for how many other addresses the same
// holds.
//
//   prefixes     10.0.0.0/8      +-----------------------------------------+
//                10.1.0.0/16     |            +---------------+            |
//   intervals   |      none      | 10.0.0.0/8 |  10.1.0.0/16  | 10.0.0.0/8 |      none      |
//
// The table holds the intervals in order, so that a look is one binary search over flat memory. It has no
// pointers, and is a piece of the block (block.hpp). A prefix leads to a target, which is a number to this
// file.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/address.hpp"
#include "config/config.hpp"

namespace sluice::steer {

struct PrefixTable {
  std::uint16_t interval_count[2];  // by Family; 0: no prefix of it
  std::uint16_t reserved[2];
  // the PrefixIntervals of IPv4 and those of IPv6, then the PrefixEntries follow
};

// Up to the next one's first address.
struct PrefixInterval {
  // The first address, its first octet the highest; IPv4 has the upper half of `high`.
  std::uint64_t high, low;
  std::uint16_t prefix;  // PrefixEntry of the longest one that it lies in, or no_prefix
  std::uint16_t reserved[3];
};
inline constexpr std::uint16_t no_prefix = 0xFFFF;

struct PrefixEntry {
  std::uint16_t target;
  std::uint16_t outer;  // the longest one that it lies in itself, or no_prefix
  std::uint8_t length;
  std::uint8_t reserved[3];
};

static_assert(sizeof(PrefixTable) == 8 && sizeof(PrefixInterval) == 24 && sizeof(PrefixEntry) == 8);

inline constexpr std::uint16_t no_target = 0xFFFF;

struct Located {
  std::uint16_t target = no_target;
  std::uint8_t length = 0;  // of the prefix that leads there
  // All addresses that begin with so many of the same bits lie in the same prefixes. Such groups never
  // overlap (RFC 7871, 7.2.1: what is answered for one of them would be answered for a part of the other).
  std::uint8_t scope = 0;
};

// The longest prefix that all addresses lie in which begin with the first `known_bits` of `address` (the
// others are 0). No allocation, no branch that depends on the address but for prefixes longer than what is
// known.
Located locate(const PrefixTable& table, const Address& address, unsigned known_bits);

struct TargetedPrefix {
  Prefix prefix;
  std::uint16_t target = 0;
};

// A PrefixTable, and what follows it. No prefix stands there twice; there are at most prefixes_max.
std::vector<std::uint64_t> compile_prefixes(std::span<const TargetedPrefix> prefixes);
inline constexpr std::size_t prefixes_max = config::class_prefixes_max;

}  // namespace sluice::steer
