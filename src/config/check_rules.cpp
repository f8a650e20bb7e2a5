#include "config/check_rules.hpp"

#include <cctype>

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

}  // namespace

void complete_http(const SectionTable& section, Check& check, Errors& errors) {
  if (check.type != CheckType::http && check.type != CheckType::https) return;
  check_body(section, check, errors);
  if (check.type == CheckType::https) check_authorities(section, check, errors);
}

void complete_push(const SectionTable& section, Check& check, Errors& errors) {
  if (check.type != CheckType::push) return;
  if (!section.has("expiry")) check.expiry = intervals_to_expiry * check.interval;
  read_token_file(section, "token", check.token_file, check.token, errors);
}

}  // namespace sluice::config
