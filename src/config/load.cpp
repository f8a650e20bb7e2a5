// Loading: text -> TOML -> sections in the order of the file -> values by the rows of the schema -> rules
// between keys.
#include <algorithm>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/document.hpp"
#include "config/preview_rules.hpp"
#include "config/rules.hpp"
#include "config/schema.hpp"
#include "config/value.hpp"

namespace sluice::config {
namespace {

constexpr std::size_t name_size_max = 63;  // of checks, analyses, receivers, hooks, presets, pools and
                                           // classes: a column of `status`, a label of a metric

bool fits_name(std::string_view text) {
  return !text.empty() && text.size() <= name_size_max && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
  });
}

// The TOML value of each row's default, by row; parsed once.
const toml::node* fallback_of(const KeyRow& row) {
  static const auto all = [] {
    std::map<const KeyRow*, toml::table> tables;
    for (const auto& each : key_rows())
      if (!each.fallback.empty()) tables[&each] = toml::parse(fmt::format("value = {}", each.fallback));
    return tables;
  }();
  const auto found = all.find(&row);
  return found == all.end() ? nullptr : found->second.get("value");
}

class Loader {
 public:
  Loader(const std::string& file, Errors& errors)
      : errors_(errors), reader_(std::filesystem::path(file).parent_path(), errors) {
    config_.file = file;
  }

  // The errors tell whether what is returned is of any use.
  Config load(const toml::table& root) {
    list_sections(root);
    for (auto& section : sections_) read_section(section);
    apply_rules(sections_, config_, errors_);
    drop_unreadable();
    add_previews(config_);
    return std::move(config_);
  }

 private:
  void list_sections(const toml::table& root);
  void list_named(const SectionRow& row, const toml::table& names);
  void report_unknown(const toml::key& key, const toml::node& value);
  void read_section(SectionTable& section);
  void report_unknown_keys(const SectionTable& section);
  void read_key(SectionTable& section, const KeyRow& row, Target target);
  Target add_target(SectionTable& section);
  wire::Name read_domain(SectionTable& section);
  void check_name(SectionTable& section);
  void drop_unreadable();

  Errors& errors_;
  ValueReader reader_;
  Config config_;
  std::vector<SectionTable> sections_;
};

// --- which sections there are ---

void Loader::report_unknown(const toml::key& key, const toml::node& value) {
  std::vector<std::string> names;
  for (const auto& row : section_rows()) names.emplace_back(row.name);
  const auto name = shown(key.str());
  const auto meant = hint(key.str(), names);
  if (value.is_table() || !meant.empty()) {
    errors_.add(begin_of(key),
                fmt::format("unknown section [{}]{}", name,
                            meant.empty() ? fmt::format("; known are {}", fmt::join(names, ", ")) : meant));
    return;
  }
  const auto home = std::find_if(key_rows().begin(), key_rows().end(),
                                 [&](const KeyRow& row) { return row.key == key.str(); });
  errors_.add(begin_of(key),
              fmt::format("'{}' stands before any section{}", name,
                          home == key_rows().end()
                              ? ""
                              : fmt::format("; it belongs below {}", row_of(home->section).header)));
}

void Loader::list_sections(const toml::table& root) {
  for (const auto& [key, value] : root) {
    const auto row = std::find_if(section_rows().begin(), section_rows().end(),
                                  [name = key.str()](const SectionRow& each) { return each.name == name; });
    if (row == section_rows().end())
      report_unknown(key, value);
    else if (!value.is_table())
      errors_.add(begin_of(key),
                  fmt::format("{}: expected the section {}, got {}", key.str(), row->header, kind_of(value)));
    else if (row->named)
      list_named(*row, *value.as_table());
    else
      sections_.push_back({&*row, std::string(key.str()), begin_of(key), value.as_table()});
  }
  for (const auto& row : section_rows())
    if (row.required && !root.contains(row.name))
      errors_.add({}, fmt::format("the section {} is missing", row.header));
  std::sort(sections_.begin(), sections_.end(), [](const SectionTable& a, const SectionTable& b) {
    return std::pair(a.name_at.line, a.name_at.column) < std::pair(b.name_at.line, b.name_at.column);
  });
}

void Loader::list_named(const SectionRow& row, const toml::table& names) {
  if (names.empty() && row.required)
    errors_.add(begin_of(names), fmt::format("expected at least one section {}", row.header));
  for (const auto& [key, value] : names) {
    if (value.is_table())
      sections_.push_back({&row, std::string(key.str()), begin_of(key), value.as_table()});
    else
      errors_.add(begin_of(key), fmt::format("'{}' in [{}]: expected a section {}, got {}", shown(key.str()),
                                             row.name, row.header, kind_of(value)));
  }
}

// --- what is in them ---

// [zone.shop.example] is three keys to TOML: the name as it was meant, when the section looks like that.
std::optional<std::string> unquoted_name(const SectionTable& section) {
  if (!section.row->named) return std::nullopt;
  std::string name = section.name;
  const toml::table* table = section.table;
  while (table->size() == 1 && table->begin()->second.is_table() &&
         !find_key(section.row->section, table->begin()->first.str())) {
    name += fmt::format(".{}", table->begin()->first.str());
    table = table->begin()->second.as_table();
  }
  return table == section.table ? std::nullopt : std::optional(name);
}

