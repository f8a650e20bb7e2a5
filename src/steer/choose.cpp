#include "steer/choose.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <span>
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

std::span<const PoolRef> pools_of(const Table& table) {
  const std::size_t runs_bytes = (table.run_count * sizeof(SlotRun) + 7) / 8 * 8;
  const auto* pools =
      reinterpret_cast<const PoolRef*>(reinterpret_cast<const std::uint8_t*>(&table + 1) + runs_bytes);
  return {pools, table.pool_count};
}

// A pool as it is now; `windows` is null when it has no address of the family.
struct Seen {
  const PoolRef* pool;
  const PoolView* view;
  const Windows* windows;

  bool is(Grade grade) const { return windows != nullptr && windows->grade == grade; }
  bool alive() const { return is(Grade::alive); }
  bool loses_share() const { return windows != nullptr && !alive() && windows->keeps_share == 0; }
};

// They stand behind the pools.
const PoolRef& pool_of_route(const Table& table, Route route) {
  return pools_of(table).data()[table.pool_count + route];
}

Seen look_at(const Block& block, const PoolRef& pool, Family family) {
  const auto* view =
      block.at<PoolView>(block.at<PoolEntry>(pool.entry)->view.load(std::memory_order_seq_cst));
  const Offset windows = view->families[static_cast<std::size_t>(family)];
  return {&pool, view, windows == 0 ? nullptr : block.at<Windows>(windows)};
}

std::uint32_t ttl_of(const Table& table, const PoolView& view) {
  return std::max(std::min(table.ttl, view.ttl_max), table.ttl_min);
}

// What redistribute() does for all draws, for one draw of a pool that is not alive. Walks over the pools, a
// few times: this happens only while a pool is dead. Views may be published meanwhile; each look at a pool is
// good in itself, and a draw that finds no place because of that stays where it was.
class Redirection {
 public:
  Redirection(const Block& block, const Table& table, Family family)
      : block_(block), table_(table), family_(family) {
    for (const PoolRef& pool : pools_of(table)) {
      const Seen seen = look_at(block, pool, family);
      if (seen.alive()) alive_ += pool.slots;
      if (seen.is(Grade::dead)) dead_ += pool.slots;
      if (seen.loses_share()) lost_ += pool.slots;
    }
  }

  Seen from(const Seen& drawn, std::uint32_t detour) {
    left_ = std::uint64_t{lost_} << point_bits;
    point_ = std::uint64_t{detour} * lost_ >> (32 - point_bits);
    if (left_ == 0) return drawn;
    if (const auto taker = fill()) return *taker;
    if (!drawn.is(Grade::taken_out)) return drawn;
    const auto other = dead_ > 0 ? spread(Grade::dead, dead_) : spread(Grade::alive, alive_);
    return other ? *other : standby().value_or(drawn);
  }

 private:
  // Of a slot: so finely lost slots are handed out.
  static constexpr unsigned point_bits = 16;

  // The draw is a point of the lost slots; those that are alive take them one after the other.
  std::optional<Seen> fill() {
    std::uint64_t sharing = alive_;  // slots of those that have not had their part yet
    for (const PoolRef& pool : pools_of(table_)) {
      const Seen seen = look_at(block_, pool, family_);
      if (!seen.alive()) continue;
      const bool is_last = pool.slots == 0 || pool.slots >= sharing;
      const std::uint64_t part = is_last ? left_ : left_ * pool.slots / sharing;
      const std::uint64_t room = pool.cap > pool.slots ? pool.cap - pool.slots : 0;
      const std::uint64_t taken = std::min(part, room << point_bits);
      if (point_ < taken) return seen;
      point_ -= taken;
      left_ -= taken;
      sharing -= std::min<std::uint64_t>(sharing, pool.slots);
    }
    return std::nullopt;
  }

  // What is left, to the pools of a grade, which have so many slots.
  std::optional<Seen> spread(Grade grade, std::uint32_t slots) const {
    std::optional<Seen> last;
    std::uint64_t target = point_ * slots / left_;  // `point_` is less than `left_`
    for (const PoolRef& pool : pools_of(table_)) {
      const Seen seen = look_at(block_, pool, family_);
      if (!seen.is(grade) || pool.slots == 0) continue;
      last = seen;
      if (target < pool.slots) break;
      target -= pool.slots;
    }
    return last;
  }

  std::optional<Seen> standby() const {
    for (const Grade grade : {Grade::alive, Grade::dead})
      for (const PoolRef& pool : pools_of(table_))
        if (const Seen seen = look_at(block_, pool, family_); pool.slots == 0 && seen.is(grade)) return seen;
    return std::nullopt;
  }

  const Block& block_;
  const Table& table_;
  Family family_;
  std::uint32_t alive_ = 0, dead_ = 0, lost_ = 0;  // slots
  std::uint64_t left_ = 0, point_ = 0;             // in 1/65,536 of a slot
};

const Answer* window_at(const Block& block, const Windows& windows, std::uint16_t spot) {
  const auto* ranges = reinterpret_cast<const WindowRange*>(&windows + 1);
  const auto* found =
      std::lower_bound(ranges, ranges + windows.range_count, spot,
                       [](const WindowRange& range, std::uint16_t at) { return range.last < at; });
  return block.at<Answer>(found->answer);
}

