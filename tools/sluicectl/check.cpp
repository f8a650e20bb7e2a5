#include "check.hpp"

#include <utility>

#include "control/load.hpp"

namespace sluice::ctl {
Checked check_config(const std::string& file) {
  auto result = control::load(file);
  Checked checked{std::move(result.errors), 0, 0};
  if (!result.loaded) return checked;
  checked.zones = result.loaded->config.zones.size();
  checked.steers = result.loaded->config.steers.size();
  return checked;
}

}  // namespace sluice::ctl
