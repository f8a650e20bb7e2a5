// keyed_hash against SipHash-1-3 as another program computes it, and fast_hash for what its tables need.
#include "base/hash.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

namespace sluice {
namespace {

std::vector<std::uint8_t> octets(std::string_view text) { return {text.begin(), text.end()}; }

std::vector<std::uint8_t> counting(unsigned first, unsigned count) {
  std::vector<std::uint8_t> bytes;
  for (unsigned i = 0; i < count; ++i) bytes.push_back(static_cast<std::uint8_t>(first + i));
  return bytes;
}

// What hash() of these bytes objects is in CPython 3.11, whose algorithm is siphash13: with PYTHONHASHSEED=0
// the key is zero, with 42 it is what that interpreter's generator makes of 42.
TEST_CASE("keyed_hash is SipHash-1-3") {
  const HashKey zero{0, 0}, seeded{0xdc504fd368cd90af, 0xb920bb9ffe99e9c1};
  const struct {
    const char* name;
    std::vector<std::uint8_t> bytes;
    std::uint64_t with_zero, with_seeded;
  } cases[] = {
      {"one octet", octets("a"), 0x407448d2b89b1813, 0xfe4a47335692551e},
      {"a word less one", octets("abcdefg"), 0x6db12aae9070f506, 0x13162120b6bf06ed},
      {"a word", octets("abcdefgh"), 0x3f7b849c0b8e35ea, 0xb441be6d79f21056},
      {"a word and one", octets("abcdefghi"), 0xf89b34a3d11eb6e5, 0xad255ab35982cc7f},
      {"three words, as a sticky client is", counting(0, 24), 0x31185a47af932f3a, 0xae431c6fb201ce8b},
      {"octets with the top bit", counting(200, 55), 0xfa2843bf92e8c10c, 0x94a9c11f824d269c},
  };
  for (const auto& c : cases) {
    CAPTURE(c.name);
    CHECK(keyed_hash(zero, c.bytes) == c.with_zero);
    CHECK(keyed_hash(seeded, c.bytes) == c.with_seeded);
  }
}

TEST_CASE("fast_hash tells apart what differs only in length, order or the last octet") {
  const std::vector<std::uint8_t> inputs[] = {{},
                                              {0},
                                              {0, 0},
                                              {0, 0, 0, 0, 0, 0, 0, 0},
                                              {0, 0, 0, 0, 0, 0, 0, 0, 0},
                                              {1, 2},
                                              {2, 1},
                                              {1, 2, 3, 4, 5, 6, 7, 8, 9},
                                              {1, 2, 3, 4, 5, 6, 7, 8, 10},
                                              {9, 2, 3, 4, 5, 6, 7, 8, 1}};
  std::set<std::uint64_t> hashes;
  for (const auto& input : inputs) hashes.insert(fast_hash(input));
  CHECK(hashes.size() == std::size(inputs));
}

TEST_CASE("fast_hash spreads names over the low bits that pick a place in a table") {
  constexpr unsigned names = 4096, places = 8192;
  std::vector<unsigned> load(places);
  for (unsigned i = 0; i < names; ++i)
    ++load[fast_hash(octets("host" + std::to_string(i) + ".example")) % places];
  unsigned fullest = 0, taken = 0;
  for (const unsigned count : load) fullest = std::max(fullest, count), taken += count > 0;
  CHECK(fullest <= 8);  // chance gives about 5
  CHECK(taken > 3000);  // and 3,223
}

}  // namespace
}  // namespace sluice