void Loader::read_section(SectionTable& section) {
  const auto target = add_target(section);
  if (const auto name = unquoted_name(section)) {
    errors_.add(section.name_at, fmt::format("a name with dots stands in quotes: [{}.\"{}\"]",
                                             section.row->name, shown(*name)));
    section.unreadable = true;
    return;
  }
  report_unknown_keys(section);
  for (const auto& row : key_rows())
    if (row.section == section.row->section) read_key(section, row, target);
}

void Loader::report_unknown_keys(const SectionTable& section) {
  std::vector<std::string> known;
  for (const auto& row : key_rows())
    if (row.section == section.row->section) known.emplace_back(row.key);
  for (const auto& [key, value] : *section.table) {
    if (find_key(section.row->section, key.str())) continue;
    const auto meant = hint(key.str(), known);
    errors_.add(begin_of(key),
                fmt::format("unknown key '{}' in {}{}", shown(key.str()), section.header(),
                            meant.empty() ? fmt::format("; known are {}", fmt::join(known, ", ")) : meant));
  }
}

void Loader::read_key(SectionTable& section, const KeyRow& row, Target target) {
  const auto* given = section.table->get(row.key);
  if (!given && row.required)
    errors_.add(begin_of(*section.table),
                fmt::format("{} has no '{}'; expected {}", section.header(), row.key, expected(row)));
  const auto* node = given ? given : fallback_of(row);
  if (!node) return;
  if (auto value = reader_.read(row, *node))
    row.set(target, *std::move(value), begin_of(*node));
  else
    section.faulty.push_back(row.key);
}

// Makes room in the config for what the section describes, under its name.
Target Loader::add_target(SectionTable& section) {
  const auto at_end = [&section](auto& all) {
    section.index = all.size();
    return &all.emplace_back();
  };
  const auto named = [&](auto& all) {
    check_name(section);
    auto* one = at_end(all);
    one->name = section.name;
    return one;
  };
  switch (section.row->section) {
    case Section::server:
      return &config_.server;
    case Section::admin:
      return &config_.admin;
    case Section::cookies:
      return &config_.cookies;
    case Section::rate_limit:
      return &config_.rate_limit.emplace();
    case Section::tcp:
      return &config_.tcp;
    case Section::tls:
      return &config_.tls.emplace();
    case Section::zone: {
      auto* zone = at_end(config_.zones);
      zone->apex = read_domain(section);
      return zone;
    }
    case Section::key: {
      auto* key = at_end(config_.keys);
      key->name = read_domain(section);
      return key;
    }
    case Section::check:
      return named(config_.checks);
    case Section::analysis:
      return named(config_.analyses);
    case Section::notify:
      return named(config_.receivers);
    case Section::hook:
      return named(config_.hooks);
    case Section::rollout:
      return named(config_.presets);
    case Section::safety:
      return &config_.safety;
    case Section::pool:
      return named(config_.pools);
    case Section::client_class:
      return named(config_.classes);
    case Section::steer: {
      auto* steer = at_end(config_.steers);
      steer->name = read_domain(section);
      steer->at = section.name_at;
      return steer;
    }
  }
  return &config_.server;
}

std::string what_is_named(const SectionRow& row) {
  if (row.section == Section::notify) return "a receiver";
  return fmt::format("{} {}", row.section == Section::analysis ? "an" : "a", row.name);
}

wire::Name Loader::read_domain(SectionTable& section) {
  auto name = wire::Name::parse(section.name);
  if (name && !(section.row->section == Section::zone && name->is_wildcard())) return *std::move(name);
  section.unreadable = true;
  errors_.add(section.name_at,
              name ? fmt::format("'{}' is a wildcard; expected the apex of a zone", shown(section.name))
                   : shown(name.error().message));
  return {};
}

void Loader::check_name(SectionTable& section) {
  if (fits_name(section.name)) return;
  errors_.add(section.name_at,
              fmt::format("'{}' is no name of {}: expected 1 to {} letters, digits, '-', '_' and '.'",
                          shown(section.name), what_is_named(*section.row), name_size_max));
}

// Zones and steers without a name, and zones without a file: nothing more can be found out about them.
void Loader::drop_unreadable() {
  for (auto section = sections_.rbegin(); section != sections_.rend(); ++section) {
    const auto at = static_cast<std::ptrdiff_t>(section->index);
    const bool is_zone = section->row->section == Section::zone;
    if (is_zone && (section->unreadable || config_.zones[section->index].file.empty()))
      config_.zones.erase(config_.zones.begin() + at);
    if (section->row->section == Section::steer && section->unreadable)
      config_.steers.erase(config_.steers.begin() + at);
  }
}

LoadResult load_checked(std::string_view text, const std::string& file) {
  Errors errors(file);
  const auto root = parse_document(text, errors);
  if (!root) return {std::nullopt, errors.take(), {}};
  auto config = Loader(file, errors).load(*root);
  config.index();
  if (errors.count() != 0) return {std::nullopt, errors.take(), std::move(config)};
  return {std::move(config), {}, {}};
}

LoadResult failed(const std::string& file, std::string message) {
  return {std::nullopt, {{file, {}, std::move(message)}}, {}};
}

}  // namespace

LoadResult load_text(std::string_view text, const std::string& file) {
  try {
    return load_checked(text, file);
  } catch (const std::exception& error) {  // such as no memory
    return failed(file, fmt::format("cannot read the config: {}", error.what()));
  }
}

LoadResult load(const std::string& file) {
  const auto text = read_config(file);
  if (!text) return failed(file, text.error().message);
  return load_text(*text, file);
}

}  // namespace sluice::config
