#include "check.hpp"

#include <iterator>
#include <utility>
#include <vector>

#include "config/config.hpp"
#include "zone/zone.hpp"

namespace sluice::ctl {
namespace {

// The loader wants to know the steered names of a zone; which steer stands there does not matter for a check.
constexpr zone::SteerId some_steer = 1;

std::vector<zone::Steered> steered_names(const config::Config& config, const config::Zone& zone) {
  std::vector<zone::Steered> names;
  for (const auto& steer : config.steers)
    if (config.zone_of(steer.name) == &zone) names.push_back({steer.name, some_steer});
  return names;
}

void append(Diagnostics& all, Diagnostics more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

Checked check_config(const std::string& file) {
  auto loaded = config::load(file);
  Checked checked{std::move(loaded.errors), 0, 0};
  if (!loaded.config) return checked;
  checked.zones = loaded.config->zones.size();
  checked.steers = loaded.config->steers.size();
  for (const auto& zone : loaded.config->zones)
    append(checked.errors, zone::load(zone.file, zone.apex, steered_names(*loaded.config, zone)).errors);
  return checked;
}

}  // namespace sluice::ctl
