// A rolling upgrade as JSON: what the store keeps.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "rollout/rolling.hpp"

namespace sluice::rolling {

// Times in milliseconds of Unix time, durations in milliseconds.
std::string to_record(const Rolling& rolling);

// Of what to_record() has made; anything else is refused.
Result<Rolling> parse_record(std::string_view text);

}  // namespace sluice::rolling
