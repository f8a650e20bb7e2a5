#include "world.hpp"

#include <algorithm>

#include <valgrind/memcheck.h>

#include "../unit/answer/allocations.hpp"
#include "steer/layout.hpp"

namespace sluice::query_cases {
namespace {

// What the servers tell clients: the default of 10 s (RFC 7828, in units of 100 ms).
constexpr std::uint16_t idle_timeout = 100;

// The zone with the longest apex at or above a steered name gets it.
const ZoneText* zone_of(const Setup& setup, const wire::Name& name) {
  const ZoneText* best = nullptr;
  for (const auto& zone : setup.zones)
    if (name.is_subdomain_of(zone.apex) &&
        (best == nullptr || zone.apex.label_count() > best->apex.label_count()))
      best = &zone;
  return best;
}

bool leads_to_hosts(const Setup& setup, const SteerText& steer) {
  return std::any_of(setup.pools.begin(), setup.pools.end(), [&](const PoolText& pool) {
    return pool.name == steer.input.pools.front().pool && pool.candidates.front().destination.is_host();
  });
}

}  // namespace

std::unique_ptr<World> World::build(const Setup& setup, std::string& error) {
  std::unique_ptr<World> world(new World(setup.steers.size()));
  auto& block = *world->block_;
  for (const auto& pool : setup.pools)
    if (!block.publish_pool(pool.name, pool.candidates, pool.rules))
      return error = "the block is full", nullptr;

  for (const auto& one : setup.classes) block.add_class(one.name, one.prefixes);

  std::vector<steer::Offset> entries;
  for (const auto& steer : setup.steers) {
    entries.push_back(block.add_name(steer.input.name));
    auto input = steer.input;
    input.layout = steer::lay_out(steer.weights);
    if (!block.publish_table(entries.back(), input)) return error = "the block is full", nullptr;
  }

  std::vector<std::shared_ptr<const zone::Zone>> zones;
  for (const auto& zone : setup.zones) {
    std::vector<zone::Steered> steered;
    for (std::size_t i = 0; i < entries.size(); ++i)
      if (zone_of(setup, setup.steers[i].input.name) == &zone)
        steered.push_back({setup.steers[i].input.name, entries[i], leads_to_hosts(setup, setup.steers[i])});
    auto loaded = zone::load_text(zone.text, zone.apex.text() + "zone", zone.apex, steered);
    if (loaded.zone == nullptr) return error = to_text(loaded.errors), nullptr;
    zones.push_back(std::move(loaded.zone));
  }
  world->snapshot_.zones = zone::ZoneSet(std::move(zones));
  world->snapshot_.block = world->block_;
  world->snapshot_.pairs = std::make_shared<steer::PairTable>();
  world->snapshot_.policy = {.identity = answer::character_string(setup.policy.identity),
                             .version = answer::character_string(setup.policy.version),
                             .cookies = setup.policy.cookies,
                             .rate_limiter = {}};
  world->scratch_.now.unix_seconds = setup.policy.now;
  // Lives in the world, which outlives the servers.
  world->published_.publish({std::shared_ptr<void>(), &world->snapshot_});
  return world;
}

std::vector<std::uint8_t> World::ask(const Case& query, answer::Transport transport) {
  answer::Client client = query.client;
  client.transport = transport;
  if (transport != answer::Transport::udp) client.idle_timeout = idle_timeout;
  std::vector<std::uint8_t> reply(wire::message_size_max);
  static_cast<void>(VALGRIND_MAKE_MEM_UNDEFINED(reply.data(), reply.size()));
  const Quiescence::Section section(reader_);
  const std::uint64_t before = answer::test::allocations();
  const std::size_t size = answer::answer(snapshot_, scratch_, client, query.message, reply);
  allocations_ = answer::test::allocations() - before;
  unwritten_ = VALGRIND_CHECK_MEM_IS_DEFINED(reply.data(), size) != 0;
  reply.resize(size);
  return reply;
}

}  // namespace sluice::query_cases
