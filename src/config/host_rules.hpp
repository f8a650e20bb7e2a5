// The rules for names that lead to hosts, by CNAMEs, instead of addresses.
#pragma once

#include <span>

#include "config/rules.hpp"

namespace sluice::config {

// Fills Steer::to_hosts. Part of apply_rules().
void apply_host_rules(std::span<const SectionTable> sections, Config& config, Errors& errors);

}  // namespace sluice::config
