// Counts what the program allocates with `new`.
#pragma once

#include <cstdint>

namespace sluice::answer::test {

// How often the calling thread has allocated since it began.
std::uint64_t allocations();

}  // namespace sluice::answer::test
