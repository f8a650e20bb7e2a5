// Endpoints that are hosts, through the model, the status and the metrics.
#include <algorithm>

#include <doctest/doctest.h>

#include "control/words.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

const std::string hosts_config = config_head + R"(
[pool.cdn]
check = "web"
endpoints = ["edge.cdn.example", { host = "backup.cdn.example.", weight = 3 }]
[pool.spare]
endpoints = ["spare.cdn.example."]
[steer."www.shop.example"]
pools = { cdn = 3, spare = 1 }
ttl = "40s"
)";

wire::Destination host(std::string_view text) { return wire::parse_host(text).value(); }

void probe_host(Model& model, std::string_view endpoint, bool success) {
  const auto& check = model.config().checks[0];
  model.apply_probe({host(endpoint), check.port, "", check.name}, {success, "", Duration(1)}, at(0));
}

// "edge.cdn.example. up in answers", one a line
std::string endpoints_of(const Model& model) {
  std::string text;
  const auto status = status_of(model);
  for (const auto& pool : status.at("pools").as_array())
    for (const auto& one : pool.at("endpoints").as_array()) {
      text += one.at("address").as_string().c_str();
      text += std::string(" ") + one.at("health").as_string().c_str();
      text += one.at("serving").as_bool() ? " in answers\n" : "\n";
    }
  return text;
}

TEST_CASE("an operator's word about a host, with or without the final dot, whatever the letter case") {
  for (const char* written : {"edge.cdn.example.", "edge.cdn.example", "EDGE.cdn.Example"}) {
    Model model(parsed(hosts_config));
    const auto arguments = std::string(R"({"address": ")") + written + "\"}";
    const auto drain =
        say_word(model, request(CommandId::endpoint_drain, arguments), store::Word::drain, at(0));
    REQUIRE(drain.has_value());
    CHECK(drain->cached_for == Duration(41'000));
    CHECK(drain->reply.at("address") == "edge.cdn.example.");
    CHECK(drain->reply.at("pools").as_array().size() == 1);
    CHECK(drain->events[0].subject == "edge.cdn.example.");
    take(model, *drain);
    CHECK_FALSE(model.candidates(model.config().pools[0])[0].allowed);
    CHECK(model.candidates(model.config().pools[0])[1].allowed);
    const auto undrain =
        take_word(model, request(CommandId::endpoint_undrain, arguments), store::Word::drain, at(1));
    REQUIRE(undrain.has_value());
    take(model, *undrain);
    CHECK(model.words().empty());
  }
}

TEST_CASE("a host that no pool has") {
  const Model model(parsed(hosts_config));
  const auto refused =
      say_word(model, request(CommandId::endpoint_drain, R"({"address": "edge.cdn.exampl"})"),
               store::Word::drain, at(0));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == ErrorCode::not_found);
  CHECK(refused.error().message ==
        "no pool has an endpoint edge.cdn.exampl.; did you mean 'edge.cdn.example.'?");
}

TEST_CASE("status shows hosts like addresses, and one rule for both families") {
  Model model(parsed(hosts_config));
  CHECK(endpoints_of(model) ==
        "edge.cdn.example. unknown\nbackup.cdn.example. unknown\nspare.cdn.example. up in answers\n");
  probe_host(model, "edge.cdn.example", true);
  CHECK(endpoints_of(model) ==
        "edge.cdn.example. up in answers\nbackup.cdn.example. unknown\nspare.cdn.example. up in answers\n");
  probe_host(model, "edge.cdn.example", false);
  probe_host(model, "backup.cdn.example", false);
  const auto status = status_of(model);
  const auto& steer = status.at("steers").at(0).as_object();
  CHECK(steer.at("rule") == "dead pools' shares moved");
  CHECK(steer.at("pools").at(0).at("now_share") == 0.0);
  CHECK(steer.at("pools").at(1).at("now_share") == 1.0);
}

TEST_CASE("metrics name hosts") {
  const Model model(parsed(hosts_config));
  const Counters counters;
  const auto text = metrics_text(model, surroundings(), counters);
  CHECK(text.find("sluice_endpoint_usable{pool=\"spare\",address=\"spare.cdn.example.\"} 1\n") !=
        std::string::npos);
}

TEST_CASE("health of a host is its own, and is forgotten with it") {
  Model model(parsed(hosts_config));
  probe_host(model, "edge.cdn.example", true);
  const auto probed = [&] {
    return std::count_if(model.health().begin(), model.health().end(),
                         [](const auto& entry) { return entry.second.state.last_at != Time{}; });
  };
  CHECK(probed() == 1);
  auto text = hosts_config;
  text.replace(text.find("edge.cdn.example"), 16, "other.cdn.exampl");
  model.replace_config(parsed(text), at(1));
  CHECK(probed() == 0);
}

}  // namespace
}  // namespace sluice::control
