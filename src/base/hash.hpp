// Two hashes: a fast one for tables of our own names, and a keyed one for what a client may choose.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

namespace sluice {

inline std::uint64_t load_u64(const std::uint8_t* bytes) {
  std::uint64_t value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

// Folds 64 x 64 bits to 64.
inline std::uint64_t fold_multiply(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const auto product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// For hash tables whose keys the operator chose. Not keyed, not stable over versions: never stored.
inline std::uint64_t fast_hash(std::span<const std::uint8_t> bytes) {
  constexpr std::uint64_t odd1 = 0x9E3779B97F4A7C15, odd2 = 0xD6E8FEB86659FD93;
  std::uint64_t state = bytes.size() * odd1;
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) state = fold_multiply(state ^ load_u64(at), odd2);
  std::uint64_t tail = 0;
  for (std::size_t i = 0; i < left; ++i) tail |= std::uint64_t{at[i]} << (8 * i);
  return fold_multiply(state ^ tail ^ odd1, odd2);
}

using HashKey = std::array<std::uint64_t, 2>;

// SipHash-1-3 (Aumasson and Bernstein 2012, reduced rounds) of at most a few words: a client cannot aim at a
// slot without the key. Stable: what it returns for a key and a client is the same in every version and
// process.
std::uint64_t keyed_hash(const HashKey& key, std::span<const std::uint8_t> bytes);

// SipHash-2-4 as published, of octets with a key of 16 octets: for what other servers have to compute, too
// (RFC 9018, 4.4).
std::uint64_t siphash_2_4(std::span<const std::uint8_t, 16> key, std::span<const std::uint8_t> bytes);

}  // namespace sluice
