#include "config/rollout_rules.hpp"

#include <array>

namespace sluice::config {

void check_preset(const SectionTable& section, Errors& errors) {
  std::string_view first;
  for (const std::string_view key : std::array{"steps", "linear", "exponential"}) {
    if (!section.has(key)) continue;
    if (!first.empty())
      errors.add(section.value_at(key), fmt::format("'{}' and '{}' exclude each other", first, key));
    first = key;
  }
}

void complete_safety(const SectionTable& section, const Safety& usual, Steer& steer, Errors& errors) {
  auto& own = steer.safety;
  if (!section.has("step_max")) own.step_max = usual.step_max;
  if (!section.has("pools_min")) own.pools_min = usual.pools_min;
  if (!section.has("endpoints_min")) own.endpoints_min = usual.endpoints_min;
  if (!section.has("capacity_min")) own.capacity_min = usual.capacity_min;
  if (!section.has("freeze")) own.freeze = usual.freeze;
  if (section.has("pools_min") && section.sound("pools_min") && own.pools_min > steer.pools.size())
    errors.add(
        section.value_at("pools_min"),
        fmt::format("pools_min: expected at most {} (its pools), got {}", steer.pools.size(), own.pools_min));
}

}  // namespace sluice::config
