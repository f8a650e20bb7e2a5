// The preview names of steers: `preview.` before a name, answered from its idle side.
#pragma once

#include <span>

#include "base/result.hpp"
#include "config/rules.hpp"

namespace sluice::config {

// "preview.www.shop.example." of "www.shop.example."; fails when that is too long for a name.
Result<wire::Name> preview_name(const wire::Name& name);

// A name that has one needs one that is nobody's, in its own zone. What the zone has there, its loader knows.
// One that is refused is left out. To be called when the steers are complete.
void check_previews(std::span<const SectionTable> sections, Config& config, Errors& errors);

// Puts those that check_previews() has left behind the other steers, which are sections of the file.
void add_previews(Config& config);

}  // namespace sluice::config
