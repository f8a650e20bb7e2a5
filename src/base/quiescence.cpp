#include "base/quiescence.hpp"

#include <algorithm>
#include <thread>

namespace sluice {

Quiescence::Reader::Reader(Quiescence& quiescence) : quiescence_(quiescence) {
  const std::lock_guard lock(quiescence_.mutex_);
  quiescence_.readers_.push_back(this);
}

Quiescence::Reader::~Reader() {
  const std::lock_guard lock(quiescence_.mutex_);
  std::erase(quiescence_.readers_, this);
}

bool Quiescence::passed(std::uint64_t epoch) const {
  const std::lock_guard lock(mutex_);
  return std::all_of(readers_.begin(), readers_.end(), [&](const Reader* reader) {
    return reader->entered_.load(std::memory_order_seq_cst) >= epoch;  // `outside` is greater than any epoch
  });
}

bool Quiescence::wait(std::chrono::microseconds most) {
  constexpr std::chrono::microseconds pause{50};  // a part of what a batch takes
  const auto epoch = retire();
  const auto end = std::chrono::steady_clock::now() + most;
  while (!passed(epoch)) {  // by the clock: a sleep may take a multiple of what it is asked to
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(pause);
  }
  return true;
}

}  // namespace sluice
