// The preview names of steers: `preview.` before a name, answered from its idle side.
#pragma once

#include <span>

#include "base/result.hpp"
#include "config/rules.hpp"

namespace sluice::config {

// "preview.www.shop.example." of "www.shop.example."; fails when that is too long for a name.
Result<wire::Name> preview_name(const wire::Name& name);

// A name that has one needs one that is nobody's, in its own zone. What the zone has there, its loader knows.
// To be called when the steers are complete.
void check_previews(std::span<const SectionTable> sections, const Config& config, Errors& errors);

// Puts them behind the other steers, which are sections of the file. Those that check_previews() refuses are
// left out.
void add_previews(Config& config);

}  // namespace sluice::config
