// Shared by the tests of config: the shortest valid beginning of a file, and errors as text to compare.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "config/config.hpp"

namespace sluice::config {

// What follows it begins at line 5.
inline constexpr std::string_view head =
    "[server]\n"
    "listen = [\"127.0.0.1:5300\"]\n"
    "[zone.\"shop.example\"]\n"
    "file = \"shop.example.zone\"\n";

inline LoadResult load_after_head(std::string_view text) {
  return load_text(fmt::format("{}{}", head, text), "sluice.toml");
}

// "LINE:COLUMN: MESSAGE", one a line.
inline std::string text_of(const Diagnostics& errors) {
  std::string text;
  for (const auto& [file, at, message] : errors)
    text += fmt::format("{}:{}: {}\n", at.line, at.column, message);
  return text;
}

// A config, and what is wrong with it.
struct Case {
  const char* name;
  const char* text;    // stands after `head`, so it begins at line 5
  const char* errors;  // as text_of() gives them
};

inline void check_errors(std::span<const Case> cases) {
  for (const auto& [name, text, errors] : cases) {
    CAPTURE(std::string(name));
    const auto result = load_after_head(text);
    CHECK(result.config.has_value() == std::string_view(errors).empty());
    CHECK(text_of(result.errors) == std::string(errors));
  }
}

}  // namespace sluice::config
