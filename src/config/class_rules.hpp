// The rules of classes of clients: their prefixes among one another, and where steers lead them.
#pragma once

#include <span>

#include "config/rules.hpp"

namespace sluice::config {

// Routes get the order in which the config has their classes. To be called when the steers are complete.
void apply_class_rules(std::span<const SectionTable> sections, Config& config, Errors& errors);

}  // namespace sluice::config
