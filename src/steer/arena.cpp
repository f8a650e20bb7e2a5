#include "steer/arena.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include <sys/mman.h>

namespace sluice::steer {
namespace {

constexpr std::size_t unit = 8;

}  // namespace

Arena::Arena(Quiescence& quiescence, std::size_t capacity_bytes)
    : quiescence_(quiescence), capacity_(std::min(capacity_bytes, capacity_max)) {
  void* pages =
      mmap(nullptr, capacity_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<std::uint8_t*>(pages);
}

Arena::~Arena() { munmap(memory_, capacity_); }

Offset Arena::allocate(std::size_t bytes) {
  const auto units = static_cast<std::uint32_t>((bytes + unit - 1) / unit);
  auto& same_size = free_[units];
  Offset offset = 0;
  if (!same_size.empty()) {
    offset = same_size.back();
    same_size.pop_back();
  } else {
    if (units * unit > capacity_ - end_) throw std::bad_alloc();
    offset = static_cast<Offset>(end_ / unit);
    end_ += units * unit;
  }
  std::memset(at<std::uint8_t>(offset), 0, units * unit);
  units_[offset] = units;
  used_bytes_ += units * unit;
  return offset;
}

void Arena::free(Offset offset) {
  const auto found = units_.find(offset);
  const std::uint32_t units = found->second;
  units_.erase(found);
  used_bytes_ -= units * unit;
  // The last piece goes back to the whole, so that what did not fit leaves room for pieces of any size.
  if ((std::size_t{offset} + units) * unit == end_) {
    end_ -= units * unit;
  } else {
    free_[units].push_back(offset);
  }
}

void Arena::retire(Offset offset) { retired_.push_back({offset, quiescence_.retire()}); }

void Arena::reclaim() {
  std::size_t count = 0;
  while (count < retired_.size() && quiescence_.passed(retired_[count].epoch)) free(retired_[count++].offset);
  retired_.erase(retired_.begin(), retired_.begin() + static_cast<std::ptrdiff_t>(count));
}

}  // namespace sluice::steer
