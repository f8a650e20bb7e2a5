#include "config/class_rules.hpp"

#include <map>

#include <fmt/format.h>

namespace sluice::config {
namespace {

// Which class a client is of has one answer.
void check_prefixes(std::span<const SectionTable> sections, const Config& config, Errors& errors) {
  struct First {
    const SectionTable* section;
    Position at;
  };
  std::map<Prefix, First> seen;
  std::size_t count = 0;
  for (const auto& section : sections) {
    if (section.row->section != Section::client_class || !section.given("prefixes")) continue;
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

// That there are such classes is looked at with what else refers to sections.
void check_routes(const SectionTable& section, const Steer& steer, Errors& errors) {
  if (!section.given("classes") || !section.given("pools")) return;
  for (const auto& [name, pool] : *section.value("classes").as_table()) {
    const auto& text = pool.ref<std::string>();
    if (steer.place_of(text)) continue;
    const auto names = fmt::format("{}", fmt::join(steer.pool_names(), ", "));
    errors.add(begin_of(pool),
               fmt::format("classes: '{}' is none of the name's pools, {}", shown(text), shown(names)));
  }
}

}  // namespace

void apply_class_rules(std::span<const SectionTable> sections, Config& config, Errors& errors) {
  check_prefixes(sections, config, errors);
  std::map<std::string_view, std::size_t> places;  // in the config
  for (std::size_t i = 0; i < config.classes.size(); ++i) places.emplace(config.classes[i].name, i);
  for (const auto& section : sections) {
    if (section.row->section != Section::steer || section.unreadable) continue;
    auto& steer = config.steers[section.index];
    check_routes(section, steer, errors);
    const auto place_of = [&](const ClassRoute& route) {
      const auto found = places.find(route.client_class);
      return found == places.end() ? places.size() : found->second;
    };
    std::sort(steer.routes.begin(), steer.routes.end(),
              [&](const auto& a, const auto& b) { return place_of(a) < place_of(b); });
  }
}

}  // namespace sluice::config
