// What a request's arguments say, which check_arguments() has let pass, and errors about what they name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "config/config.hpp"
#include "control/commands.hpp"

namespace sluice::control {

// Empty when it is not given.
std::string text_argument(const Request& request, std::string_view name);

// " (the reason)", of its `reason`; empty when it is not given.
std::string reason_text(const Request& request);

// None when it is not given.
std::optional<Duration> duration_argument(const Request& request, std::string_view name);
std::optional<std::uint64_t> number_argument(const Request& request, std::string_view name);

// `what` says that `name` does not exist; the nearest of the known ones, or all of a few, are added.
Error unknown(std::string what, std::string_view name, const std::vector<std::string>& known);
Error unknown_pool(const config::Steer& steer, std::string_view pool);

}  // namespace sluice::control
