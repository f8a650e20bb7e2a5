#include "config/host_rules.hpp"

#include <map>
#include <set>

#include <fmt/format.h>

namespace sluice::config {
namespace {

using Sections = std::span<const SectionTable>;
using Pools = std::map<std::string_view, const Pool*>;

Pools sound_pools(const Config& config) {
  Pools pools;
  for (const auto& pool : config.pools)
    if (!pool.endpoints.empty()) pools.emplace(pool.name, &pool);
  return pools;
}

// Where a steer names a pool, with a weight or as standby.
Position named_at(const SectionTable& section, std::string_view pool) {
  if (const auto* weights = section.table->get_as<toml::table>("pools"))
    if (const auto found = weights->find(pool); found != weights->end()) return begin_of(found->first);
  if (const auto* standby = section.table->get_as<toml::array>("standby"))
    for (const auto& name : *standby)
      if (name.is_string() && name.ref<std::string>() == pool) return begin_of(name);
  return section.name_at;
}

// An answer is addresses or a CNAME, whichever pool gives it.
void complete_steer(const SectionTable& section, const Pools& pools, Steer& steer, Errors& errors) {
  const Pool* first = nullptr;
  for (const auto& part : steer.pools) {
    const auto found = pools.find(part.pool);
    if (found == pools.end()) continue;
    const Pool& pool = *found->second;
    if (first == nullptr) first = &pool;
    if (pool.has_hosts() == first->has_hosts()) continue;
    errors.add(named_at(section, pool.name),
               fmt::format("'{}' has {} and '{}' has {}; the pools of a name have one or the other",
                           shown(pool.name), pool.has_hosts() ? "host names" : "addresses",
                           shown(first->name), first->has_hosts() ? "host names" : "addresses"));
  }
  steer.to_hosts = first != nullptr && first->has_hosts();
}

// RFC 1034, 3.6.2: a CNAME stands alone, and there is one. What the zone has at the name, its loader knows.
void check_cname(const SectionTable& section, const Config& config, const std::set<wire::Name>& apexes,
                 Errors& errors) {
  const auto& steer = config.steers[section.index];
  if (apexes.contains(steer.name))
    errors.add(
        section.name_at,
        fmt::format("'{}' is the apex of a zone and has SOA and NS records; it cannot lead to hosts, as a "
                    "CNAME stands alone (RFC 1034, 3.6.2)",
                    shown(section.name)));
  if (steer.answers != 1)
    errors.add(
        section.value_at("answers"),
        fmt::format("answers: expected 1, as the pools have host names and a name has one CNAME, got {}",
                    steer.answers));
}

// The names that the CNAMEs of each name lead to, as far as these are steered to hosts themselves.
using Links = std::map<wire::Name, std::set<wire::Name>>;

Links links_of(const Config& config, const Pools& pools) {
  Links links;
  for (const auto& steer : config.steers)
    if (steer.to_hosts) links[steer.name];
  for (const auto& steer : config.steers) {
    if (!steer.to_hosts) continue;
    for (const auto& part : steer.pools) {
      const auto found = pools.find(part.pool);
      if (found == pools.end()) continue;
      for (const auto& endpoint : found->second->endpoints)
        if (const auto* host = endpoint.destination.host(); host && links.contains(*host))
          links[steer.name].insert(*host);
    }
  }
  return links;
}

// What is left are names in loops, and names that lead to those.
void drop_ends(Links& links) {
  std::map<wire::Name, std::vector<wire::Name>> back;
  std::vector<wire::Name> ends;
  for (const auto& [name, targets] : links) {
    for (const auto& target : targets) back[target].push_back(name);
    if (targets.empty()) ends.push_back(name);
  }
  while (!ends.empty()) {
    const auto end = ends.back();
    ends.pop_back();
    links.erase(end);
    for (const auto& name : back[end])
      if (links[name].erase(end) != 0 && links[name].empty()) ends.push_back(name);
  }
}

// "a.example. -> b.example. -> a.example.", or nothing when the name only leads to a loop.
std::string loop_from(const Links& links, const wire::Name& start, std::set<wire::Name>& told) {
  std::vector<wire::Name> path;
  std::set<wire::Name> seen;
  auto name = start;
  for (; seen.insert(name).second; name = *links.at(name).begin()) path.push_back(name);
  if (name != start || !told.insert(start).second) return "";
  std::string text;
  for (const auto& each : path) {
    told.insert(each);
    text += each.text() + " -> ";
  }
  return text + start.text();
}

// A resolver gives up on such a chain, and so do we after so many links; some draws may lead out of it,
// others never do. Wildcards and CNAMEs of zones are not looked at.
void check_loops(Sections sections, const Config& config, const Pools& pools, Errors& errors) {
  auto links = links_of(config, pools);
  drop_ends(links);
  std::set<wire::Name> told;
  for (const auto& section : sections) {
    if (section.row->section != Section::steer || section.unreadable) continue;
    const auto& name = config.steers[section.index].name;
    if (!links.contains(name) || told.contains(name)) continue;
    if (const auto loop = loop_from(links, name, told); !loop.empty())
      errors.add(section.name_at, fmt::format("its hosts lead back to the name itself: {}", loop));
  }
}

}  // namespace

void apply_host_rules(Sections sections, Config& config, Errors& errors) {
  const auto pools = sound_pools(config);
  std::set<wire::Name> apexes;
  for (const auto& zone : config.zones) apexes.insert(zone.apex);
  for (const auto& section : sections) {
    if (section.row->section != Section::steer || section.unreadable) continue;
    auto& steer = config.steers[section.index];
    complete_steer(section, pools, steer, errors);
    if (steer.to_hosts) check_cname(section, config, apexes, errors);
  }
  check_loops(sections, config, pools, errors);
}

}  // namespace sluice::config
