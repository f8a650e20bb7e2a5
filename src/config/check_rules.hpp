// The rules between the keys of one check, beside those of all checks in rules.cpp; and the files that a
// check names.
#pragma once

#include "config/rules.hpp"

namespace sluice::config {

// Of checks of type http and https; the others have none of their keys.
void complete_http(const SectionTable& section, Check& check, Errors& errors);

// Of checks of type push.
void complete_push(const SectionTable& section, Check& check, Errors& errors);

// Durations that could never come to anything beside the others.
void check_durations(const SectionTable& section, const Check& check, Errors& errors);

// Who reports by itself is not asked anywhere.
void check_reporters(std::span<const SectionTable> sections, const Config& config, Errors& errors);

}  // namespace sluice::config
