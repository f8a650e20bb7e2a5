#include "config/check_rules.hpp"

#include <algorithm>
#include <cctype>

#include "base/text.hpp"
#include "config/file_rules.hpp"
#include "config/pattern.hpp"

namespace sluice::config {
namespace {

constexpr unsigned intervals_to_expiry = 3;

void check_body(const SectionTable& section, const Check& check, Errors& errors) {
  if (section.has("body") && section.has("body_regex"))
    errors.add(section.value_at("body_regex"), "'body' and 'body_regex' exclude each other");
  const auto* key = section.has("body") ? "body" : "body_regex";
  if (section.has(key) && check.method == "HEAD")
    errors.add(section.value_at(key), fmt::format("{}: a response to HEAD has no body", key));
  if (!section.given("body_regex")) return;
  if (const auto pattern = Pattern::compile(check.body_regex); !pattern)
    errors.add(section.value_at("body_regex"), fmt::format("body_regex: {}", shown(pattern.error().message)));
}

void check_authorities(const SectionTable& section, Check& check, Errors& errors) {
  if (section.given("ca") && !check.verify)
    errors.add(section.value_at("ca"), "'ca' is of no use with verify = false");
  else
    read_authorities(section, check.ca, check.authorities, errors);
}

// The key's value is a duration, and does not fit the others.
void refuse_duration(const SectionTable& section, std::string_view key, const std::string& wanted,
                     Errors& errors) {
  errors.add(section.value_at(key), fmt::format("{}: expected {}, got \"{}\"", key, wanted,
                                                section.value(key).value_or(std::string_view{})));
}

void check_reporter(const toml::node& endpoint, std::string_view check, Errors& errors) {
  const auto* table = endpoint.as_table();
  for (const auto* key : {"check_address", "check_port"}) {
    if (table == nullptr || !table->contains(key)) continue;
    errors.add(begin_of(table->find(key)->first),
               fmt::format("'{}' is for endpoints that are probed; those with check '{}', of type \"push\", "
                           "report by themselves",
                           key, shown(check)));
  }
}

}  // namespace

void complete_http(const SectionTable& section, Check& check, Errors& errors) {
  if (check.type != CheckType::http && check.type != CheckType::https) return;
  check_body(section, check, errors);
  if (check.type == CheckType::https) check_authorities(section, check, errors);
}

void complete_push(const SectionTable& section, Check& check, Errors& errors) {
  if (check.type != CheckType::push) return;
  if (!section.has("expiry")) check.expiry = intervals_to_expiry * check.interval;
  if (section.given("expiry") && section.sound("interval") && check.expiry < check.interval)
    refuse_duration(section, "expiry", fmt::format("at least {} (the interval)", to_text(check.interval)),
                    errors);
  read_token_file(section, "token", check.token_file, check.token, errors);
}

void check_durations(const SectionTable& section, const Check& check, Errors& errors) {
  const bool has_timeout = section.sound("interval") && section.sound("timeout");
  if (section.given("slow") && has_timeout && *check.slow >= check.timeout)
    refuse_duration(section, "slow", fmt::format("less than {} (the timeout)", to_text(check.timeout)),
                    errors);
  if (section.given("hold_down") && section.sound("hold_down_max") && check.hold_down > check.hold_down_max)
    refuse_duration(section, "hold_down",
                    fmt::format("at most {} (hold_down_max)", to_text(check.hold_down_max)), errors);
}

void check_reporters(std::span<const SectionTable> sections, const Config& config, Errors& errors) {
  for (const auto& section : sections) {
    if (section.row->section != Section::pool || !section.given("check")) continue;
    const auto name = section.value("check").value_or(std::string_view{});
    const auto check = std::find_if(config.checks.begin(), config.checks.end(),
                                    [&](const Check& one) { return one.name == name; });
    const auto* endpoints = section.table->get_as<toml::array>("endpoints");
    if (check == config.checks.end() || check->type != CheckType::push || endpoints == nullptr) continue;
    for (const auto& endpoint : *endpoints) check_reporter(endpoint, name, errors);
  }
}

}  // namespace sluice::config
