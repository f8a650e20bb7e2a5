#include "config/preview_rules.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace sluice::config {
namespace {

// What the two have in common is how an answer looks; what makes one pool take over from another does not
// hold, as a tester asks for one side and no other.
Steer preview_steer(const Steer& steer, wire::Name name) {
  Steer preview = steer;
  preview.name = std::move(name);
  for (auto& part : preview.pools) part.weight = 0;
  preview.standby.clear();
  preview.routes.clear();
  preview.overflow = 0;
  preview.ttl = steer.ttl_min;  // so that who has looked at one side soon sees the other
  preview.rollout.clear();
  preview.safety = {};
  preview.preview = false;
  preview.preview_of = steer.name;
  return preview;
}

// Why a name cannot have a preview name; empty: it can.
std::string preview_complaint(const Steer& steer, const std::map<wire::Name, Position>& steered,
                              const std::set<wire::Name>& apexes) {
  if (steer.name.is_wildcard()) return "preview: a wildcard has no preview name";
  const auto name = preview_name(steer.name);
  if (!name) return fmt::format("preview: {}", shown(name.error().message));
  if (const auto other = steered.find(*name); other != steered.end())
    return fmt::format("preview: {} is a steered name itself, at {}:{}", shown(name->text()),
                       other->second.line, other->second.column);
  if (apexes.contains(*name))
    return fmt::format("preview: {} is the apex of another zone", shown(name->text()));
  return "";
}

}  // namespace

Result<wire::Name> preview_name(const wire::Name& name) {
  return wire::Name::parse(name.is_root() ? "preview." : "preview." + name.text());
}

void check_previews(std::span<const SectionTable> sections, Config& config, Errors& errors) {
  if (std::ranges::none_of(config.steers, &Steer::preview)) return;
  std::map<wire::Name, Position> steered;
  std::set<wire::Name> apexes;
  for (const auto& steer : config.steers) steered.emplace(steer.name, steer.at);
  for (const auto& zone : config.zones) apexes.insert(zone.apex);
  for (const auto& section : sections) {
    if (section.row->section != Section::steer || section.unreadable) continue;
    auto& steer = config.steers[section.index];
    if (!steer.preview) continue;
    const auto why = preview_complaint(steer, steered, apexes);
    if (!why.empty()) errors.add(section.value_at("preview"), why);
    // A name that stands there twice, which is an error of its own, has the preview of the first one.
    steer.preview = why.empty() && steered.at(steer.name) == steer.at;
  }
}

void add_previews(Config& config) {
  const auto count = config.steers.size();
  for (std::size_t i = 0; i < count; ++i)
    if (config.steers[i].preview)
      config.steers.push_back(preview_steer(config.steers[i], preview_name(config.steers[i].name).value()));
}

}  // namespace sluice::config
