// `config check`: a config with all of its zones, as the daemon would load them.
#pragma once

#include <cstddef>
#include <string>

#include "base/diagnostic.hpp"

namespace sluice::ctl {

struct Checked {
  Diagnostics errors;  // none: all is well
  std::size_t zones = 0, steers = 0;
};

Checked check_config(const std::string& file);

}  // namespace sluice::ctl
