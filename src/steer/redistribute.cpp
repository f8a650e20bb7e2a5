#include "steer/redistribute.hpp"

#include <algorithm>
#include <cmath>

#include "steer/layout.hpp"

namespace sluice::steer {
namespace {

// Less than one draw in all of them: what rounding has left.
constexpr double negligible = 1e-12;

bool has_grade(const Rated& pool, Grade grade) { return pool.grade == grade; }

bool loses(const Rated& pool) { return pool.grade && !has_grade(pool, Grade::alive) && !pool.keeps_share; }

// Hands `lost` to those that are alive; what they cannot take is returned.
double fill(std::span<const Rated> pools, Redistribution& result) {
  double sharing = 0;  // of the pools that have not had their part yet
  for (const Rated& pool : pools) sharing += has_grade(pool, Grade::alive) ? pool.share : 0;
  double left = result.lost;
  for (const std::size_t i : filling_order(pools)) {
    const Rated& pool = pools[i];
    if (!has_grade(pool, Grade::alive)) continue;
    const bool shares = pool.share > 0;
    const double part = shares && pool.share < sharing ? left * pool.share / sharing : left;
    const double taken = std::clamp(pool.cap - pool.share, 0.0, part);
    if (shares) sharing -= pool.share;
    result.shares[i] += taken;
    (shares ? result.to_sharing : result.to_standby) += taken;
    left -= taken;
    if (left < negligible) return 0;
  }
  return left;
}

// In proportion, to the pools of a grade that have a share; false when there is none.
bool spread(std::span<const Rated> pools, Grade grade, double amount, std::vector<double>& shares) {
  double sum = 0;
  for (const Rated& pool : pools) sum += has_grade(pool, grade) ? pool.share : 0;
  if (sum <= 0) return false;
  for (std::size_t i = 0; i < pools.size(); ++i)
    if (has_grade(pools[i], grade)) shares[i] += amount * pools[i].share / sum;
  return true;
}

// What nobody may take of the share of pools that were taken out.
void hand_on(std::span<const Rated> pools, double amount, Redistribution& result) {
  if (spread(pools, Grade::dead, amount, result.shares)) {
    result.to_dead += amount;
    return;
  }
  if (spread(pools, Grade::alive, amount, result.shares)) {
    result.beyond_caps += amount;
    return;
  }
  for (const Grade grade : {Grade::alive, Grade::dead})
    for (const std::size_t i : filling_order(pools))
      if (has_grade(pools[i], grade)) {
        result.shares[i] += amount;
        (grade == Grade::alive ? result.beyond_caps : result.to_dead) += amount;
        return;
      }
  spread(pools, Grade::taken_out, amount, result.shares);
  result.to_taken_out += amount;
}

}  // namespace

Redistribution redistribute(std::span<const Rated> pools) {
  Redistribution result;
  for (const Rated& pool : pools) {
    result.shares.push_back(loses(pool) ? 0 : pool.share);
    if (loses(pool)) result.lost += pool.share;
  }
  if (result.lost <= 0) return result;
  const double left = fill(pools, result);
  double taken_out = 0;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    if (!loses(pools[i])) continue;
    const double rest = left * pools[i].share / result.lost;
    if (has_grade(pools[i], Grade::taken_out)) {
      taken_out += rest;
    } else {
      result.shares[i] += rest;
      result.to_dead += rest;
    }
  }
  if (taken_out > 0) hand_on(pools, taken_out, result);
  return result;
}

std::vector<std::size_t> filling_order(std::span<const Rated> pools) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < pools.size(); ++i)
    if (pools[i].share > 0 || pools[i].standby > 0) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t left, std::size_t right) {
    const Rated &a = pools[left], &b = pools[right];
    if ((a.share > 0) != (b.share > 0)) return a.share > 0;
    return a.share > 0 ? a.cap * b.share < b.cap * a.share : a.standby < b.standby;
  });
  return order;
}

double cap_of(double share, bool standby, double overflow, double max_share) {
  if (share <= 0 && !standby) return 0;
  const double cap = standby || overflow <= 0 ? max_share : std::min(max_share, overflow * share);
  return std::round(cap * slot_count) / slot_count;
}

}  // namespace sluice::steer
