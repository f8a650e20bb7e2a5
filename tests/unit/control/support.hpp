// What the tests of control share: a config from text, requests in a line, a folder that goes away.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

#include <stdlib.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "config/config.hpp"
#include "control/rollouts.hpp"
#include "control/status.hpp"

namespace sluice::control {

// What each config has; what a test needs beside it comes behind.
inline const std::string server_and_zone = R"(
[server]
listen = ["127.0.0.1:0"]
[zone."shop.example"]
file = "shop.example.zone"
)";

// With a check.
inline const std::string config_head = server_and_zone + R"(
[check.web]
type = "tcp"
port = 80
rise = 1
fall = 1
hold_down = "0s"
)";

inline const std::string config_text = config_head + R"(
[pool.v1]
check = "web"
endpoints = ["192.0.2.10", "192.0.2.11", "2001:db8::10"]
[pool.v2]
check = "web"
endpoints = ["192.0.2.20"]
[pool.plain]
endpoints = ["192.0.2.30"]
[steer."www.shop.example"]
pools = { v1 = 95, v2 = 5 }
ttl = "30s"
[steer."api.shop.example"]
pools = { plain = 1, v2 = 0 }
ttl = "60s"
method = "sticky"
)";

inline config::Config parsed(const std::string& text, const std::string& file = "sluice.toml") {
  auto result = config::load_text(text, file);
  if (!result.config) throw std::runtime_error(to_text(std::move(result.errors)));
  return std::move(*result.config);
}

inline wire::Name name(std::string_view text) { return wire::Name::parse(text).value(); }
inline Address address(std::string_view text) { return parse_address(text).value(); }
inline Time at(int seconds) { return Time(std::chrono::seconds(1'800'000'000 + seconds)); }

inline Request request(CommandId id, std::string_view arguments, bool dry_run = false) {
  return {id, boost::json::parse(std::string(arguments)).as_object(), "root", dry_run};
}

// A daemon without zones, where pool v1 has answered three times and each other pool once, and nothing is
// known of leases.
inline Surroundings surroundings() {
  static const zone::ZoneSet zones;
  Surroundings around;
  around.zones = &zones;
  around.answers = around.answers_since_change = [](const wire::Name&, const std::string& pool) {
    return std::uint64_t{pool == "v1" ? 3U : 1U};
  };
  around.answers_by_class = [](const wire::Name&, const std::string&) { return std::uint64_t{7}; };
  around.leased_out = [](const wire::Destination&) { return std::optional<rollout::LeaseEnd>(); };
  return around;
}

inline boost::json::object status_of(const Model& model) { return status(model, surroundings(), nullptr); }

inline void take(Model& model, const Decision& decision) {
  for (const auto& change : decision.changes) model.apply(change);
}

inline std::string refusal(const Result<Decision>& decision) {
  return decision ? "" : decision.error().message;
}

// As a timer would: all rollouts that are due until then, each at its time. `answer(from, to)`: time goes by.
template <class CarryOut, class Answer>
void pass_time(const Model& model, Measurements& measurements, Time& now, Duration time, CarryOut carry_out,
               Answer answer) {
  const Time end = now + time;
  const auto go_to = [&](Time next) {
    answer(now, next);
    now = next;
  };
  for (auto next = next_rollout(model, measurements, now); next && *next <= end;
       next = next_rollout(model, measurements, now)) {
    go_to(*next);
    carry_out(due_rollouts(model, measurements, now));
  }
  go_to(end);
}
template <class CarryOut>
void pass_time(const Model& model, Measurements& measurements, Time& now, Duration time, CarryOut carry_out) {
  pass_time(model, measurements, now, time, carry_out, [](Time, Time) {});
}

// A folder of its own for each test.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sluice-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& file) const { return path_ + "/" + file; }

 private:
  std::string path_;
};

}  // namespace sluice::control
