// $GENERATE, BIND's shorthand for runs of similar records:
//
//   $GENERATE 1-20 host-${0,3,d} A 192.0.2.$      host-001 A 192.0.2.1, host-002 A 192.0.2.2, ...
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace sluice::zone {

struct GenerateRange {
  std::uint32_t start = 0;
  std::uint32_t stop = 0;  // included
  std::uint32_t step = 1;
};

// One line writes at most so many records: a slip of a digit should not fill the memory.
inline constexpr std::uint32_t generate_records_max = 1'000'000;

// "1-20" or "1-20/2".
Result<GenerateRange> parse_generate_range(std::string_view text);

// `word` with the number in place of $, ${OFFSET}, ${OFFSET,WIDTH} and ${OFFSET,WIDTH,BASE} (BASE: d, o, x,
// X, n, N);
// \$ stays as it is, an escaped dollar.
Result<std::string> expand_generate(std::string_view word, std::uint32_t number);

}  // namespace sluice::zone
