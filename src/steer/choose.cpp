#include "steer/choose.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <utility>

namespace sluice::steer {
namespace {

struct Runs {
  const SlotRun* begin;
  const SlotRun* end;
};

Runs runs_of(const Table& table) {
  const auto* runs = reinterpret_cast<const SlotRun*>(&table + 1);
  return {runs, runs + table.run_count};
}

const PoolRef& pool_of(const Table& table, unsigned index) {
  const std::size_t runs_bytes = (table.run_count * sizeof(SlotRun) + 7) / 8 * 8;
  return reinterpret_cast<const PoolRef*>(reinterpret_cast<const std::uint8_t*>(&table + 1) +
                                          runs_bytes)[index];
}

// A pool as it is now; `windows` is null when it has no address of the family.
struct Seen {
  const PoolRef* pool;
  const PoolView* view;
  const Windows* windows;

  bool alive() const { return windows != nullptr && windows->grade == Grade::alive; }
};

Seen look_at(const Block& block, const PoolRef& pool, Family family) {
  const auto* view =
      block.at<PoolView>(block.at<PoolEntry>(pool.entry)->view.load(std::memory_order_seq_cst));
  const Offset windows = view->families[static_cast<std::size_t>(family)];
  return {&pool, view, windows == 0 ? nullptr : block.at<Windows>(windows)};
}

// Hands the slots of a pool that is not alive to the pools of the best grade, unless its own is the best.
// Walks over the runs: this happens only while a pool is dead.
Seen redirect(const Block& block, const Table& table, std::uint32_t detour, Family family, const Seen& dead) {
  const Runs runs = runs_of(table);
  auto each = [&](auto visit) {
    std::uint32_t first = 0;
    for (const SlotRun* run = runs.begin; run != runs.end; ++run) {
      const std::uint32_t length = run->last + 1U - first;
      first = run->last + 1U;
      const Seen seen = look_at(block, pool_of(table, run->pool), family);
      if (seen.windows != nullptr && !visit(seen, length)) return;
    }
  };
  Grade best = dead.windows->grade;
  std::uint64_t slots = 0;  // of the best grade
  each([&](const Seen& seen, std::uint32_t length) {
    const Grade grade = seen.windows->grade;
    if (grade > best) best = grade, slots = 0;
    if (grade == best) slots += length;
    return true;
  });
  if (best == dead.windows->grade) return dead;

  auto target = static_cast<std::uint32_t>(slots * detour >> 32);
  Seen chosen = dead;
  each([&](const Seen& seen, std::uint32_t length) {
    if (seen.windows->grade != best) return true;
    chosen = seen;
    if (target < length) return false;
    target -= length;
    return true;
  });
  return chosen;
}

const Answer* window_at(const Block& block, const Windows& windows, std::uint16_t spot) {
  const auto* ranges = reinterpret_cast<const WindowRange*>(&windows + 1);
  const auto* found =
      std::lower_bound(ranges, ranges + windows.range_count, spot,
                       [](const WindowRange& range, std::uint16_t at) { return range.last < at; });
  return block.at<Answer>(found->answer);
}

InForce::Record first_record(const Answer& answer) {
  const wire::Bytes record(reinterpret_cast<const std::uint8_t*>(&answer + 1), answer.stride);
  const auto rdata = record.subspan(record_fixed_size);
  return {static_cast<wire::RrType>(record[2] << 8 | record[3]), {rdata.begin(), rdata.end()}};
}

// A window begins at each endpoint that is handed out, so that their first records are all of them.
void append_records(const Block& block, const Windows& windows, std::vector<InForce::Record>& records) {
  const auto* ranges = reinterpret_cast<const WindowRange*>(&windows + 1);
  for (unsigned i = 0; i < windows.range_count; ++i)
    records.push_back(first_record(*block.at<Answer>(ranges[i].answer)));
}

// The answer with the most spots, and how many those are: one answer may stand in several ranges.
std::pair<Offset, std::uint64_t> most_spots(const Windows& windows) {
  const auto* ranges = reinterpret_cast<const WindowRange*>(&windows + 1);
  std::map<Offset, std::uint64_t> spots;
  std::uint32_t first = 0;
  for (unsigned i = 0; i < windows.range_count; first = ranges[i].last + 1U, ++i)
    spots[ranges[i].answer] += ranges[i].last + 1U - first;
  return *std::max_element(spots.begin(), spots.end(),
                           [](const auto& a, const auto& b) { return a.second < b.second; });
}

// The pools with slots that are of the best Grade, each with its slots.
std::vector<std::pair<std::uint64_t, Seen>> best_pools(const Block& block, const Table& table,
                                                       Family family) {
  std::map<unsigned, std::uint64_t> slots;  // by pool
  const Runs runs = runs_of(table);
  std::uint32_t first = 0;
  for (const SlotRun* run = runs.begin; run != runs.end; first = run++->last + 1U)
    slots[run->pool] += run->last + 1U - first;

  std::vector<std::pair<std::uint64_t, Seen>> best;
  for (const auto& [pool, count] : slots) {
    const Seen seen = look_at(block, pool_of(table, pool), family);
    if (seen.windows == nullptr) continue;
    if (!best.empty() && seen.windows->grade > best.front().second.windows->grade) best.clear();
    if (best.empty() || seen.windows->grade == best.front().second.windows->grade)
      best.emplace_back(count, seen);
  }
  return best;
}

}  // namespace

InForce in_force(const Block& block, const Table& table, Family family) {
  InForce result{.records = {}, .ttl = table.ttl};
  std::uint64_t most = 0;  // draws that lead to one host
  for (const auto& [slots, seen] : best_pools(block, table, family)) {
    result.ttl = std::min(result.ttl, seen.view->ttl_max);
    if (!table.to_hosts()) {
      append_records(block, *seen.windows, result.records);
      continue;
    }
    // A name has one CNAME (RFC 2181, 10.1): that which most draws lead to.
    const auto [answer, spots] = most_spots(*seen.windows);
    if (slots * spots <= most) continue;
    most = slots * spots;
    result.records = {first_record(*block.at<Answer>(answer))};
  }
  std::sort(result.records.begin(), result.records.end());
  result.records.erase(std::unique(result.records.begin(), result.records.end()), result.records.end());
  return result;
}

Choice choose(const Block& block, const Table& table, Draw draw, Family family) {
  const Runs runs = runs_of(table);
  const auto* run =
      std::lower_bound(runs.begin, runs.end, draw.slot,
                       [](const SlotRun& candidate, std::uint16_t slot) { return candidate.last < slot; });
  Seen seen = look_at(block, pool_of(table, run->pool), family);
  if (seen.windows != nullptr && !seen.alive()) seen = redirect(block, table, draw.detour, family, seen);

  Choice choice;
  choice.counter = seen.pool->counter;
  choice.ttl = std::min(table.ttl, seen.view->ttl_max);
  if (seen.windows == nullptr) return choice;
  choice.answer = window_at(block, *seen.windows, draw.spot);
  choice.last_resort = !seen.alive();
  return choice;
}

Draw sticky_draw(const HashKey& key, const Address& client, const Table& table) {
  // Family, salt, address: 24 octets, three words.
  std::array<std::uint8_t, 24> input{};
  input[0] = static_cast<std::uint8_t>(client.family);
  std::memcpy(&input[4], &table.hash_salt, sizeof table.hash_salt);
  std::copy(client.octets.begin(), client.octets.end(), input.begin() + 8);
  return Draw::from_bits(keyed_hash(key, input));
}

Draw with_common_spot(Draw draw) {
  constexpr std::uint64_t odd1 = 0x9E3779B97F4A7C15, odd2 = 0xD6E8FEB86659FD93;
  const std::uint64_t kept = std::uint64_t{draw.detour} >> 16 << 16 | draw.slot;
  draw.spot = static_cast<std::uint16_t>(fold_multiply(kept ^ odd1, odd2) >> 32);
  return draw;
}

// An entry: 24 bits of the hash that are not its place, one bit for each question that has used the draw, and
// what of the draw decides the pool: the slot and the upper 16 bits of the detour.
Draw PairTable::pair(std::uint64_t hash, Question question, Draw fresh) {
  auto& entry = entries_[hash % size];
  const std::uint64_t tag = hash >> 40 << 40;
  const std::uint64_t used = std::uint64_t{1} << (32 + static_cast<unsigned>(question));
  const std::uint64_t any = std::uint64_t{0xF} << 32;

  const std::uint64_t old = entry.load(std::memory_order_relaxed);
  const bool completes = old >> 40 << 40 == tag && (old & any) != 0 && (old & used) == 0;
  if (completes) {
    entry.store(old | used, std::memory_order_relaxed);
    fresh.slot = static_cast<std::uint16_t>(old);
    fresh.detour = static_cast<std::uint32_t>(old >> 16 << 16);
    return fresh;
  }
  fresh.detour &= 0xFFFF0000;
  entry.store(tag | used | fresh.detour | fresh.slot, std::memory_order_relaxed);
  return fresh;
}

}  // namespace sluice::steer
