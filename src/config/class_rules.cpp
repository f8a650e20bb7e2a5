#include "config/class_rules.hpp"

#include <map>

#include <fmt/format.h>

namespace sluice::config {
namespace {

using ClassPlaces = std::map<std::string_view, std::size_t>;  // in the config, by name

// Which class a client is of has one answer.
void check_prefixes(std::span<const SectionTable> sections, const Config& config, Errors& errors) {
  struct First {
    const SectionTable* section;
    Position at;
  };
  std::map<Prefix, First> seen;
  std::size_t count = 0;
  for (const auto& section : sections) {
    const bool is_class = section.row->section == Section::client_class;
    if (!is_class || !section.has("prefixes") || !section.sound("prefixes")) continue;
    const auto& prefixes = config.classes[section.index].prefixes;
    const auto& nodes = *section.table->get_as<toml::array>("prefixes");
    for (std::size_t i = 0; i < prefixes.size(); ++i) {
      const auto at = begin_of(*nodes.get(i));
      const auto [first, is_new] = seen.try_emplace(prefixes[i], First{&section, at});
      if (++count == class_prefixes_max + 1)
        errors.add(at, fmt::format("prefixes: expected at most {} in all classes", class_prefixes_max));
      if (is_new) continue;
      const auto& [before, position] = first->second;
      errors.add(at, fmt::format("prefixes: {} is given twice, first {}at {}:{}", to_text(prefixes[i]),
                                 before == &section ? "" : fmt::format("in {} ", before->header()),
                                 position.line, position.column));
    }
  }
}

bool has_pool(const Steer& steer, std::string_view name) {
  return std::any_of(steer.pools.begin(), steer.pools.end(),
                     [&](const PoolWeight& part) { return part.pool == name; });
}

void check_class(std::string_view name, const ClassPlaces& places, Position at, Errors& errors) {
  if (places.contains(name)) return;
  std::vector<std::string> names;
  for (const auto& [known, place] : places) names.emplace_back(known);
  std::string help = hint(name, names);
  if (help.empty() && names.empty()) help = "; there are no sections [class.NAME]";
  errors.add(at, fmt::format("there is no class '{}'{}", shown(name), help));
}

void check_routes(const SectionTable& section, const Steer& steer, const ClassPlaces& places,
                  Errors& errors) {
  const auto* table = section.table->get_as<toml::table>("classes");
  if (table == nullptr || !section.sound("classes")) return;
  std::vector<std::string> names;
  for (const auto& part : steer.pools) names.push_back(part.pool);
  for (const auto& [name, pool] : *table) {
    check_class(name.str(), places, begin_of(name), errors);
    const auto& text = pool.ref<std::string>();
    if (section.sound("pools") && section.has("pools") && !has_pool(steer, text))
      errors.add(begin_of(pool), fmt::format("classes: '{}' is none of the name's pools, {}", shown(text),
                                             shown(fmt::format("{}", fmt::join(names, ", ")))));
  }
}

}  // namespace

void apply_class_rules(std::span<const SectionTable> sections, Config& config, Errors& errors) {
  check_prefixes(sections, config, errors);
  ClassPlaces places;
  for (std::size_t i = 0; i < config.classes.size(); ++i) places.emplace(config.classes[i].name, i);
  for (const auto& section : sections) {
    if (section.row->section != Section::steer || section.unreadable) continue;
    auto& steer = config.steers[section.index];
    check_routes(section, steer, places, errors);
    const auto place_of = [&](const ClassRoute& route) {
      const auto found = places.find(route.client_class);
      return found == places.end() ? places.size() : found->second;
    };
    std::sort(steer.routes.begin(), steer.routes.end(),
              [&](const auto& a, const auto& b) { return place_of(a) < place_of(b); });
  }
}

}  // namespace sluice::config
