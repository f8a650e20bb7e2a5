// Services that report themselves, and which checks `check run` runs: without threads and clocks.
#include "control/reports.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "control/check_run.hpp"
#include "support.hpp"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

// Checks web (tcp), self (push, with a token) and quiet (push, without one).
config::Config push_config() {
  auto config = parsed(config_head + R"(
[check.self]
type = "tcp"
port = 1
interval = "10s"
[check.quiet]
type = "tcp"
port = 1
interval = "10s"
[pool.v1]
check = "self"
endpoints = ["192.0.2.10", "192.0.2.11"]
[pool.v2]
check = "quiet"
endpoints = ["192.0.2.20"]
[pool.v3]
check = "web"
endpoints = ["192.0.2.10", "192.0.2.30"]
[pool.v4]
check = "web"
endpoints = ["192.0.2.10"]
[pool.plain]
endpoints = ["192.0.2.40"]
[steer."www.shop.example"]
pools = { v1 = 1 }
)");
  for (auto& check : config.checks) {
    if (check.name == "web") continue;
    check.type = config::CheckType::push;
    check.expiry = 30s;
    if (check.name == "self") check.token = "open sesame";
  }
  config.index();
  return config;
}

Reports::Clock::time_point steady(int seconds) {
  return Reports::Clock::time_point(std::chrono::seconds(seconds));
}

// "success down 75%: text", or the error's message.
std::string outcome(const Model& model, const std::string& arguments, std::optional<std::string> token = {}) {
  auto asked = request(CommandId::check_report, arguments);
  asked.token = std::move(token);
  const auto report = read_report(model, asked);
  if (!report) return report.error().message;
  const auto& [reporter, target, result] = *report;
  return fmt::format("{} by {}: {}{} {} {}", to_text(reporter.first), target.check.name,
                     result.success ? "success" : "failure",
                     result.word == health::Word::drain  ? " drain"
                     : result.word == health::Word::down ? " down"
                                                         : "",
                     result.share, result.detail);
}

TEST_CASE("reports and what they mean") {
  struct Row {
    const char* arguments;
    const char* expected;
  };
  const Row rows[] = {
      {R"({"check": "self", "address": "192.0.2.10", "state": "up"})",
       "192.0.2.10 by self: success 1 reported up"},
      {R"({"check": "self", "address": "192.0.2.10", "state": "up", "share": "75%", "text": "warm"})",
       "192.0.2.10 by self: success 0.75 reported up, 75%: warm"},
      {R"({"check": "self", "address": "192.0.2.11", "state": "down", "text": "no disk"})",
       "192.0.2.11 by self: failure down 1 reported down: no disk"},
      {R"({"check": "self", "address": "192.0.2.10", "state": "drain"})",
       "192.0.2.10 by self: success drain 1 reported drain"},
      {R"({"check": "self", "address": "192.0.2.10", "state": "up", "share": "0%"})",
       "a share of 0% is a drain: report \"drain\""},
      {R"({"check": "self", "address": "192.0.2.10", "state": "down", "share": "5%"})",
       "a share goes with up, not with down"},
      {R"({"check": "selff", "address": "192.0.2.10", "state": "up"})",
       "there is no check 'selff'; did you mean 'self'?"},
      {R"({"check": "web", "address": "192.0.2.10", "state": "up"})",
       "check 'web' takes no reports: it probes; only checks of type \"push\" do"},
      {R"({"check": "self", "address": "192.0.2.20", "state": "up"})",
       "no pool with check 'self' has an endpoint 192.0.2.20; did you mean '192.0.2.10'?"},
      {R"({"check": "self", "address": "v1", "state": "up"})",
       "'v1' is neither an IP address nor the name of a host such as 'edge.cdn.example.'"},
  };
  const Model model(push_config());
  for (const auto& row : rows) {
    CAPTURE(row.arguments);
    CHECK(outcome(model, row.arguments) == row.expected);
  }
}

TEST_CASE("over a listener that anybody reaches, a report needs its check's token") {
  const Model model(push_config());
  const std::string self = R"({"check": "self", "address": "192.0.2.10", "state": "up"})";
  const std::string quiet = R"({"check": "quiet", "address": "192.0.2.20", "state": "up"})";
  CHECK(outcome(model, self, "open sesame") == "192.0.2.10 by self: success 1 reported up");
  for (const char* token : {"", "open", "open sesame!", "Open sesame"})
    CHECK(outcome(model, self, token) == "that is not the token of check 'self'");
  CHECK(outcome(model, quiet) == "192.0.2.20 by quiet: success 1 reported up");
  for (const char* token : {"", "open sesame"})
    CHECK(outcome(model, quiet, token) ==
          "check 'quiet' has no token: its reports are taken only on the Unix socket");
}

