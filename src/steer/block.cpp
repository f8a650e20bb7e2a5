#include "steer/block.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <new>
#include <set>

namespace sluice::steer {
namespace {

// Address space, not memory: a table and its share of pools take a few hundred octets, and old ones may wait
// for readers.
constexpr std::size_t bytes_per_name = 8 * 1024;
constexpr std::size_t bytes_at_least = std::size_t{64} << 20;

// More windows than this in a pool are laid out afresh when its health changes, instead of moving only what
// must move.
constexpr std::size_t window_runs_max = 1024;

constexpr std::size_t rounded_up(std::size_t bytes) { return (bytes + 7) / 8 * 8; }

// The record that sends a client there.
struct RecordData {
  wire::RrType type;
  wire::Bytes rdata;
};

RecordData record_of(const wire::Destination& destination) {
  if (const wire::Name* host = destination.host()) return {wire::RrType::cname, host->wire()};
  const Address& address = *destination.address();
  return {address.family == Family::v4 ? wire::RrType::a : wire::RrType::aaaa, address.bytes()};
}

bool has_hosts(std::span<const Candidate> candidates) {
  return std::any_of(candidates.begin(), candidates.end(),
                     [](const Candidate& candidate) { return candidate.destination.is_host(); });
}

std::uint32_t whole_slots(double part) { return static_cast<std::uint32_t>(std::lround(part * slot_count)); }

// As far as the table knows them.
std::vector<Rated> rated_pools(const SteerInput& input) {
  std::vector<Rated> pools;
  const auto own = shares(input.layout, input.pools.size());
  for (std::size_t i = 0; i < own.size(); ++i)
    pools.push_back(
        {.share = own[i], .cap = input.pools[i].cap, .standby = own[i] > 0 ? 0 : input.pools[i].standby});
  return pools;
}

// Stable over versions: sticky clients keep their slots when the daemon is upgraded.
std::uint32_t salt_of(const wire::Name& name) {
  return static_cast<std::uint32_t>(keyed_hash({}, name.wire()));
}

}  // namespace

std::size_t usual_capacity(std::size_t names) { return std::max(bytes_at_least, names * bytes_per_name); }

Block::Block(Quiescence& quiescence, std::size_t names, std::size_t capacity_bytes)
    : arena_(quiescence, capacity_bytes) {
  const std::size_t places = std::bit_ceil(std::max<std::size_t>(2 * names, 2));
  const Offset header = arena_.allocate(sizeof(Header));
  const Offset index = arena_.allocate(places * sizeof(Offset));
  *arena_.at<Header>(header) = {index, static_cast<std::uint32_t>(places - 1)};
}

Offset Block::add_name(const wire::Name& name) {
  const wire::Bytes wire = name.wire();
  const Offset offset = arena_.allocate(sizeof(NameEntry) + wire.size());
  auto* entry = arena_.at<NameEntry>(offset);
  entry->name_length = static_cast<std::uint32_t>(wire.size());
  entry->hash = wire::hash_name(wire);
  std::copy(wire.begin(), wire.end(), reinterpret_cast<std::uint8_t*>(entry + 1));

  const auto* header = arena_.at<Header>(0);
  auto* index = arena_.at<Offset>(header->index);
  auto place = static_cast<std::uint32_t>(entry->hash) & header->index_mask;
  while (index[place] != 0) place = (place + 1) & header->index_mask;
  index[place] = offset;
  return offset;
}

const NameEntry* Block::find(wire::Bytes name) const {
  const auto* header = at<Header>(0);
  const auto* index = at<Offset>(header->index);
  const std::uint64_t hash = wire::hash_name(name);
  for (auto place = static_cast<std::uint32_t>(hash) & header->index_mask; index[place] != 0;
       place = (place + 1) & header->index_mask) {
    const auto* entry = at<NameEntry>(index[place]);
    if (entry->hash == hash && entry->name_length == name.size() &&
        std::memcmp(entry + 1, name.data(), name.size()) == 0)
      return entry;
  }
  return nullptr;
}

bool Block::publish_pool(const std::string& name, std::span<const Candidate> candidates,
                         const PoolRules& rules) {
  return all_or_nothing([&] {
    Pool& pool = pools_[name];
    std::vector<Offset> views;
    for (const Size& size : pool.sizes) views.push_back(compile_view(candidates, rules, size.answers));
    pool.candidates.assign(candidates.begin(), candidates.end());
    pool.rules = rules;
    for (std::size_t i = 0; i < views.size(); ++i)
      retire_view(
          arena_.at<PoolEntry>(pool.sizes[i].entry)->view.exchange(views[i], std::memory_order_seq_cst));
  });
}

bool Block::publish_table(Offset offset, const SteerInput& input) {
  return all_or_nothing([&] {
    const Offset table = compile_table(input.name, input);
    const Offset old = arena_.at<NameEntry>(offset)->table.exchange(table, std::memory_order_seq_cst);
    if (old != 0) arena_.retire(old);
  });
}

Offset Block::allocate(std::size_t bytes) { return fresh_.emplace_back(arena_.allocate(bytes)); }

// Runs a function that allocates and, as its last act, publishes. When memory runs out on the way, what it
// had is freed.
template <class Function>
bool Block::all_or_nothing(Function function) {
  arena_.reclaim();
  fresh_.clear();
  try {
    function();
    return true;
  } catch (const std::bad_alloc&) {
    for (; !fresh_.empty(); fresh_.pop_back()) arena_.free(fresh_.back());
    return false;
  }
}

Offset Block::pool_entry(const std::string& name, unsigned answers) {
  Pool& pool = pools_[name];
  for (const Size& size : pool.sizes)
    if (size.answers == answers) return size.entry;
  const Offset view = compile_view(pool.candidates, pool.rules, answers);
  const Offset entry = allocate(sizeof(PoolEntry));
  arena_.at<PoolEntry>(entry)->view.store(view, std::memory_order_seq_cst);
  pool.sizes.push_back({answers, entry});
  fresh_.clear();  // the entry stays, whatever becomes of the table that asked for it
  return entry;
}

void Block::add_class(const std::string& name, std::span<const Prefix> prefixes) {
  classes_[name].assign(prefixes.begin(), prefixes.end());
}

// Most names that have routes have them for the same classes, and share the table.
Offset Block::prefix_table(std::span<const RouteInput> routes) {
  if (routes.empty()) return 0;
  std::vector<std::string> names;
  for (const RouteInput& route : routes) names.push_back(route.client_class);
  if (const auto found = prefix_tables_.find(names); found != prefix_tables_.end()) return found->second;
  std::vector<TargetedPrefix> prefixes;
  for (std::uint16_t route = 0; route < names.size(); ++route)
    for (const Prefix& prefix : classes_[names[route]]) prefixes.push_back({prefix, route});
  const auto compiled = compile_prefixes(prefixes);
  const Offset offset = allocate(compiled.size() * sizeof compiled.front());
  std::copy(compiled.begin(), compiled.end(), arena_.at<std::uint64_t>(offset));
  prefix_tables_.emplace(std::move(names), offset);
  fresh_.clear();  // it stays, whatever becomes of the table that asked for it
  return offset;
}

Offset Block::compile_table(const wire::Name& name, const SteerInput& input) {
  const auto rated = rated_pools(input);
  std::vector<PoolRef> pools;
  std::vector<std::uint16_t> place(input.pools.size());  // of each pool among those
  for (const std::size_t i : filling_order(rated)) {
    place[i] = static_cast<std::uint16_t>(pools.size());
    const PoolInput& pool = input.pools[i];
    pools.push_back({.entry = pool_entry(pool.pool, input.answers),
                     .counter = pool.counter,
                     .slots = whole_slots(rated[i].share),
                     .cap = whole_slots(pool.cap)});
  }
  const std::size_t pool_count = pools.size();
  for (const RouteInput& route : input.routes)
    pools.push_back(
        {.entry = pool_entry(route.pool, input.answers), .counter = route.counter, .slots = 0, .cap = 0});
  const Offset prefixes = prefix_table(input.routes);

  const std::size_t runs_bytes = rounded_up(input.layout.size() * sizeof(SlotRun));
  const Offset offset = allocate(sizeof(Table) + runs_bytes + pools.size() * sizeof(PoolRef));
  auto* table = arena_.at<Table>(offset);
  *table = {.ttl = input.ttl,
            .method = input.method,
            .subnet_v4 = input.subnet_v4,
            .subnet_v6 = input.subnet_v6,
            .flags = table_flags(input),
            .run_count = static_cast<std::uint16_t>(input.layout.size()),
            .pool_count = static_cast<std::uint16_t>(pool_count),
            .hash_salt = salt_of(name),
            .ttl_min = std::min(input.ttl, input.ttl_min),
            .prefixes = prefixes};
  auto* run = reinterpret_cast<SlotRun*>(table + 1);
  std::uint32_t end = 0;
  for (const Run& part : input.layout) {
    end += part.length;
    *run++ = {static_cast<std::uint16_t>(end - 1), place[part.pool]};
  }
  std::copy(pools.begin(), pools.end(),
            reinterpret_cast<PoolRef*>(reinterpret_cast<std::uint8_t*>(table + 1) + runs_bytes));
  return offset;
}

std::uint8_t Block::table_flags(const SteerInput& input) const {
  bool v4 = false, v6 = false;
  for (const PoolInput& pool : input.pools) {
    const auto found = pools_.find(pool.pool);
    if (found == pools_.end()) continue;
    const auto& candidates = found->second.candidates;
    if (has_hosts(candidates)) return Table::leads_to_hosts;
    v4 = v4 || !of_family(candidates, Family::v4).empty();
    v6 = v6 || !of_family(candidates, Family::v6).empty();
  }
  return v4 && v6 ? Table::has_both_families : 0;
}

Offset Block::compile_view(std::span<const Candidate> candidates, const PoolRules& rules, unsigned answers) {
  // RFC 2181, 10.1: a name has one CNAME.
  const bool hosts = has_hosts(candidates);
  const Offset v4 = compile_windows(candidates, rules, Family::v4, hosts ? 1 : answers);
  const Offset v6 = hosts ? v4 : compile_windows(candidates, rules, Family::v6, answers);
  const Offset offset = allocate(sizeof(PoolView));
  *arena_.at<PoolView>(offset) = {.ttl_max = rules.ttl_max, .reserved = 0, .families = {v4, v6}};
  return offset;
}

Offset Block::compile_windows(std::span<const Candidate> candidates, const PoolRules& rules, Family family,
                              unsigned answers) {
  const auto members = of_family(candidates, family);
  if (members.empty()) return 0;
  const Selection selection = select(members, rules);

  // A window starts at each chosen endpoint and goes on around the ring of the chosen ones.
  std::vector<wire::Destination> ring;
  std::vector<std::size_t> place(members.size());
  for (std::size_t i = 0; i < members.size(); ++i) {
    place[i] = ring.size();
    if (selection.chosen[i] > 0) ring.push_back(members[i].destination);
  }
  const std::size_t width = std::min<std::size_t>(answers, ring.size());
  std::vector<Offset> windows;
  for (std::size_t start = 0; start < ring.size(); ++start) {
    std::vector<wire::Destination> window;
    for (std::size_t i = 0; i < width; ++i) window.push_back(ring[(start + i) % ring.size()]);
    windows.push_back(compile_answer(window));
  }
  // The spots of an endpoint that is out go to the others, so that sticky clients of the living stay where
  // they are.
  const Layout spots = relay(lay_out(selection.all), selection.chosen, window_runs_max);
  const Offset offset = allocate(sizeof(Windows) + spots.size() * sizeof(WindowRange));
  auto* header = arena_.at<Windows>(offset);
  header->range_count = static_cast<std::uint16_t>(spots.size());
  header->grade = selection.grade;
  header->keeps_share = selection.keeps_share ? 1 : 0;
  auto* range = reinterpret_cast<WindowRange*>(header + 1);
  std::uint32_t end = 0;
  for (const Run& run : spots) {
    end += run.length;
    *range++ = {static_cast<std::uint16_t>(end - 1), 0, windows[place[run.pool]]};
  }
  return offset;
}

// All of one type, and so of one size; a host stands alone.
Offset Block::compile_answer(std::span<const wire::Destination> window) {
  const auto [type, first_rdata] = record_of(window.front());
  const std::size_t stride = record_fixed_size + first_rdata.size();
  const Offset offset = allocate(sizeof(Answer) + window.size() * stride);
  auto* answer = arena_.at<Answer>(offset);
  *answer = {.length = static_cast<std::uint16_t>(window.size() * stride),
             .signed_length = 0,
             .record_count = static_cast<std::uint16_t>(window.size()),
             .stride = static_cast<std::uint16_t>(stride),
             .flags = type == wire::RrType::cname ? answer_is_cname : 0,
             .checksum = 0};
  // Owner: a pointer to the question's name. Class IN, TTL 0 until it is copied (RFC 1035, 4.1.3).
  const std::uint8_t fixed[record_fixed_size] = {0xC0,
                                                 wire::header_size,
                                                 static_cast<std::uint8_t>(static_cast<unsigned>(type) >> 8),
                                                 static_cast<std::uint8_t>(type),
                                                 0,
                                                 1,
                                                 0,
                                                 0,
                                                 0,
                                                 0,
                                                 0,
                                                 static_cast<std::uint8_t>(first_rdata.size())};
  auto* at = reinterpret_cast<std::uint8_t*>(answer + 1);
  for (const wire::Destination& destination : window) {
    const wire::Bytes rdata = record_of(destination).rdata;
    at = std::copy(std::begin(fixed), std::end(fixed), at);
    at = std::copy(rdata.begin(), rdata.end(), at);
  }
  return offset;
}

void Block::retire_view(Offset offset) {
  const auto& families = at<PoolView>(offset)->families;
  for (const Offset windows :
       std::set<Offset>(std::begin(families), std::end(families))) {  // may be the same
    if (windows == 0) continue;
    const auto* header = at<Windows>(windows);
    const auto* ranges = reinterpret_cast<const WindowRange*>(header + 1);
    std::set<Offset> answers;  // one may stand in several ranges
    for (unsigned i = 0; i < header->range_count; ++i) answers.insert(ranges[i].answer);
    for (const Offset answer : answers) arena_.retire(answer);
    arena_.retire(windows);
  }
  arena_.retire(offset);
}

}  // namespace sluice::steer
