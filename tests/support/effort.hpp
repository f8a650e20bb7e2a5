// How much of a property test is run.
#pragma once

namespace sluice {

// All of it where the build is optimised; a part where sanitizers make it many times slower.
constexpr unsigned tries([[maybe_unused]] unsigned all, [[maybe_unused]] unsigned part) {
#ifdef __OPTIMIZE__
  return all;
#else
  return part;
#endif
}

}  // namespace sluice
