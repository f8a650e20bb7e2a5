// The idle side of a name, which its preview name is answered from. Pure: it follows from the weights in
// force and the record of the rollout alone, so that it moves whenever one of them does.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include <boost/json/value.hpp>

#include "control/model.hpp"

namespace sluice::control {

struct IdleSide {
  std::optional<std::size_t> pool;  // among the steer's; none: all of them have a weight
  std::string why;
};

// `steer` is the name itself, not its preview name.
IdleSide idle_side(const Model& model, const config::Steer& steer);

// The same of a preview name; null for all others. {"of": "www.shop.example.", "pool": "green", "why": "..."}
boost::json::value preview_status(const Model& model, const config::Steer& preview);

// Why the name cannot be changed by itself; nothing when it is no preview name.
std::optional<Error> preview_objection(const config::Steer& steer);

}  // namespace sluice::control
