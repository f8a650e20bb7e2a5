#include "command_line.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <boost/json.hpp>

#include "admin/route.hpp"
#include "http_call.hpp"

namespace sluice::ctl {
namespace {

namespace json = boost::json;
using Words = std::vector<std::string>;

std::string target_text(const Target& target) {
  return target.socket.empty() ? fmt::format("{} port {}", target.host, target.port) : target.socket;
}

std::string action_text(const ApiCall& call) {
  return fmt::format("{} {}{}{}{}{}", call.row->words, json::serialize(call.arguments),
                     call.dry_run ? " dry" : "", call.watch ? " watch" : "", call.follow ? " follow" : "",
                     call.wait ? " wait" : "");
}
std::string action_text(const ConfigCheck& check) { return "check " + check.file.value_or("the daemon's"); }
std::string action_text(const ConfigExplain& explain) { return fmt::format("explain '{}'", explain.key); }

// What the words mean: "COMMAND @ TARGET", or "EXIT CODE: first line".
std::string meaning(const Words& words, const std::optional<std::string>& variable = std::nullopt) {
  const auto parsed = parse(words, variable);
  if (const auto* ending = std::get_if<Ending>(&parsed))
    return fmt::format("{}: {}", static_cast<int>(ending->code),
                       ending->text.substr(0, ending->text.find('\n')));
  const auto& invocation = std::get<Invocation>(parsed);
  const auto action = std::visit([](const auto& a) { return action_text(a); }, invocation.action);
  return fmt::format("{}{} @ {}", action, invocation.json ? " json" : "", target_text(invocation.target));
}

TEST_CASE("words and what they mean") {
  struct Row {
    const char* name;
    Words words;
    const char* expected;
  };
  const Row rows[] = {
      {"status", {"status"}, "status {} @ state/admin.sock"},
      {"one name", {"status", "www.example"}, R"(status {"name":"www.example"} @ state/admin.sock)"},
      {"watch", {"status", "--watch", "a"}, R"(status {"name":"a"} watch @ state/admin.sock)"},
      {"weights keep their kind of number",
       {"weight", "set", "a", "v1=90", "v2=0.5", "v3=-1", "v4=1e3"},
       R"(weight set {"name":"a","weights":{"v1":90,"v2":5E-1,"v3":-1,"v4":1E3}} @ state/admin.sock)"},
      {"reset", {"weight", "reset", "a", "--dry-run"}, R"(weight reset {"name":"a"} dry @ state/admin.sock)"},
      {"a class",
       {"class", "route", "a", "testers", "v2"},
       R"(class route {"name":"a","class":"testers","pool":"v2"} @ state/admin.sock)"},
      {"a class, taken back",
       {"class", "unroute", "a", "testers"},
       R"(class unroute {"name":"a","class":"testers"} @ state/admin.sock)"},
      {"drain",
       {"endpoint", "drain", "::1", "--for", "10m", "--reason", "kernel upgrade", "--wait"},
       R"(endpoint drain {"address":"::1","for":"10m","reason":"kernel upgrade"} wait @ state/admin.sock)"},
      {"a value after an equals sign",
       {"endpoint", "up", "::1", "--for=1h"},
       R"(endpoint up {"address":"::1","for":"1h"} @ state/admin.sock)"},
      {"a value that is a command's word",
       {"endpoint", "down", "::1", "--reason", "status"},
       R"(endpoint down {"address":"::1","reason":"status"} @ state/admin.sock)"},
      {"a value that begins with a dash",
       {"endpoint", "down", "::1", "--reason", "-x"},
       R"(endpoint down {"address":"::1","reason":"-x"} @ state/admin.sock)"},
      {"a pattern, later",
       {"endpoint", "drain", "192.0.2.*", "--at", "+10m", "--for", "1h"},
       R"(endpoint drain {"address":"192.0.2.*","at":"+10m","for":"1h"} @ state/admin.sock)"},
      {"auto, later",
       {"endpoint", "auto", "pool:v1", "--at", "2026-12-01T02:00:00Z"},
       R"(endpoint auto {"address":"pool:v1","at":"2026-12-01T02:00:00Z"} @ state/admin.sock)"},
      {"explain",
       {"explain", "www.example", "--client", "192.0.2.0/24", "--type", "AAAA"},
       R"(explain {"name":"www.example","client":"192.0.2.0/24","type":"AAAA"} @ state/admin.sock)"},
      {"run a check",
       {"check", "run", "::1", "--check", "web"},
       R"(check run {"address":"::1","check":"web"} @ state/admin.sock)"},
      {"report",
       {"check", "report", "self", "::1", "up", "--share", "75%", "--text", "warm"},
       R"(check report {"check":"self","address":"::1","state":"up","share":"75%","text":"warm"} @ state/admin.sock)"},
      {"events",
       {"events", "--limit", "5", "--after", "7", "--wait", "1m", "--follow"},
       R"(events {"after":7,"limit":5,"wait":"1m"} follow @ state/admin.sock)"},
      {"a plan is a dry run",
       {"rollout", "plan", "canary", "a", "--to", "v2", "--steps", "5,100"},
       R"(canary start {"name":"a","to":"v2","steps":"5,100"} dry @ state/admin.sock)"},
      {"the plan of a switch",
       {"rollout", "plan", "bluegreen", "a", "--to", "v2", "--json"},
       R"(bluegreen switch {"name":"a","to":"v2"} dry json @ state/admin.sock)"},
      {"the plan of a rolling upgrade",
       {"rollout", "plan", "rolling", "v1", "--batch", "25%"},
       R"(rolling start {"pool":"v1","batch":"25%"} dry @ state/admin.sock)"},
      {"a plan of what",
       {"rollout", "plan"},
       "2: sluicectl: a command is missing; expected one of: rollout plan canary, rollout plan bluegreen, "
       "rollout plan rolling"},
      {"a plan of nothing",
       {"rollout", "plan", "canary"},
       "2: sluicectl: rollout plan canary: NAME is missing"},
      {"a plan has no dry run of its own",
       {"rollout", "plan", "canary", "a", "--dry-run"},
       "2: sluicectl: rollout plan canary: unknown option '--dry-run'"},
      {"reload", {"reload"}, "reload {} @ state/admin.sock"},
      {"version", {"version", "--json"}, "version {} json @ state/admin.sock"},
      {"metrics", {"metrics"}, "metrics {} @ state/admin.sock"},
      {"check a file", {"config", "check", "sluice.toml"}, "check sluice.toml @ state/admin.sock"},
      {"check the daemon's", {"config", "check"}, "check the daemon's @ state/admin.sock"},
      {"explain a key",
       {"config", "explain", "check.interval"},
       "explain 'check.interval' @ state/admin.sock"},
      {"explain all", {"config", "explain"}, "explain '' @ state/admin.sock"},

      {"socket before", {"--socket", "/run/s", "--json", "status"}, "status {} json @ /run/s"},
      {"socket after", {"status", "--socket", "/run/s"}, "status {} @ /run/s"},
      {"between", {"weight", "--socket=/run/s", "reset", "a"}, R"(weight reset {"name":"a"} @ /run/s)"},
      {"url", {"status", "--url", "http://192.0.2.1:8053"}, "status {} @ 192.0.2.1 port 8053"},
      {"url with a slash", {"--url", "http://localhost/", "status"}, "status {} @ localhost port 80"},
      {"url with IPv6", {"--url", "http://[::1]:8053", "status"}, "status {} @ ::1 port 8053"},
      {"url of a socket", {"--url", "unix:/run/s", "status"}, "status {} @ /run/s"},

      {"nothing",
       {},
       "2: sluicectl: a command is missing; expected one of: status, weight, class, endpoint, explain, "
       "check, "
       "canary, bluegreen, rollout, rolling, events, "
       "reload, version, metrics, config"},
      {"half a command",
       {"weight"},
       "2: sluicectl: a command is missing; expected one of: weight set, weight reset"},
      {"a typo", {"statsu"}, "2: sluicectl: unknown command 'statsu'; did you mean 'status'?"},
      {"a typo further on",
       {"weight", "sett", "a"},
       "2: sluicectl: unknown command 'weight sett'; did you mean 'weight set'?"},
      {"no typo",
       {"weight", "frobnicate"},
       "2: sluicectl: unknown command 'weight frobnicate'; expected one of: weight set, weight reset"},
      {"an option and no command", {"--frob"}, "2: sluicectl: unknown option '--frob'"},
      {"name missing", {"weight", "set"}, "2: sluicectl: weight set: NAME is missing"},
      {"weights missing", {"weight", "set", "a"}, "2: sluicectl: weight set: POOL=WEIGHT... is missing"},
      {"no weight",
       {"weight", "set", "a", "v1"},
       "2: sluicectl: weight set: 'v1' is not POOL=WEIGHT, such as v2=5"},
      {"no pool",
       {"weight", "set", "a", "=1"},
       "2: sluicectl: weight set: '=1' is not POOL=WEIGHT, such as v2=5"},
      {"a word for a weight",
       {"weight", "set", "a", "v1=abc"},
       "2: sluicectl: weight set: the weight in 'v1=abc' is not a number"},
      {"an empty weight",
       {"weight", "set", "a", "v1="},
       "2: sluicectl: weight set: the weight in 'v1=' is not a number"},
      {"a percent sign",
       {"weight", "set", "a", "v1=5%"},
       "2: sluicectl: weight set: the weight in 'v1=5%' is not a number"},
      {"nan",
       {"weight", "set", "a", "v1=nan"},
       "2: sluicectl: weight set: the weight in 'v1=nan' is not a number"},
      {"infinity",
       {"weight", "set", "a", "v1=inf"},
       "2: sluicectl: weight set: the weight in 'v1=inf' is not a number"},
      {"a pool twice",
       {"weight", "set", "a", "v1=1", "v1=2"},
       "2: sluicectl: weight set: pool 'v1' is given twice"},
      {"too many words", {"status", "a", "b"}, "2: sluicectl: status: unexpected 'b'"},
      {"a second command", {"reload", "status"}, "2: sluicectl: reload: unexpected 'status'"},
      {"an option's typo",
       {"endpoint", "drain", "::1", "--wiat"},
       "2: sluicectl: endpoint drain: unknown option '--wiat'; did you mean '--wait'?"},
      {"dry run of a read", {"status", "--dry-run"}, "2: sluicectl: status: unknown option '--dry-run'"},
      {"wait where there is nothing to wait for",
       {"endpoint", "up", "::1", "--wait"},
       "2: sluicectl: endpoint up: unknown option '--wait'; did you mean '--at'?"},
      {"not a duration",
       {"endpoint", "up", "::1", "--for", "5"},
       "2: sluicectl: endpoint up: '5' is not a duration such as \"250ms\", \"30s\", \"5m\" or \"1h\""},
      {"not a time",
       {"endpoint", "up", "::1", "--at", "2026-12-01"},
       "2: sluicectl: endpoint up: '2026-12-01' is not a time such as \"2026-12-01T02:00:00Z\" or \"+10m\""},
      {"undrain has no length",
       {"endpoint", "undrain", "::1", "--for", "1m"},
       "2: sluicectl: endpoint undrain: unknown option '--for'"},
      {"wait for what is not yet",
       {"endpoint", "drain", "::1", "--at", "+1m", "--wait"},
       "2: sluicectl: endpoint drain: --wait and --at cannot be given together"},
      {"not a state",
       {"check", "report", "self", "::1", "sideways"},
       "2: sluicectl: check report: 'sideways' is not \"up\", \"down\" or \"drain\""},
      {"not a part",
       {"check", "report", "self", "::1", "up", "--share", "75"},
       "2: sluicectl: check report: '75' is not a part such as \"75%\""},
      {"not a number", {"events", "--limit", "1.5"}, "2: sluicectl: events: '1.5' is not a whole number"},
      {"an empty name", {"status", ""}, "2: sluicectl: status: NAME is empty"},
      {"socket and url",
       {"status", "--socket", "s", "--url", "unix:t"},
       "2: sluicectl: --socket and --url cannot be given together"},
      {"https",
       {"status", "--url", "https://a"},
       "2: sluicectl: --url 'https://a' is neither http://HOST:PORT nor unix:PATH"},
      {"url with a path",
       {"status", "--url", "http://a/v1"},
       "2: sluicectl: --url 'http://a/v1' is neither http://HOST:PORT nor unix:PATH"},
      {"help", {"--help"}, "0: Usage: sluicectl [--socket PATH | --url URL] [--json] COMMAND"},
      {"help of a group",
       {"weight", "-h"},
       "0: Usage: sluicectl [--socket PATH | --url URL] [--json] weight COMMAND"},
      {"help of a command",
       {"weight", "set", "--help"},
       "0: Usage: sluicectl weight set NAME POOL=WEIGHT... [OPTION...]"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    CHECK(meaning(row.words) == row.expected);
  }
}

TEST_CASE("options that lack or repeat their value") {
  CHECK(meaning({"endpoint", "up", "::1", "--for"}).starts_with("2: sluicectl: endpoint up: --for"));
  CHECK(meaning({"endpoint", "up", "::1", "--for", "1m", "--for", "2m"})
            .starts_with("2: sluicectl: endpoint up: --for"));
  CHECK(meaning({"status", "--socket"}).starts_with("2: sluicectl: "));
}

TEST_CASE("SLUICE_SOCKET") {
  CHECK(meaning({"version"}, "/run/sluice.sock") == "version {} @ /run/sluice.sock");
  CHECK(meaning({"version", "--socket", "s"}, "/run/sluice.sock") == "version {} @ s");
  CHECK(meaning({"version", "--url", "http://a:1"}, "/run/sluice.sock") == "version {} @ a port 1");
  CHECK(meaning({"version"}, "") == "version {} @ state/admin.sock");
}

TEST_CASE("usage errors show what was expected") {
  const auto parsed = parse(Words{"endpoint", "drain"}, std::nullopt);
  CHECK(std::get<Ending>(parsed).text ==
        "sluicectl: endpoint drain: ADDRESS is missing\n"
        "usage: sluicectl endpoint drain ADDRESS [--at TIME] [--for DURATION] [--reason TEXT] [--wait] "
        "[--dry-run]\n");
}

// One way for each parameter to be typed.
Words typed(const control::CommandRow& row) {
  auto words = Words{};
  for (std::size_t from = 0; from <= row.words.size();) {
    const auto end = std::min(row.words.find(' ', from), row.words.size());
    words.emplace_back(row.words.substr(from, end - from));
    from = end + 1;
  }
  for (const auto& param : row.params) {
    const bool narrows = !row.changes && (param.name == "name" || param.name == "pool");
    if (!param.required && !narrows) words.push_back("--" + std::string(param.name));
    switch (param.type) {
      case control::ParamType::text:
        words.push_back("a/b %&?=é\"\\");
        break;
      case control::ParamType::weights:
        words.insert(words.end(), {"v1=90", "v2=0.25"});
        break;
      case control::ParamType::duration:
        words.push_back("10m");
        break;
      case control::ParamType::number:
        words.push_back("18446744073709551615");
        break;
      case control::ParamType::time:
        words.push_back("2026-12-01T03:00:00+01:00");
        break;
      case control::ParamType::percent:
        words.push_back("12.5%");
        break;
      case control::ParamType::state:
        words.push_back("drain");
        break;
      case control::ParamType::flag:
        break;
    }
    // The server takes only ASCII in paths and queries.
    if (param.type == control::ParamType::text && param.place != control::Place::body)
      words.back() = "a/b %&?=\"\\";
  }
  return words;
}

TEST_CASE("what is typed arrives: every row, from words to the daemon's request") {
  for (const auto& row : control::commands()) {
    for (const bool dry_run : {false, true}) {
      if (dry_run && !row.changes) continue;
      auto words = typed(row);
      if (dry_run) words.push_back("--dry-run");
      CAPTURE(row.words);
      const auto parsed = parse(words, std::nullopt);
      REQUIRE(std::holds_alternative<Invocation>(parsed));
      const auto& call = std::get<ApiCall>(std::get<Invocation>(parsed).action);
      REQUIRE(call.row->id == row.id);
      CHECK(call.arguments.size() == row.params.size());
      const auto http = to_http(*call.row, call.arguments, call.dry_run);
      const auto routed = admin::route({http.method, http.target, http.body, false, "root"});
      REQUIRE(std::holds_alternative<control::Request>(routed));
      const auto& request = std::get<control::Request>(routed);
      CHECK(request.id == row.id);
      CHECK(json::value(request.arguments) == json::value(call.arguments));
      CHECK(request.dry_run == dry_run);
    }
  }
}

}  // namespace
}  // namespace sluice::ctl
