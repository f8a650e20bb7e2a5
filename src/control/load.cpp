#include "control/load.hpp"

#include <iterator>
#include <numeric>
#include <utility>

namespace sluice::control {
namespace {

// The steered names that stand in this zone and not in one nested in it.
std::vector<zone::Steered> steered_in(const config::Config& config, const config::Zone& zone,
                                      const std::vector<zone::SteerId>& ids) {
  std::vector<zone::Steered> steered;
  for (std::size_t i = 0; i < config.steers.size(); ++i)
    if (config.zone_of(config.steers[i].name) == &zone) steered.push_back({config.steers[i].name, ids[i]});
  return steered;
}

}  // namespace

std::vector<zone::SteerId> count_up(const config::Config& config) {
  std::vector<zone::SteerId> ids(config.steers.size());
  std::iota(ids.begin(), ids.end(), zone::SteerId{1});
  return ids;
}

LoadResult load(const std::string& file, SteerIds steer_ids) {
  LoadResult result;
  auto read = config::load(file);
  result.errors = std::move(read.errors);
  // The zones are looked at even when the config has errors, so that the user sees all of them at once.
  const config::Config& config = read.config ? *read.config : read.draft;
  const auto ids = steer_ids(config);
  std::vector<std::shared_ptr<const zone::Zone>> zones;
  for (const auto& zone : config.zones) {
    auto loaded = zone::load(zone.file, zone.apex, steered_in(config, zone, ids));
    std::move(loaded.errors.begin(), loaded.errors.end(), std::back_inserter(result.errors));
    zones.push_back(std::move(loaded.zone));
  }
  if (result.errors.empty()) result.loaded = Loaded{std::move(*read.config), zone::ZoneSet(std::move(zones))};
  return result;
}

}  // namespace sluice::control
