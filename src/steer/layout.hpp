// Which slots belong to which pool.
//
// A steer has 65,536 slots. A query picks one: by chance, or by a keyed hash of its client. A layout gives
// runs of slots to pools in proportion to their weights, exactly to the slot:
//
//   slot   0                                              62258 | 62259      65535
//          +--------------------- v1 (95) ----------------------+---- v2 (5) ----+
//
// A new layout is made from the old one and moves only the slots that have to change hands, from pools that
// lose to pools that gain. So a sticky client moves at most once while a pool widens, and never back. Layouts
// are therefore state: they are kept in the store beside the weights.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::steer {

inline constexpr std::uint32_t slot_count = 1U << 16;

// More runs than this are never made: the layout is then laid out afresh, contiguous by pool.
inline constexpr std::size_t runs_max = 64;

inline constexpr std::uint16_t no_pool = 0xFFFF;

struct Run {
  std::uint16_t pool = 0;    // index into the steer's pools
  std::uint32_t length = 0;  // slots, at least 1
  friend bool operator==(const Run&, const Run&) = default;
};

// Runs from slot 0 on; neighbours belong to different pools; the lengths sum to slot_count.
using Layout = std::vector<Run>;

// How many slots each weight is due: proportional, rounded by largest remainder, at least one for a weight
// above 0. The sum is slot_count. The weights are finite, not negative and not all 0; there are at most
// 4,096.
std::vector<std::uint32_t> apportion(std::span<const double> weights);

// Contiguous by pool, in the pools' order.
Layout lay_out(std::span<const double> weights);

// The layout for `weights` that differs from `old` in as few slots as there can be, in at most `runs` runs.
// What a pool gains it takes next to its own runs where it can, so that a ramp leaves it in one piece.
Layout relay(const Layout& old, std::span<const double> weights, std::size_t runs = runs_max);

// The part of all slots that each of so many pools has; those of `no_pool` are nobody's.
std::vector<double> shares(const Layout& layout, std::size_t pools);

// "v1:62259 v2:3277" with the pools' names; what the store keeps.
std::string to_text(const Layout& layout, std::span<const std::string> pools);

// Slots of pools that are no more are given to `no_pool`; relay() hands them out. Nothing when the text is
// malformed.
std::optional<Layout> parse_layout(std::string_view text, std::span<const std::string> pools);

}  // namespace sluice::steer
