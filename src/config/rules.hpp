// The rules between keys and between sections, and the defaults that follow from other keys.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "config/errors.hpp"
#include "config/schema.hpp"
#include "config/value.hpp"

namespace sluice::config {

// A section of the file, and where in the config it went.
struct SectionTable {
  const SectionRow* row;
  std::string name;  // NAME, or the section's own
  Position name_at;
  const toml::table* table;
  std::size_t index = 0;                   // in the config's list of such sections
  bool unreadable = false;                 // its name is none
  std::vector<std::string_view> faulty{};  // keys whose values were refused

  // "[check.web]", `[zone."shop.example"]`
  std::string header() const;

  bool has(std::string_view key) const { return table->contains(key); }
  bool sound(std::string_view key) const {
    return std::find(faulty.begin(), faulty.end(), key) == faulty.end();
  }
  bool given(std::string_view key) const { return has(key) && sound(key); }
  const toml::node& value(std::string_view key) const { return *table->get(key); }
  Position value_at(std::string_view key) const { return begin_of(value(key)); }
};

// Completes `config`, which the sections (in the order of the file) have been read into.
void apply_rules(std::span<const SectionTable> sections, Config& config, Errors& errors);

}  // namespace sluice::config
