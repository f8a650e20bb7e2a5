// The rules between the keys of [analysis.NAME].
#pragma once

#include "config/rules.hpp"

namespace sluice::config {

void complete_analysis(const SectionTable& section, Analysis& analysis, Errors& errors);

}  // namespace sluice::config
