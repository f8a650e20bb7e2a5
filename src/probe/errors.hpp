// What the acting parts of this room fail with.
#pragma once

#include <string>
#include <utility>

#include "base/result.hpp"

namespace sluice::probe {

inline Error unavailable(std::string message) { return {ErrorCode::unavailable, std::move(message)}; }

}  // namespace sluice::probe
