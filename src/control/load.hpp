// Reads a config with its zones: the one check behind `sluiced --check`, start, reload and `sluicectl config
// check`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "answer/cookies.hpp"
#include "base/diagnostic.hpp"
#include "config/config.hpp"
#include "serve/certificate.hpp"
#include "zone/zone.hpp"

namespace sluice::control {

struct Loaded {
  config::Config config;
  zone::ZoneSet zones;
  std::vector<answer::CookieSecret>
      cookie_secrets;  // of the file that the config names; empty: it names none
  std::shared_ptr<const serve::Certificate> certificate;  // of DNS over TLS; null: the config has none
};

struct LoadResult {
  std::optional<Loaded> loaded;  // none when there are errors
  Diagnostics errors;            // all of them, of the config, of the zones and of the secrets
};

// The numbers by which the zones know the steered names (zone::SteerId): one for each of config.steers, in
// their order.
using SteerIds = std::vector<zone::SteerId> (*)(const config::Config&);

// 1, 2, ...: for who only wants to know whether all is well.
std::vector<zone::SteerId> count_up(const config::Config& config);

// Thread-safe; takes as long as the zones are big.
LoadResult load(const std::string& file, SteerIds steer_ids = count_up);

}  // namespace sluice::control
