#include "config/file_rules.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "config/authorities.hpp"
#include "config/url.hpp"

namespace sluice::config {
namespace {

// A system's whole store has a quarter of it.
constexpr std::size_t authorities_size_max = 1 << 20;

constexpr std::size_t token_file_size_max = 4096;

}  // namespace

void read_authorities(const SectionTable& section, const std::string& path, SharedText& authorities,
                      Errors& errors) {
  if (!section.given("ca")) return;
  const auto refuse = [&](const Error& error) {
    errors.add(section.value_at("ca"), fmt::format("ca: {}: {}", shown(path), error.message));
  };
  auto text = read_file(path, authorities_size_max);
  if (!text) return refuse(text.error());
  if (const auto certificates = parse_certificates(*text); !certificates) return refuse(certificates.error());
  authorities = SharedText(*std::move(text));
}

void complete_web_server(const SectionTable& section, WebServer& server, Errors& errors) {
  if (!section.given("ca") || !section.given("url")) return;
  if (const auto url = parse_url(server.url); url && !url->tls)
    return errors.add(section.value_at("ca"), "'ca' is of no use with a URL that begins with \"http:\"");
  read_authorities(section, server.ca, server.authorities, errors);
}

void complete_signed_server(const SectionTable& section, SignedServer& server, Errors& errors) {
  complete_web_server(section, server, errors);
  read_token_file(section, "secret", server.secret_file, server.secret, errors);
}

void read_token_file(const SectionTable& section, const std::string& key, const std::string& path,
                     std::string& token, Errors& errors) {
  const auto file_key = key + "_file";
  if (!section.has(file_key)) return;
  const auto at = section.value_at(file_key);
  if (section.has(key)) return errors.add(at, fmt::format("'{}' and '{}' exclude each other", key, file_key));
  if (!section.sound(file_key)) return;
  const auto refuse = [&](const Error& error) {
    errors.add(at, fmt::format("{}: {}: {}", file_key, shown(path), error.message));
  };
  const auto text = read_file(path, token_file_size_max);
  if (!text) return refuse(text.error());
  auto parsed = parse_token(without_space_around(*text));
  if (!parsed) return refuse(parsed.error());
  token = *std::move(parsed);
}

}  // namespace sluice::config
