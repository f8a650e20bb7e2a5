// The arena: zeroed pieces, reused only when no reader can see them.
#include "steer/arena.hpp"

#include <algorithm>
#include <memory>
#include <new>

#include <doctest/doctest.h>

namespace sluice::steer {
namespace {

bool zeroed(const Arena& arena, Offset offset, std::size_t bytes) {
  const auto* octets = arena.at<const std::uint8_t>(offset);
  return std::all_of(octets, octets + bytes, [](std::uint8_t octet) { return octet == 0; });
}

TEST_CASE("the first piece stands at 0, each is zeroed and its own") {
  Quiescence quiescence;
  Arena arena(quiescence, 4096);
  const Offset first = arena.allocate(1), second = arena.allocate(9), third = arena.allocate(8);
  CHECK(first == 0);
  CHECK(second == 1);
  CHECK(third == 3);
  CHECK(arena.used_bytes() == 8 + 16 + 8);
  *arena.at<std::uint64_t>(second) = ~std::uint64_t{0};
  CHECK(zeroed(arena, first, 8));
  CHECK(zeroed(arena, third, 8));
}

TEST_CASE("a freed piece is used again, zeroed, for the same size only") {
  Quiescence quiescence;
  Arena arena(quiescence, 4096);
  arena.allocate(8);
  const Offset piece = arena.allocate(16);
  arena.allocate(8);
  *arena.at<std::uint64_t>(piece) = 42;
  arena.free(piece);
  CHECK(arena.used_bytes() == 16);
  CHECK(arena.allocate(8) != piece);
  CHECK(arena.allocate(16) == piece);
  CHECK(zeroed(arena, piece, 16));
}

TEST_CASE("a retired piece is used again when its readers have passed, and not before") {
  Quiescence quiescence;
  Quiescence::Reader reader(quiescence);
  Arena arena(quiescence, 4096);
  arena.allocate(8);
  const Offset before = arena.allocate(16);
  arena.retire(before);
  Offset during = 0;
  {
    const Quiescence::Section section(reader);
    during = arena.allocate(24);
    arena.retire(during);
    arena.reclaim();
    CHECK(arena.allocate(16) == before);  // retired before the section began
    CHECK(arena.allocate(24) != during);
    CHECK(arena.used_bytes() == 8 + 16 + 24 + 24);
  }
  arena.reclaim();
  CHECK(arena.allocate(24) == during);
}

TEST_CASE("a full arena says so, and goes on with what is freed") {
  Quiescence quiescence;
  Arena arena(quiescence, 64);
  arena.allocate(8);
  const Offset piece = arena.allocate(48);
  CHECK_THROWS_AS(arena.allocate(16), std::bad_alloc);
  arena.allocate(8);
  CHECK_THROWS_AS(arena.allocate(1), std::bad_alloc);
  CHECK(arena.used_bytes() == 64);
  arena.free(piece);
  CHECK(arena.allocate(48) == piece);
}

TEST_CASE("a large allocation that was given up leaves room for pieces of other sizes") {
  Quiescence quiescence;
  Arena arena(quiescence, 64);
  arena.allocate(8);
  const Offset first = arena.allocate(16), second = arena.allocate(40);
  *arena.at<std::uint64_t>(first) = 1;
  *arena.at<std::uint64_t>(second) = 2;
  arena.free(second);
  arena.free(first);
  const Offset next = arena.allocate(56);
  CHECK(next == first);
  CHECK(zeroed(arena, next, 56));
}

}  // namespace
}  // namespace sluice::steer
