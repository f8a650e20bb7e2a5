#include "check.hpp"

#include <utility>
#include <vector>

#include "control/load.hpp"

namespace sluice::ctl {
namespace {

// The loader numbers the steered names for the answer path; without one, any number will do.
std::vector<zone::SteerId> any_ids(const config::Config& config) {
  return std::vector<zone::SteerId>(config.steers.size(), 1);
}

}  // namespace

Checked check_config(const std::string& file) {
  auto result = control::load(file, any_ids);
  Checked checked{std::move(result.errors), 0, 0};
  if (!result.loaded) return checked;
  checked.zones = result.loaded->config.zones.size();
  checked.steers = result.loaded->config.steers.size();
  return checked;
}

}  // namespace sluice::ctl
