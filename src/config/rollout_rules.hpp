// The rules between the keys of [rollout.NAME], and what a steer takes from [safety].
#pragma once

#include "config/rules.hpp"

namespace sluice::config {

void check_preset(const SectionTable& section, Errors& errors);

// What the steer does not say itself is as in [safety].
void complete_safety(const SectionTable& section, const Safety& usual, Steer& steer, Errors& errors);

}  // namespace sluice::config