inline Choice choice_from(const Block& block, const Seen& seen, std::uint16_t spot, std::uint32_t ttl) {
  Choice choice;
  choice.ttl = ttl;
  choice.counter = seen.pool->counter;
  if (seen.windows == nullptr) return choice;
  choice.answer = window_at(block, *seen.windows, spot);
  choice.last_resort = !seen.alive();
  return choice;
}

inline Choice choose_by_slot(const Block& block, const Table& table, Draw draw, Family family) {
  const Runs runs = runs_of(table);
  const auto* run =
      std::lower_bound(runs.begin, runs.end, draw.slot,
                       [](const SlotRun& candidate, std::uint16_t slot) { return candidate.last < slot; });
  Seen seen = look_at(block, pools_of(table)[run->pool], family);
  std::uint32_t ttl = ttl_of(table, *seen.view);
  if (seen.loses_share()) {
    seen = Redirection(block, table, family).from(seen, draw.detour);
    // It may be about to come back, as the other may be about to go.
    ttl = std::min(ttl, ttl_of(table, *seen.view));
  }
  return choice_from(block, seen, draw.spot, ttl);
}

bool is_route_open(const Block& block, const Seen& led, Family family) {
  if (led.windows != nullptr) return led.alive();
  const Offset other = led.view->families[family == Family::v4 ? 1 : 0];
  return other != 0 && block.at<Windows>(other)->grade == Grade::alive;
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

// The pools that get something now, each with its share.
std::vector<std::pair<double, Seen>> answering_pools(const Block& block, const Table& table, Family family) {
  std::vector<Seen> seen;
  std::vector<Rated> rated;
  for (const PoolRef& pool : pools_of(table)) {
    seen.push_back(look_at(block, pool, family));
    Rated one{.share = static_cast<double>(pool.slots) / slot_count,
              .cap = static_cast<double>(pool.cap) / slot_count,
              .standby = pool.slots > 0 ? 0 : static_cast<unsigned>(seen.size())};
    if (const Windows* windows = seen.back().windows) {
      one.grade = windows->grade;
      one.keeps_share = windows->keeps_share != 0;
    }
    rated.push_back(one);
  }
  const auto now = shares_after_health(rated);
  std::vector<std::pair<double, Seen>> answering;
  for (std::size_t i = 0; i < seen.size(); ++i)
    if (now[i] > 0 && seen[i].windows != nullptr) answering.emplace_back(now[i], seen[i]);
  return answering;
}

}  // namespace

InForce in_force(const Block& block, const Table& table, Family family) {
  InForce result{.records = {}, .ttl = table.ttl};
  double most = 0;  // draws that lead to one host
  for (const auto& [share, seen] : answering_pools(block, table, family)) {
    result.ttl = std::min(result.ttl, ttl_of(table, *seen.view));
    if (!table.to_hosts()) {
      append_records(block, *seen.windows, result.records);
      continue;
    }
    // A name has one CNAME (RFC 2181, 10.1): that which most draws lead to.
    const auto [answer, spots] = most_spots(*seen.windows);
    const double draws = share * static_cast<double>(spots);
    if (draws <= most) continue;
    most = draws;
    result.records = {first_record(*block.at<Answer>(answer))};
  }
  std::sort(result.records.begin(), result.records.end());
  result.records.erase(std::unique(result.records.begin(), result.records.end()), result.records.end());
  return result;
}

PoolInForce pool_in_force(const Block& block, const Table& table, unsigned pool, Family family) {
  const Seen seen = look_at(block, pools_of(table).data()[pool], family);
  PoolInForce result{seen.pool->counter, {}, {}};
  if (seen.windows == nullptr) return result;
  result.grade = seen.windows->grade;
  const auto* ranges = reinterpret_cast<const WindowRange*>(seen.windows + 1);
  std::map<InForce::Record, std::uint32_t> spots;
  std::uint32_t first = 0;
  for (unsigned i = 0; i < seen.windows->range_count; first = ranges[i++].last + 1U)
    spots[first_record(*block.at<Answer>(ranges[i].answer))] += ranges[i].last + 1U - first;
  for (const auto& [record, count] : spots)
    result.parts.push_back({record, static_cast<double>(count) / slot_count});
  return result;
}

std::vector<InForce::Record> records_of(const Choice& choice) {
  std::vector<InForce::Record> records;
  if (choice.answer == nullptr) return records;
  const auto* octets = reinterpret_cast<const std::uint8_t*>(choice.answer + 1);
  for (unsigned i = 0; i < choice.answer->record_count; ++i) {
    const wire::Bytes record(octets + std::size_t{i} * choice.answer->stride, choice.answer->stride);
    const auto rdata = record.subspan(record_fixed_size);
    records.push_back({static_cast<wire::RrType>(record[2] << 8 | record[3]), {rdata.begin(), rdata.end()}});
  }
  return records;
}

Choice choose(const Block& block, const Table& table, Draw draw, Family family, Route route) {
  if (route == no_route) return choose_by_slot(block, table, draw, family);
  const Seen led = look_at(block, pool_of_route(table, route), family);
  const bool is_open = is_route_open(block, led, family);
  const std::uint32_t ttl = ttl_of(table, *led.view);
  Choice choice =
      is_open ? choice_from(block, led, draw.spot, ttl) : choose_by_slot(block, table, draw, family);
  choice.by_route = is_open;
  choice.ttl = std::min(choice.ttl, ttl);  // when it is not alive, it may be about to come back
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
