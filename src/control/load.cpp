#include "control/load.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/file.hpp"

namespace sluice::control {
namespace {

constexpr std::size_t secrets_file_size_max = 64 << 10;  // a few lines and many words about them

// By zone: the steered names that stand in it and not in one nested in it.
using SteeredIn = std::vector<std::vector<zone::Steered>>;

SteeredIn steered_in(const config::Config& config, const std::vector<zone::SteerId>& ids) {
  SteeredIn steered(config.zones.size());
  for (std::size_t i = 0; i < config.steers.size(); ++i)
    if (const auto* zone = config.zone_of(config.steers[i].name))
      steered[static_cast<std::size_t>(zone - config.zones.data())].push_back(
          {config.steers[i].name, ids[i], config.steers[i].to_hosts});
  return steered;
}

std::vector<answer::CookieSecret> read_cookie_secrets(const config::Config& config, Diagnostics& errors) {
  const auto& [mode, file, at] = config.cookies;
  if (mode == config::CookieMode::off || file.empty()) return {};
  const auto text = read_file(file, secrets_file_size_max);
  if (text) return answer::parse_cookie_secrets(*text, file, errors);
  errors.push_back({config.file, at, fmt::format("secrets: '{}': {}", file, text.error().message)});
  return {};
}

// Null without [tls], and with errors. A file that was refused by name has its error already.
std::shared_ptr<const serve::Certificate> load_certificate(const config::Config& config,
                                                           Diagnostics& errors) {
  if (!config.tls || config.tls->certificate.empty() || config.tls->key.empty()) return nullptr;
  const auto& tls = *config.tls;
  auto loaded = serve::load_certificate(tls.certificate, tls.key);
  if (!loaded.certificate_error.empty())
    errors.push_back({config.file, tls.certificate_at, "certificate: " + loaded.certificate_error});
  if (!loaded.key_error.empty()) errors.push_back({config.file, tls.key_at, "key: " + loaded.key_error});
  return std::move(loaded.certificate);
}

}  // namespace

std::vector<zone::SteerId> count_up(const config::Config& config) {
  std::vector<zone::SteerId> ids(config.steers.size());
  std::iota(ids.begin(), ids.end(), zone::SteerId{1});
  return ids;
}

LoadResult load(const std::string& file, SteerIds steer_ids) {
  LoadResult result;
  auto read = config::load(file);
  result.errors = std::move(read.errors);
  // The zones are looked at even when the config has errors, so that the user sees all of them at once.
  const config::Config& config = read.config ? *read.config : read.draft;
  const auto ids = steer_ids(config);
  std::vector<std::shared_ptr<const zone::Zone>> zones;
  const auto steered = steered_in(config, ids);
  for (std::size_t i = 0; i < config.zones.size(); ++i) {
    auto loaded = zone::load(config.zones[i].file, config.zones[i].apex, steered[i],
                             std::max(1U, std::thread::hardware_concurrency()));
    std::move(loaded.errors.begin(), loaded.errors.end(), std::back_inserter(result.errors));
    zones.push_back(std::move(loaded.zone));
  }
  auto secrets = read_cookie_secrets(config, result.errors);
  auto certificate = load_certificate(config, result.errors);
  if (result.errors.empty())
    result.loaded = Loaded{std::move(*read.config), zone::ZoneSet(std::move(zones)), std::move(secrets),
                           std::move(certificate)};
  return result;
}

}  // namespace sluice::control
