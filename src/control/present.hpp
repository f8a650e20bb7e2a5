// What the pools of a steer get now, and by which rules. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "control/model.hpp"
#include "steer/redistribute.hpp"

namespace sluice::control {

// The pools of a steer, in its order, with shares by `layout`, caps and places among the standby pools;
// without grades.
std::vector<steer::Rated> unrated(const config::Config& config, const config::Steer& steer,
                                  const steer::Layout& layout);

// The same with their grades, in the eyes of one family.
std::vector<steer::Rated> rated(const Model& model, const config::Steer& steer, Family family);

// Families are decided apart. The shares are IPv4's, or IPv6's where no pool has IPv4.
struct Present {
  std::vector<double> shares;  // in the order of the steer's pools
  std::string rule;            // for a person: "weights", or what else made the shares; joined by "; "
};

Present present(const Model& model, const config::Steer& steer);

// How much of 1 pools would answer that are not alive, if the weights were these; in the eyes of one family.
double share_of_dead(const Model& model, const config::Steer& steer, const std::vector<double>& weights,
                     Family family);
// The same in the eyes of one family.
Present present(const Model& model, const config::Steer& steer, Family family);

}  // namespace sluice::control
