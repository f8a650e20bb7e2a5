#include "steer/layout.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

namespace sluice::steer {
namespace {

void append(Layout& layout, Run run) {
  if (run.length == 0) return;
  if (!layout.empty() && layout.back().pool == run.pool) {
    layout.back().length += run.length;
  } else {
    layout.push_back(run);
  }
}

std::vector<std::uint32_t> held(const Layout& layout, std::size_t pools) {
  std::vector<std::uint32_t> slots(pools);
  for (const Run& run : layout)
    if (run.pool < pools) slots[run.pool] += run.length;
  return slots;
}

bool gains(std::uint16_t pool, std::span<const std::uint32_t> wanting) {
  return pool < wanting.size() && wanting[pool] > 0;
}

// Takes what a run has too much: at the end that touches a gaining pool, so that the gain joins its
// neighbour; else at the end nearer to the tail.
Layout release(const Layout& old, std::vector<std::uint32_t>& surplus,
               std::span<const std::uint32_t> wanting) {
  Layout result;
  // Two passes: first the runs beside a gaining pool give, then the others, from the tail on.
  std::vector<std::uint32_t> from_front(old.size()), from_back(old.size());
  auto give = [&](std::size_t i, std::vector<std::uint32_t>& side) {
    const Run& run = old[i];
    if (run.pool >= surplus.size()) return;
    const auto amount = std::min(surplus[run.pool], run.length - from_front[i] - from_back[i]);
    side[i] += amount;
    surplus[run.pool] -= amount;
  };
  for (std::size_t i = old.size(); i-- > 0;) {
    if (i + 1 < old.size() && gains(old[i + 1].pool, wanting)) give(i, from_back);
    if (i > 0 && gains(old[i - 1].pool, wanting)) give(i, from_front);
  }
  for (std::size_t i = old.size(); i-- > 0;) give(i, from_back);
  for (std::size_t i = 0; i < old.size(); ++i) {
    append(result, {no_pool, from_front[i]});
    append(result, {old[i].pool < surplus.size() ? old[i].pool : no_pool,
                    old[i].length - from_front[i] - from_back[i]});
    append(result, {no_pool, from_back[i]});
  }
  return result;
}

// Gives free runs to the pools that want slots: first to neighbours, then to whoever still wants, in the
// pools' order.
Layout assign(const Layout& released, std::vector<std::uint32_t>& wanting) {
  Layout result;
  for (std::size_t i = 0; i < released.size(); ++i) {
    Run free = released[i];
    if (free.pool != no_pool) {
      append(result, free);
      continue;
    }
    auto take = [&](std::uint16_t pool) {
      const auto amount = std::min(wanting[pool], free.length);
      wanting[pool] -= amount;
      free.length -= amount;
      return Run{pool, amount};
    };
    if (!result.empty() && gains(result.back().pool, wanting)) append(result, take(result.back().pool));
    // What the right-hand neighbour gets stands beside it, at the end.
    Run right{0, 0};
    if (i + 1 < released.size() && gains(released[i + 1].pool, wanting)) right = take(released[i + 1].pool);
    for (std::uint16_t pool = 0; pool < wanting.size() && free.length > 0; ++pool) append(result, take(pool));
    append(result, right);
  }
  return result;
}

}  // namespace

std::vector<std::uint32_t> apportion(std::span<const double> weights) {
  // Divided by the greatest first, so that no sum overflows.
  const double greatest = *std::max_element(weights.begin(), weights.end());
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0,
                                     [&](double total, double weight) { return total + weight / greatest; });
  std::vector<std::uint32_t> slots(weights.size());
  std::vector<std::pair<double, std::size_t>> remainders;
  std::int64_t left = slot_count;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0) continue;
    const double exact = weights[i] / greatest / sum * slot_count;
    slots[i] = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(std::floor(exact)));
    left -= slots[i];
    remainders.emplace_back(exact - slots[i], i);
  }
  std::stable_sort(remainders.begin(), remainders.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  for (std::size_t i = 0; left > 0; i = (i + 1) % remainders.size(), --left) ++slots[remainders[i].second];
  // Many tiny weights that were rounded up to one slot: the greatest gives.
  for (; left < 0; ++left) --*std::max_element(slots.begin(), slots.end());
  return slots;
}

Layout lay_out(std::span<const double> weights) {
  Layout layout;
  const auto slots = apportion(weights);
  for (std::size_t pool = 0; pool < slots.size(); ++pool)
    append(layout, {static_cast<std::uint16_t>(pool), slots[pool]});
  return layout;
}

Layout relay(const Layout& old, std::span<const double> weights, std::size_t runs) {
  const auto due = apportion(weights);
  const auto now = held(old, due.size());
  std::vector<std::uint32_t> surplus(due.size()), wanting(due.size());
  for (std::size_t pool = 0; pool < due.size(); ++pool) {
    surplus[pool] = now[pool] > due[pool] ? now[pool] - due[pool] : 0;
    wanting[pool] = due[pool] > now[pool] ? due[pool] - now[pool] : 0;
  }
  const Layout released = release(old, surplus, wanting);
  Layout layout = assign(released, wanting);
  return layout.size() <= runs ? layout : lay_out(weights);
}

std::vector<double> shares(const Layout& layout, std::size_t pools) {
  std::vector<double> result(pools);
  for (const auto& run : layout)
    if (run.pool < pools) result[run.pool] += static_cast<double>(run.length) / slot_count;
  return result;
}

std::string to_text(const Layout& layout, std::span<const std::string> pools) {
  std::string text;
  for (const Run& run : layout)
    text += fmt::format("{}{}:{}", text.empty() ? "" : " ", pools[run.pool], run.length);
  return text;
}

std::optional<Layout> parse_layout(std::string_view text, std::span<const std::string> pools) {
  Layout layout;
  std::uint64_t sum = 0;
  while (!text.empty()) {
    const auto word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    const auto colon = word.rfind(':');
    if (colon == std::string_view::npos) return {};
    const auto pool = std::find(pools.begin(), pools.end(), word.substr(0, colon));
    std::uint32_t length = 0;
    const auto [end, error] = std::from_chars(word.data() + colon + 1, word.data() + word.size(), length);
    if (error != std::errc{} || end != word.data() + word.size() || length == 0) return {};
    append(layout,
           {pool == pools.end() ? no_pool : static_cast<std::uint16_t>(pool - pools.begin()), length});
    sum += length;
  }
  if (sum != slot_count || layout.size() > runs_max) return {};
  return layout;
}

}  // namespace sluice::steer
