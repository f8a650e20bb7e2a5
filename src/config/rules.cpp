#include "config/rules.hpp"

#include <filesystem>
#include <map>
#include <set>

#include <sys/un.h>

#include "base/file.hpp"
#include "base/text.hpp"
#include "config/analysis_rules.hpp"
#include "config/check_rules.hpp"
#include "config/class_rules.hpp"
#include "config/file_rules.hpp"
#include "config/host_rules.hpp"
#include "config/preview_rules.hpp"
#include "config/rollout_rules.hpp"

namespace sluice::config {
namespace {

using Sections = std::span<const SectionTable>;

constexpr std::size_t socket_path_max = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::size_t secret_file_size_max = 4096;
constexpr std::size_t receivers_max = 32;  // each has a queue, and asks by itself
constexpr std::uint16_t http_port = 80, https_port = 443;
constexpr Duration timeout_default = std::chrono::seconds(1);
constexpr Duration analysis_timeout_default = std::chrono::seconds(10);
constexpr Duration ttl_min_default = std::chrono::seconds(1);

const SectionTable* find_section(Sections sections, Section kind) {
  const auto found = std::find_if(sections.begin(), sections.end(),
                                  [=](const SectionTable& section) { return section.row->section == kind; });
  return found == sections.end() ? nullptr : &*found;
}

std::vector<std::string> names_of(Sections sections, Section kind) {
  std::vector<std::string> names;
  for (const auto& section : sections)
    if (section.row->section == kind) names.push_back(section.name);
  return names;
}

// --- [server], [admin] ---

void complete_admin(Sections sections, Config& config, Errors& errors) {
  if (config.admin.socket.empty())
    config.admin.socket = (std::filesystem::path(config.server.state) / "admin.sock").string();
  if (config.admin.socket.size() <= socket_path_max) return;
  // Where the path comes from: the socket's own key, the state folder's, or else the name of the config.
  Position at;
  if (const auto* server = find_section(sections, Section::server); server && server->has("state"))
    at = server->value_at("state");
  if (const auto* admin = find_section(sections, Section::admin); admin && admin->has("socket"))
    at = admin->value_at("socket");
  errors.add(at, fmt::format("socket: the path of a Unix socket has at most {} octets, got '{}'",
                             socket_path_max, shown(config.admin.socket)));
}

// --- [tls] ---

// On one port there is either TCP or TLS.
void check_listeners_apart(const Config& config, Errors& errors) {
  if (!config.tls) return;
  const auto& plain = config.server;
  for (std::size_t i = 0; i < config.tls->listen.size(); ++i) {
    const auto& address = config.tls->listen[i];
    const auto same = std::find(plain.listen.begin(), plain.listen.end(), address);
    if (same == plain.listen.end() || address.port == 0) continue;
    const auto [line, column] = plain.listen_at[static_cast<std::size_t>(same - plain.listen.begin())];
    errors.add(
        config.tls->listen_at[i],
        fmt::format("listen: {} is given for UDP and TCP at {}:{}; TLS needs a port of its own, such as 853",
                    to_text(address), line, column));
  }
}

// --- [check.NAME], [analysis.NAME] ---

// The value of a string, or its default.
std::string as_written(const SectionTable& section, std::string_view key) {
  if (!section.has(key)) return std::string(find_key(section.row->section, key)->fallback);
  return fmt::format("\"{}\"", section.value(key).value_or(std::string_view{}));
}

// `asked` has an interval and a timeout.
void complete_timeout(const SectionTable& section, auto& asked, Duration fallback, Errors& errors) {
  if (!section.sound("interval") || !section.sound("timeout")) return;
  if (!section.has("timeout"))
    asked.timeout = std::min(fallback, asked.interval);
  else if (asked.timeout > asked.interval)
    errors.add(section.value_at("timeout"),
               fmt::format("timeout: expected at most {} (the interval), got {}",
                           as_written(section, "interval"), as_written(section, "timeout")));
}

void check_only_for(const SectionTable& section, std::string_view kind, std::string_view type,
                    Errors& errors) {
  for (const auto& row : key_rows()) {
    const auto& types = row.only_for;
    if (row.section != section.row->section || types.empty()) continue;
    if (std::find(types.begin(), types.end(), type) != types.end()) continue;
    if (const auto found = section.table->find(row.key); found != section.table->end())
      errors.add(begin_of(found->first), fmt::format("'{}' is for {} of type {}, this one is \"{}\"", row.key,
                                                     kind, either_of(types), type));
  }
}

void complete_check(const SectionTable& section, Check& check, Errors& errors) {
  complete_timeout(section, check, timeout_default, errors);
  if (!section.has("clear")) check.clear = 2 * check.fall;
  if (!section.has("type") || !section.sound("type")) return;
  const auto type = section.value("type").value_or(std::string_view{});
  check_only_for(section, "checks", type, errors);
  complete_http(section, check, errors);
  complete_push(section, check, errors);
  check_durations(section, check, errors);
  if (check.type == CheckType::exec && !section.has("command"))
    errors.add(begin_of(*section.table), fmt::format("{} has no 'command'; expected {}", section.header(),
                                                     expected(*find_key(Section::check, "command"))));
  if (section.has("port")) return;
  switch (check.type) {
    case CheckType::http:
      check.port = http_port;
      break;
    case CheckType::https:
      check.port = https_port;
      break;
    case CheckType::tcp:
    case CheckType::agent:
      errors.add(begin_of(*section.table),
                 fmt::format("{} has no 'port'; {} {} check needs one, 1 to 65535", section.header(),
                             check.type == CheckType::agent ? "an" : "a", type));
      break;
    case CheckType::push:
    case CheckType::exec:
    case CheckType::none:
      break;
  }
}

// To all else their pools are pools without a check.
void drop_checks_of_type_none(Config& config) {
  std::set<std::string_view> none;
  for (const auto& check : config.checks)
    if (check.type == CheckType::none) none.insert(check.name);
  for (auto& pool : config.pools)
    if (pool.check && none.contains(*pool.check)) pool.check.reset();
}

void complete_analysis_section(const SectionTable& section, Analysis& analysis, Errors& errors) {
  complete_timeout(section, analysis, analysis_timeout_default, errors);
  if (!section.has("type") || !section.sound("type")) return;
  check_only_for(section, "analyses", section.value("type").value_or(std::string_view{}), errors);
  complete_analysis(section, analysis, errors);
}

// --- [notify.NAME], [hook.NAME] ---

void complete_receiver(const SectionTable& section, Receiver& receiver, Errors& errors) {
  complete_signed_server(section, receiver, errors);
  if (section.index == receivers_max)
    errors.add(section.name_at, fmt::format("expected at most {} sections [notify.NAME]", receivers_max));
}

// --- [key."NAME"] ---

void read_secret_file(const SectionTable& section, Key& key, Errors& errors) {
  const auto refuse = [&](const Error& error) {
    errors.add(section.value_at("secret_file"),
               fmt::format("secret_file: {}: {}", shown(key.secret_file), error.message));
  };
  const auto text = read_file(key.secret_file, secret_file_size_max);
  if (!text) return refuse(text.error());
  if (auto parsed = parse_secret(without_space_around(*text)))
    key.secret = *std::move(parsed);
  else
    refuse(parsed.error());
}

void complete_key(const SectionTable& section, Key& key, Errors& errors) {
  const bool in_config = section.has("secret"), in_file = section.has("secret_file");
  if (in_config && in_file)
    errors.add(section.value_at("secret_file"), "'secret' and 'secret_file' exclude each other");
  else if (!in_config && !in_file)
    errors.add(begin_of(*section.table),
               fmt::format("{} has no 'secret'; expected one, or a 'secret_file'", section.header()));
  else if (in_file && section.sound("secret_file"))
    read_secret_file(section, key, errors);
}

// --- [zone."NAME"], [steer."NAME"] ---

// One name in two spellings is two keys to TOML.
void check_twice(Sections sections, Section kind, const auto& name_of, Errors& errors) {
  std::map<wire::Name, const SectionTable*> seen;
  for (const auto& section : sections) {
    if (section.row->section != kind || section.unreadable) continue;
    const auto [first, is_new] = seen.try_emplace(name_of(section.index), &section);
    if (is_new) continue;
    const auto& [line, column] = first->second->name_at;
    errors.add(section.name_at, fmt::format("{} is the same name as {} at {}:{}", section.header(),
                                            first->second->header(), line, column));
  }
}

bool is_within(const std::set<wire::Name>& apexes, wire::Name name) {
  while (!apexes.contains(name)) {
    if (name.is_root()) return false;
    name = name.parent();
  }
  return true;
}

void check_steers_in_zones(Sections sections, const Config& config, Errors& errors) {
  const bool all_zones_known =
      std::none_of(sections.begin(), sections.end(), [](const SectionTable& section) {
        return section.row->section == Section::zone && section.unreadable;
      });
  // Without all zones it cannot be said which names are outside; that there is none is an error of its own.
  if (config.zones.empty() || !all_zones_known) return;
  std::set<wire::Name> apexes;
  for (const auto& zone : config.zones) apexes.insert(zone.apex);
  for (const auto& section : sections) {
    if (section.row->section != Section::steer || section.unreadable) continue;
    const auto& name = config.steers[section.index].name;
    if (!is_within(apexes, name))
      errors.add(
          section.name_at,
          fmt::format("'{}' is outside every zone; expected a name at or below the apex of one, such as {}",
                      shown(section.name), config.zones[0].apex.text()));
  }
}

// --- [steer."NAME"] ---

void complete_ttl_min(const SectionTable& section, Steer& steer, Errors& errors) {
  if (!section.sound("ttl") || !section.sound("ttl_min")) return;
  if (!section.has("ttl_min"))
    steer.ttl_min = std::min(ttl_min_default, steer.ttl);
  else if (steer.ttl_min > steer.ttl)
    errors.add(section.value_at("ttl_min"),
               fmt::format("ttl_min: expected at most {} (the ttl), got {}", as_written(section, "ttl"),
                           as_written(section, "ttl_min")));
}

void complete_standby(const SectionTable& section, Steer& steer, Errors& errors) {
  std::set<std::string_view> known;
  for (const auto& part : steer.pools) known.insert(part.pool);
  std::vector<PoolWeight> added;
  for (const auto& pool : steer.standby)
    if (!known.contains(pool)) added.push_back({pool, 0});
  steer.pools.insert(steer.pools.end(), added.begin(), added.end());
  if (steer.pools.size() > steer_pools_max)
    errors.add(section.value_at("standby"),
               fmt::format("standby: expected at most {} pools together with 'pools', got {}",
                           steer_pools_max, steer.pools.size()));
}

// Below 1 it would say that a pool may have less than it has.
void check_overflow(const SectionTable& section, const Steer& steer, Errors& errors) {
  if (section.has("overflow") && section.sound("overflow") && steer.overflow > 0 && steer.overflow < 1)
    errors.add(section.value_at("overflow"),
               fmt::format("overflow: expected 0 (no limit) or at least 1 (takes nothing over), got {}",
                           steer.overflow));
}

void complete_steer(const SectionTable& section, const Safety& usual, Steer& steer, Errors& errors) {
  complete_ttl_min(section, steer, errors);
  complete_standby(section, steer, errors);
  check_overflow(section, steer, errors);
  complete_safety(section, usual, steer, errors);
}

// --- what refers to what ---

void check_reference(std::string_view kind, const std::string& name, Position at,
                     const std::vector<std::string>& names, const std::set<std::string_view>& known,
                     Errors& errors) {
  if (known.contains(name)) return;
  std::string help = hint(name, names);
  if (help.empty() && names.empty()) help = fmt::format("; there are no sections [{}.NAME]", kind);
  errors.add(at, fmt::format("there is no {} '{}'{}", kind, shown(name), help));
}

// Names of keys are domain names: the same in any case, with or without a final dot.
void check_key_references(Sections sections, const Config& config, Errors& errors) {
  const auto names = names_of(sections, Section::key);
  const auto check = [&](const std::optional<wire::Name>& key, Position at) {
    const auto is_it = [&](const Key& one) { return one.name == key; };
    if (!key || std::any_of(config.keys.begin(), config.keys.end(), is_it)) return;
    auto text = key->text();
    if (!key->is_root()) text.pop_back();
    check_reference("key", text, at, names, {}, errors);
  };
  for (const auto& zone : config.zones) {
    for (const auto& rule : zone.transfer) check(rule.key, rule.key_at);
    for (const auto& target : zone.notify) check(target.key, target.key_at);
  }
}

void check_references(Sections sections, Errors& errors) {
  const auto checks = names_of(sections, Section::check), pools = names_of(sections, Section::pool),
             analyses = names_of(sections, Section::analysis), presets = names_of(sections, Section::rollout),
             classes = names_of(sections, Section::client_class);
  const std::set<std::string_view> known_checks(checks.begin(), checks.end()),
      known_pools(pools.begin(), pools.end()), known_analyses(analyses.begin(), analyses.end()),
      known_presets(presets.begin(), presets.end()), known_classes(classes.begin(), classes.end());
  for (const auto& section : sections) {
    if (section.row->section == Section::pool && section.has("check") && section.sound("check"))
      check_reference("check", section.value("check").value_or(std::string{}), section.value_at("check"),
                      checks, known_checks, errors);
    if (section.row->section == Section::rollout)
      if (const auto* watching = section.table->get_as<toml::array>("analysis"))
        for (const auto& name : *watching)
          if (name.is_string())
            check_reference("analysis", name.ref<std::string>(), begin_of(name), analyses, known_analyses,
                            errors);
    if (section.row->section != Section::steer) continue;
    if (section.has("rollout") && section.sound("rollout"))
      check_reference("rollout", section.value("rollout").value_or(std::string{}),
                      section.value_at("rollout"), presets, known_presets, errors);
    const auto check_pool = [&](std::string_view name, Position at) {
      check_reference("pool", std::string(name), at, pools, known_pools, errors);
    };
    if (const auto* weights = section.table->get_as<toml::table>("pools"))
      for (const auto& [key, value] : *weights) check_pool(key.str(), begin_of(key));
    if (const auto* standby = section.table->get_as<toml::array>("standby"))
      for (const auto& name : *standby)
        if (name.is_string()) check_pool(name.ref<std::string>(), begin_of(name));
    const auto* routes = section.table->get_as<toml::table>("classes");
    if (routes != nullptr && section.sound("classes"))
      for (const auto& [name, pool] : *routes)
        check_reference("class", std::string(name.str()), begin_of(name), classes, known_classes, errors);
  }
}

}  // namespace

std::string SectionTable::header() const {
  if (!row->named) return fmt::format("[{}]", row->name);
  const bool quoted = row->header.find('"') != std::string_view::npos;
  return fmt::format(fmt::runtime(quoted ? "[{}.\"{}\"]" : "[{}.{}]"), row->name, shown(name));
}

void apply_rules(Sections sections, Config& config, Errors& errors) {
  complete_admin(sections, config, errors);
  check_listeners_apart(config, errors);
  for (const auto& section : sections)
    if (section.row->section == Section::check) complete_check(section, config.checks[section.index], errors);
  for (const auto& section : sections)
    if (section.row->section == Section::analysis)
      complete_analysis_section(section, config.analyses[section.index], errors);
  for (const auto& section : sections)
    if (section.row->section == Section::notify)
      complete_receiver(section, config.receivers[section.index], errors);
  for (const auto& section : sections)
    if (section.row->section == Section::hook)
      complete_signed_server(section, config.hooks[section.index], errors);
  for (const auto& section : sections)
    if (section.row->section == Section::rollout) check_preset(section, errors);
  for (const auto& section : sections)
    if (section.row->section == Section::key && !section.unreadable)
      complete_key(section, config.keys[section.index], errors);
  check_twice(
      sections, Section::key, [&](std::size_t i) { return config.keys[i].name; }, errors);
  check_twice(
      sections, Section::zone, [&](std::size_t i) { return config.zones[i].apex; }, errors);
  check_twice(
      sections, Section::steer, [&](std::size_t i) { return config.steers[i].name; }, errors);
  check_steers_in_zones(sections, config, errors);
  for (const auto& section : sections)
    if (section.row->section == Section::steer && !section.unreadable)
      complete_steer(section, config.safety, config.steers[section.index], errors);
  check_references(sections, errors);
  check_reporters(sections, config, errors);
  drop_checks_of_type_none(config);
  check_key_references(sections, config, errors);
  apply_class_rules(sections, config, errors);
  apply_host_rules(sections, config, errors);
  check_previews(sections, config, errors);
}

}  // namespace sluice::config
