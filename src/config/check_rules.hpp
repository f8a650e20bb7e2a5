// The rules between the keys of one check, beside those of all checks in rules.cpp; and the files that a
// check names.
#pragma once

#include "config/rules.hpp"

namespace sluice::config {

// Of checks of type http and https; the others have none of their keys.
void complete_http(const SectionTable& section, Check& check, Errors& errors);

// Of checks of type push.
void complete_push(const SectionTable& section, Check& check, Errors& errors);

}  // namespace sluice::config
