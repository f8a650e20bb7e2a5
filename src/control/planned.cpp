#include "control/planned.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace sluice::control {
namespace {

// What comes first, of those that come at all.
void take_earlier(std::optional<PlannedChange>& first, Time at, Time now, const std::string& what) {
  if (at > now && (!first || at < first->at)) first = PlannedChange{at, what};
}

// The operator's words that are to be said, and the end of the one that holds.
void take_words(std::optional<PlannedChange>& first, const Model& model, const wire::Destination& destination,
                Time now) {
  for (const auto& [at, scheduled] : model.scheduled(destination))
    take_earlier(first, at, now, fmt::format("{} of {}", store::to_text(scheduled), to_text(destination)));
  if (const auto* said = model.word(destination); said != nullptr && said->until)
    take_earlier(first, *said->until, now,
                 fmt::format("the end of {} of {}", store::to_text(said->word), to_text(destination)));
}

// The greatest power of two that is not more.
Duration coarsely(Duration left) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(left).count();
  return whole <= 0 ? Duration::zero()
                    : Duration(std::chrono::seconds(std::bit_floor(static_cast<std::uint64_t>(whole))));
}

Duration lowered(Duration usual, Duration least, Duration left) {
  return left >= usual ? usual : std::max(std::min(usual, coarsely(left)), least);
}

}  // namespace

std::optional<PlannedChange> planned_change(const Model& model, const config::Steer& steer, Time now) {
  std::optional<PlannedChange> first;
  if (model.running_rollouts().contains(steer.name)) {
    const auto& rollout = model.rollouts().at(steer.name);
    if (const auto at = rollout::next_step_at(rollout))
      take_earlier(first, *at, now, fmt::format("the next step of rollout {}", rollout.id));
  }
  if (model.schedule().empty() && model.words().empty()) return first;
  for (const auto& part : steer.pools)
    for (const auto& endpoint : model.config().find_pool(part.pool)->endpoints)
      take_words(first, model, endpoint.destination, now);
  return first;
}

Duration ttl_at(const Model& model, const config::Steer& steer, Time now) {
  const auto usual = model.ttl(steer);
  const auto planned = planned_change(model, steer, now);
  return planned ? lowered(usual, steer.ttl_min, planned->at - now) : usual;
}

std::optional<Time> next_ttl(const Model& model, const config::Steer& steer, Time now) {
  constexpr Duration moment{1};
  const auto planned = planned_change(model, steer, now);
  if (!planned) return {};
  const auto ttl = lowered(model.ttl(steer), steer.ttl_min, planned->at - now);
  // As low as it goes: the next thing is the change itself, or that it does not come.
  const bool lowest = ttl <= steer.ttl_min || planned->at - ttl < now;
  return (lowest ? planned->at : planned->at - ttl) + moment;
}

std::set<wire::Name> names_with_other_ttl(const Model& model) {
  auto names = model.running_rollouts();
  std::set<std::string_view> pools(model.running_rollings().begin(), model.running_rollings().end());
  const auto take_pools = [&](const wire::Destination& endpoint) {
    for (const auto* pool : model.config().pools_with(endpoint)) pools.insert(pool->name);
  };
  for (const auto& [endpoint, scheduled] : model.schedule()) take_pools(endpoint);
  for (const auto& [endpoint, said] : model.words())
    if (said.until) take_pools(endpoint);
  if (pools.empty()) return names;
  for (const auto& steer : model.config().steers)
    if (std::any_of(steer.pools.begin(), steer.pools.end(),
                    [&](const auto& part) { return pools.contains(part.pool); }))
      names.insert(steer.name);
  return names;
}

}  // namespace sluice::control
