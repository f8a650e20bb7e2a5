// Counts the basic blocks of code that the answer path executes. Unlike time, the number is the same on every
// machine and however busy it is, so that a test can say "twice the names, twice the work" and mean it.
#pragma once

#include <cstdint>

namespace sluice::cost {

// How many the calling thread has executed since it began. Only code that is built for it (see meson.build)
// counts.
std::uint64_t blocks();

}  // namespace sluice::cost
