#include "steer/prefixes.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/hash.hpp"

namespace sluice::steer {
namespace {

__extension__ using Wide = unsigned __int128;

Wide wide(std::uint64_t high, std::uint64_t low) { return static_cast<Wide>(high) << 64 | low; }

Wide wide(const Address& address) {
  static_assert(std::endian::native == std::endian::little);
  return wide(__builtin_bswap64(load_u64(address.octets.data())),
              __builtin_bswap64(load_u64(address.octets.data() + 8)));
}

Wide start_of(const PrefixInterval& interval) { return wide(interval.high, interval.low); }

// The last address of a prefix; for IPv4 all that follows it is 1, too, so that the next one is one more.
Wide last_of(const Prefix& prefix) {
  return wide(prefix.address) | (prefix.length == 0 ? ~Wide{0} : (Wide{1} << (128 - prefix.length)) - 1);
}

// How many bits two addresses have to be told by, which differ.
unsigned bits_to_tell(Wide a, Wide b) {
  const Wide difference = a ^ b;
  const auto high = static_cast<std::uint64_t>(difference >> 64);
  const auto low = static_cast<std::uint64_t>(difference);
  return 1U + static_cast<unsigned>(high != 0 ? std::countl_zero(high) : 64 + std::countl_zero(low));
}

// The last one that begins at the address or before it. Arithmetic in place of a branch: where the address
// lies is a guess that would be wrong every other time.
const PrefixInterval* find_interval(std::span<const PrefixInterval> intervals, Wide address) {
  const auto* first = intervals.data();
  for (std::size_t count = intervals.size(); count > 1;) {
    const std::size_t half = count / 2;
    first += half * static_cast<std::size_t>(start_of(first[half]) <= address);
    count -= half;
  }
  return first;
}

// The neighbours are other intervals because prefixes end there: the fewest bits that leave both out.
unsigned scope_of(std::span<const PrefixInterval> intervals, const PrefixInterval* found, Wide address) {
  unsigned scope = 0;
  if (found != intervals.data()) scope = bits_to_tell(address, start_of(*found) - 1);
  if (found + 1 != intervals.data() + intervals.size())
    scope = std::max(scope, bits_to_tell(address, start_of(found[1])));
  return scope;
}

// The prefixes of one family, by address and then by length, from number `first` on.
class Flattening {
 public:
  Flattening(std::span<const TargetedPrefix> prefixes, std::size_t first, std::vector<PrefixEntry>& entries)
      : prefixes_(prefixes), first_(first), entries_(entries) {}

  std::vector<PrefixInterval> intervals() {
    if (prefixes_.empty()) return {};
    begin(0, no_prefix);
    for (std::size_t i = 0; i < prefixes_.size(); ++i) {
      const Prefix& prefix = prefixes_[i].prefix;
      while (!open_.empty() && last_of(prefixes_[open_.back()].prefix) < wide(prefix.address)) close();
      entries_.push_back(
          {.target = prefixes_[i].target, .outer = innermost(), .length = prefix.length, .reserved = {}});
      open_.push_back(i);
      begin(wide(prefix.address), innermost());
    }
    while (!open_.empty()) close();
    return std::move(intervals_);
  }

 private:
  std::uint16_t innermost() const {
    return open_.empty() ? no_prefix : static_cast<std::uint16_t>(first_ + open_.back());
  }

  void begin(Wide start, std::uint16_t prefix) {
    if (!intervals_.empty() && start_of(intervals_.back()) == start) intervals_.pop_back();
    intervals_.push_back({.high = static_cast<std::uint64_t>(start >> 64),
                          .low = static_cast<std::uint64_t>(start),
                          .prefix = prefix,
                          .reserved = {}});
  }

  void close() {
    const Wide next = last_of(prefixes_[open_.back()].prefix) + 1;
    open_.pop_back();
    if (next != 0) begin(next, innermost());  // 0: no address comes behind it
  }

  std::span<const TargetedPrefix> prefixes_;
  std::size_t first_;
  std::vector<PrefixEntry>& entries_;
  std::vector<std::size_t> open_;  // each one in the one before
  std::vector<PrefixInterval> intervals_;
};

template <class Part>
std::uint8_t* append_parts(std::uint8_t* at, const std::vector<Part>& parts) {
  if (!parts.empty()) std::memcpy(at, parts.data(), parts.size() * sizeof(Part));
  return at + parts.size() * sizeof(Part);
}

}  // namespace

Located locate(const PrefixTable& table, const Address& address, unsigned known_bits) {
  const auto* all = reinterpret_cast<const PrefixInterval*>(&table + 1);
  const bool is_v6 = address.family == Family::v6;
  const std::span<const PrefixInterval> intervals(all + (is_v6 ? table.interval_count[0] : 0),
                                                  table.interval_count[is_v6 ? 1 : 0]);
  if (intervals.empty()) return {};
  const auto* entries =
      reinterpret_cast<const PrefixEntry*>(all + table.interval_count[0] + table.interval_count[1]);
  const Wide wanted = wide(address);
  const auto* found = find_interval(intervals, wanted);
  Located result;
  result.scope = static_cast<std::uint8_t>(scope_of(intervals, found, wanted));
  auto prefix = found->prefix;
  while (prefix != no_prefix && entries[prefix].length > known_bits) prefix = entries[prefix].outer;
  if (prefix == no_prefix) return result;
  result.target = entries[prefix].target;
  result.length = entries[prefix].length;
  return result;
}

std::vector<std::uint64_t> compile_prefixes(std::span<const TargetedPrefix> prefixes) {
  std::vector<TargetedPrefix> sorted(prefixes.begin(), prefixes.end());
  // By family, address and length.
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.prefix < b.prefix; });
  const auto first_v6 = std::find_if(sorted.begin(), sorted.end(),
                                     [](const auto& one) { return one.prefix.address.family == Family::v6; });
  const std::span<const TargetedPrefix> v4(sorted.begin(), first_v6), v6(first_v6, sorted.end());
  std::vector<PrefixEntry> entries;
  const auto intervals_v4 = Flattening(v4, 0, entries).intervals();
  const auto intervals_v6 = Flattening(v6, v4.size(), entries).intervals();
  const PrefixTable table{.interval_count = {static_cast<std::uint16_t>(intervals_v4.size()),
                                             static_cast<std::uint16_t>(intervals_v6.size())},
                          .reserved = {}};
  const std::size_t octets = sizeof table +
                             (intervals_v4.size() + intervals_v6.size()) * sizeof(PrefixInterval) +
                             entries.size() * sizeof(PrefixEntry);
  std::vector<std::uint64_t> result(octets / sizeof(std::uint64_t));
  auto* at = reinterpret_cast<std::uint8_t*>(result.data());
  std::memcpy(at, &table, sizeof table);
  at = append_parts(at + sizeof table, intervals_v4);
  at = append_parts(at, intervals_v6);
  append_parts(at, entries);
  return result;
}

}  // namespace sluice::steer
