// Reads whole files.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.hpp"

namespace sluice {

// A regular file of at most so many octets; a pipe or a device could keep us waiting, or never end.
Result<std::string> read_file(const std::string& path, std::size_t size_max);

}  // namespace sluice
