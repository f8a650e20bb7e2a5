#include "base/hash.hpp"

#include <bit>

namespace sluice {
namespace {

struct SipState {
  std::uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
    v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
  }
  void rounds(int count) {
    for (int i = 0; i < count; ++i) round();
  }
};

template <int compression, int finalisation>
std::uint64_t siphash(const HashKey& key, std::span<const std::uint8_t> bytes) {
  const auto absorb = [](SipState& state, std::uint64_t word) {
    state.v3 ^= word;
    state.rounds(compression);
    state.v0 ^= word;
  };
  SipState state{key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
                 key[1] ^ 0x7465646279746573};
  const std::uint8_t* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) absorb(state, load_u64(at));
  std::uint64_t last = std::uint64_t{bytes.size()} << 56;
  for (std::size_t i = 0; i < left; ++i) last |= std::uint64_t{at[i]} << (8 * i);
  absorb(state, last);
  state.v2 ^= 0xFF;
  state.rounds(finalisation);
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace

std::uint64_t keyed_hash(const HashKey& key, std::span<const std::uint8_t> bytes) {
  return siphash<1, 3>(key, bytes);
}

std::uint64_t siphash_2_4(std::span<const std::uint8_t, 16> key, std::span<const std::uint8_t> bytes) {
  return siphash<2, 4>({load_u64(key.data()), load_u64(key.data() + 8)}, bytes);
}

}  // namespace sluice
