// Memory for the flat block: pieces in units of eight octets in one range of addresses, named by 32-bit
// offsets, freed only when no reader can see them any more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/quiescence.hpp"

namespace sluice::steer {

// In units of eight octets from the block's start. The first piece stands at 0, so 0 serves as "none" for all
// others.
using Offset = std::uint32_t;

inline constexpr std::size_t capacity_max = std::size_t{1} << 35;  // octets that such offsets reach

// Not thread-safe, but for at().
class Arena {
 public:
  // Reserves addresses; pages cost memory once they are touched. Throws std::bad_alloc.
  Arena(Quiescence& quiescence, std::size_t capacity_bytes);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Zeroed. Throws std::bad_alloc when the range is full.
  Offset allocate(std::size_t bytes);

  // For what was never published: free at once.
  void free(Offset offset);

  // For what is no longer published: free when all readers have passed.
  void retire(Offset offset);

  // Frees what retired pieces it can.
  void reclaim();

  std::size_t used_bytes() const { return used_bytes_; }

  // Thread-safe.
  template <class T>
  T* at(Offset offset) const {
    return reinterpret_cast<T*>(memory_ + std::size_t{offset} * 8);
  }

 private:
  struct Retired {
    Offset offset;
    std::uint64_t epoch;
  };

  Quiescence& quiescence_;
  std::uint8_t* memory_ = nullptr;
  std::size_t capacity_;
  std::size_t end_ = 0;  // octets handed out at the end so far
  std::size_t used_bytes_ = 0;
  std::unordered_map<Offset, std::uint32_t> units_;              // of each piece
  std::unordered_map<std::uint32_t, std::vector<Offset>> free_;  // by size in units
  std::vector<Retired> retired_;                                 // oldest first
};

}  // namespace sluice::steer
