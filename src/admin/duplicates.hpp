// What Boost.JSON takes silently: of a member that is given twice it keeps the last.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::admin {

// The first member that an object of valid JSON has twice, at whatever depth; nothing when none has.
std::optional<std::string> duplicate_member(std::string_view text);

}  // namespace sluice::admin
