#include "config/check_rules.hpp"

#include <cctype>

#include "base/file.hpp"
#include "base/text.hpp"
#include "config/authorities.hpp"
#include "config/pattern.hpp"

namespace sluice::config {
namespace {

// A system's whole store has a quarter of it.
constexpr std::size_t authorities_size_max = 1 << 20;

constexpr std::size_t token_file_size_max = 4096;

constexpr unsigned intervals_to_expiry = 3;

bool given(const SectionTable& section, std::string_view key) {
  return section.has(key) && section.sound(key);
}

void check_body(const SectionTable& section, const Check& check, Errors& errors) {
  if (section.has("body") && section.has("body_regex"))
    errors.add(section.value_at("body_regex"), "'body' and 'body_regex' exclude each other");
  const auto* key = section.has("body") ? "body" : "body_regex";
  if (section.has(key) && check.method == "HEAD")
    errors.add(section.value_at(key), fmt::format("{}: a response to HEAD has no body", key));
  if (!given(section, "body_regex")) return;
  if (const auto pattern = Pattern::compile(check.body_regex); !pattern)
    errors.add(section.value_at("body_regex"), fmt::format("body_regex: {}", shown(pattern.error().message)));
}

void read_authorities(const SectionTable& section, Check& check, Errors& errors) {
  if (!given(section, "ca")) return;
  const auto at = section.value_at("ca");
  if (!check.verify) return errors.add(at, "'ca' is of no use with verify = false");
  const auto refuse = [&](const Error& error) {
    errors.add(at, fmt::format("ca: {}: {}", shown(check.ca), error.message));
  };
  auto text = read_file(check.ca, authorities_size_max);
  if (!text) return refuse(text.error());
  if (const auto certificates = parse_certificates(*text); !certificates) return refuse(certificates.error());
  check.authorities = SharedText(*std::move(text));
}

void read_token_file(const SectionTable& section, Check& check, Errors& errors) {
  const auto refuse = [&](const Error& error) {
    errors.add(section.value_at("token_file"),
               fmt::format("token_file: {}: {}", shown(check.token_file), error.message));
  };
  const auto text = read_file(check.token_file, token_file_size_max);
  if (!text) return refuse(text.error());
  auto token = parse_token(without_space_around(*text));
  if (!token) return refuse(token.error());
  check.token = *std::move(token);
}

}  // namespace

void complete_http(const SectionTable& section, Check& check, Errors& errors) {
  if (check.type != CheckType::http && check.type != CheckType::https) return;
  check_body(section, check, errors);
  if (check.type == CheckType::https) read_authorities(section, check, errors);
}

void complete_push(const SectionTable& section, Check& check, Errors& errors) {
  if (check.type != CheckType::push) return;
  if (!section.has("expiry")) check.expiry = intervals_to_expiry * check.interval;
  if (section.has("token") && section.has("token_file"))
    errors.add(section.value_at("token_file"), "'token' and 'token_file' exclude each other");
  else if (given(section, "token_file"))
    read_token_file(section, check, errors);
}

}  // namespace sluice::config
