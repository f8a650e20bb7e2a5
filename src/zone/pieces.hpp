// Cuts the text of a big master file into pieces that can be read at the same time.
//
//   | head: $ORIGIN, $TTL, SOA ... | piece | piece | piece |
//
// What a record means depends on the text before it by the origin, the default TTL, the owner before and open
// parentheses (RFC 1035, 5.1). So behind the head there must be neither directives nor parentheses, and each
// piece begins with an entry that names its owner.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace sluice::zone {

struct PieceSizes {
  std::size_t head = 64 << 10;  // octets that the head has at least
  std::size_t piece = 1 << 20;  // less is not worth a thread
};

// The head and at most `count` pieces of about the same size, in order; one piece that is all of the text
// when it cannot be cut, or is too small. Each ends with a line.
std::vector<std::string_view> cut(std::string_view text, unsigned count, const PieceSizes& sizes = {});

}  // namespace sluice::zone
