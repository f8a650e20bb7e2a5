// What is wrong with weights, in words for a person; empty when nothing is. Shared by pools of a steer and
// endpoints of a pool, by the config and the admin API.
#pragma once

#include <string>
#include <string_view>

namespace sluice::config {

std::string weight_complaint(std::string_view of, double weight);

// `sum` is that of at least one weight.
std::string sum_complaint(double sum);

}  // namespace sluice::config
