// From a file to a TOML table: the bytes, the syntax and nothing of what they mean.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <toml++/toml.h>

#include "base/result.hpp"
#include "config/errors.hpp"

namespace sluice::config {

// Twice what a config of 100,000 names with three pools each needs; what is larger was named by mistake.
inline constexpr std::size_t file_size_max = 64 << 20;

// A pipe will do, too.
Result<std::string> read_config(const std::string& file);

// A syntax error ends the parse: it is one diagnostic in `errors`, and nothing is returned.
std::optional<toml::table> parse_document(std::string_view text, Errors& errors);

}  // namespace sluice::config