// "192.0.2.10 no report for 30s", one a line
std::string missing(Reports& reports, int seconds) {
  std::string text;
  for (const auto& [target, result] : reports.missing(steady(seconds))) {
    CHECK_FALSE(result.success);
    text += fmt::format("{} {}\n", to_text(target.destination), result.detail);
  }
  return text;
}

TEST_CASE("without a report for its expiry, an endpoint fails every interval") {
  Reports reports;
  CHECK_FALSE(reports.next().has_value());
  auto config = push_config();
  reports.set_config(config, steady(0));
  CHECK(reports.next() == steady(30));
  reports.reported({address("192.0.2.10"), "self"}, steady(20));
  reports.reported({address("192.0.2.99"), "self"}, steady(20));  // nobody
  CHECK(missing(reports, 29).empty());
  CHECK(missing(reports, 30) == "192.0.2.11 no report for 30s\n192.0.2.20 no report for 30s\n");
  CHECK(missing(reports, 31).empty());
  CHECK(reports.next() == steady(40));
  reports.reported({address("192.0.2.20"), "quiet"}, steady(35));
  CHECK(missing(reports, 40) == "192.0.2.11 no report for 40s\n");
  CHECK(missing(reports, 50) == "192.0.2.10 no report for 30s\n192.0.2.11 no report for 50s\n");

  // After a reload those that stay keep their time; those with another expiry begin anew.
  for (auto& check : config.checks)
    if (check.name == "quiet") check.expiry = 60s;
  reports.set_config(config, steady(55));
  CHECK(missing(reports, 60) == "192.0.2.10 no report for 40s\n192.0.2.11 no report for 1m\n");
  CHECK(missing(reports, 114).find("192.0.2.20") == std::string::npos);
  CHECK(missing(reports, 115).find("192.0.2.20 no report for 1m\n") != std::string::npos);
}

// --- check run ---

std::string checks_of(const Model& model, const char* arguments) {
  const auto run = read_check_run(model, request(CommandId::check_run, arguments));
  if (!run) return run.error().message;
  std::string text = to_text(run->endpoint);
  for (const auto& probe : run->probes) text += " " + probe.target.check.name;
  return text;
}

TEST_CASE("a run has each check of an endpoint once, and no reports") {
  const Model model(push_config());
  CHECK(checks_of(model, R"({"address": "192.0.2.10"})") == "192.0.2.10 web");
  CHECK(checks_of(model, R"({"address": "192.0.2.10", "check": "web"})") == "192.0.2.10 web");
  CHECK(checks_of(model, R"({"address": "192.0.2.10", "check": "wep"})") ==
        "192.0.2.10 has no check 'wep' that probes; did you mean 'web'?");
  CHECK(checks_of(model, R"({"address": "192.0.2.10", "check": "self"})") ==
        "192.0.2.10 has no check 'self' that probes; there is web");
  CHECK(checks_of(model, R"({"address": "192.0.2.20"})") ==
        "192.0.2.20 has no check that probes: there is nothing to run");
  CHECK(checks_of(model, R"({"address": "192.0.2.40"})") ==
        "192.0.2.40 has no check that probes: there is nothing to run");
}

TEST_CASE("what a run brought") {
  const Model model(push_config());
  auto run = read_check_run(model, request(CommandId::check_run, R"({"address": "192.0.2.30"})")).value();
  CHECK(to_json(run, true).at("text") == "192.0.2.30 check web: would be run");
  CHECK(to_json(run, false).at("text") == "192.0.2.30 check web: did not end in time");
  run.probes[0].result = health::ProbeResult{false, "connection refused", Duration{2}};
  run.probes[0].at = at(0);
  CHECK(
      boost::json::serialize(to_json(run, false)) ==
      R"({"address":"192.0.2.30","changed":false,"dry_run":false,"text":"192.0.2.30 check web: failure: )"
      R"(connection refused","probes":[{"check":"web","type":"tcp","asked":"192.0.2.30","port":80,)"
      R"("success":false,"detail":"connection refused","took_ms":2,"at":"2027-01-15T08:00:00.000Z","error":null,)"
      R"("word":null,"share":1E0}]})");
  run.probes[0].result = Error{ErrorCode::unavailable, "no descriptors"};
  CHECK(to_json(run, false).at("text") == "192.0.2.30 check web: could not be run: no descriptors");
}

}  // namespace
}  // namespace sluice::control
