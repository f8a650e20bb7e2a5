#include "control/preview.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sluice::control {
namespace {

namespace json = boost::json;

// Who had most of the traffic before, of the pools that the name has still.
std::optional<std::size_t> former_side(const config::Steer& steer, const rollout::Plan& plan) {
  const rollout::PoolWeight* most = nullptr;
  for (const auto& part : plan.before)
    if (!rollout::is_target(plan, part.pool) && steer.place_of(part.pool) &&
        (most == nullptr || part.weight > most->weight))
      most = &part;
  return most == nullptr ? std::nullopt : steer.place_of(most->pool);
}

// What the name's rollout has to say about it, also after its end as long as it can be undone: its former
// side is idle then.
std::optional<IdleSide> side_of_rollout(const Model& model, const config::Steer& steer,
                                        const std::vector<double>& weights) {
  const auto found = model.rollouts().find(steer.name);
  if (found == model.rollouts().end()) return {};
  const auto& rollout = found->second;
  const bool running = rollout::is_running(rollout.state.phase), switched = rollout::has_switched(rollout);
  if (!running && !switched) return {};
  const auto pool =
      switched ? former_side(steer, rollout.plan) : steer.place_of(rollout.plan.targets.front().pool);
  if (!pool || (switched && weights[*pool] > 0)) return {};
  return IdleSide{pool, switched ? fmt::format("what rollout {} has switched from", rollout.id)
                                 : fmt::format("the target of rollout {}", rollout.id)};
}

}  // namespace

IdleSide idle_side(const Model& model, const config::Steer& steer) {
  const auto weights = model.weights(steer);
  if (auto side = side_of_rollout(model, steer, weights)) return *std::move(side);
  const auto idle = std::find(weights.begin(), weights.end(), 0.0);
  if (idle == weights.end()) return {{}, "no pool is without weight: the answer is empty"};
  return {static_cast<std::size_t>(idle - weights.begin()), "the first pool without weight"};
}

json::value preview_status(const Model& model, const config::Steer& preview) {
  if (!preview.preview_of) return nullptr;
  const auto side = idle_side(model, *model.config().find_steer(*preview.preview_of));
  return {{"of", preview.preview_of->text()},
          {"pool", side.pool ? json::value(preview.pools[*side.pool].pool) : json::value(nullptr)},
          {"why", side.why}};
}

std::optional<Error> preview_objection(const config::Steer& steer) {
  if (!steer.preview_of) return {};
  return Error{ErrorCode::refused,
               fmt::format("{} is answered from the idle side of {}: change that name, and it follows",
                           steer.name.text(), steer.preview_of->text())};
}

}  // namespace sluice::control
