#include "control/check_run.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "control/arguments.hpp"
#include "control/reports.hpp"

namespace sluice::control {
namespace {

namespace json = boost::json;

const char* type_text(config::CheckType type) {
  switch (type) {
    case config::CheckType::tcp:
      return "tcp";
    case config::CheckType::http:
      return "http";
    case config::CheckType::https:
      return "https";
    case config::CheckType::exec:
      return "exec";
    case config::CheckType::agent:
      return "agent";
    case config::CheckType::push:
      return "push";
    case config::CheckType::none:
      return "none";
  }
  return "";
}

Error nothing_to_run(const wire::Destination& endpoint, const std::string& only,
                     const std::vector<std::string>& checks) {
  if (!only.empty())
    return unknown(fmt::format("{} has no check '{}' that probes", to_text(endpoint), only), only, checks);
  return {ErrorCode::refused,
          fmt::format("{} has no check that probes: there is nothing to run", to_text(endpoint))};
}

const char* word_text(health::Word word) {
  switch (word) {
    case health::Word::none:
      break;
    case health::Word::drain:
      return "drain";
    case health::Word::down:
      return "down";
  }
  return nullptr;
}

json::object to_json(const CheckRun::Probe& probe) {
  const auto& [target, result, at] = probe;
  json::object object{
      {"check", target.check.name},
      {"type", type_text(target.check.type)},
      {"asked", to_text(target.destination)},
      {"port", target.check.port == 0 ? json::value(nullptr) : json::value(target.check.port)},
      {"success", nullptr},
      {"detail", nullptr},
      {"took_ms", nullptr},
      {"at", nullptr},
      {"error", nullptr}};
  if (!result) return object;
  object["at"] = to_text(at);
  if (!*result) {
    object["error"] = result->error().message;
    return object;
  }
  const auto& brought = **result;
  const auto* word = word_text(brought.word);
  object["success"] = brought.success;
  object["detail"] = brought.detail;
  object["took_ms"] = brought.took.count();
  object["word"] = word == nullptr ? json::value(nullptr) : json::value(word);
  object["share"] = brought.share;
  return object;
}

std::string text_of(const CheckRun& run, bool dry_run) {
  std::string text;
  for (const auto& [target, result, at] : run.probes) {
    const auto outcome = dry_run              ? "would be run"
                         : !result            ? "did not end in time"
                         : !*result           ? "could not be run: " + result->error().message
                         : (*result)->success ? "success: " + (*result)->detail
                                              : "failure: " + (*result)->detail;
    text += fmt::format("{}check {}: {}", text.empty() ? "" : "; ", target.check.name, outcome);
  }
  return fmt::format("{} {}", to_text(run.endpoint), text);
}

}  // namespace

Result<CheckRun> read_check_run(const Model& model, const Request& request) {
  const auto endpoint = find_endpoint(model, text_argument(request, "address"));
  if (!endpoint) return endpoint.error();
  const auto only = text_argument(request, "check");
  CheckRun run{*endpoint, {}};
  std::vector<std::string> checks;
  for (const auto* pool : model.config().pools_with(*endpoint)) {
    const auto* check = pool->check ? model.config().find_check(*pool->check) : nullptr;
    if (check == nullptr || check->type == config::CheckType::push) continue;
    if (std::find(checks.begin(), checks.end(), check->name) == checks.end()) checks.push_back(check->name);
    if (!only.empty() && check->name != only) continue;
    for (const auto& one : pool->endpoints) {
      if (one.destination != *endpoint) continue;
      auto target = probe::target_of(one, *check);
      const bool known = std::any_of(run.probes.begin(), run.probes.end(),
                                     [&](const auto& probe) { return probe.target == target; });
      if (!known) run.probes.push_back({std::move(target), {}, {}});
    }
  }
  if (run.probes.empty()) return nothing_to_run(*endpoint, only, checks);
  return run;
}

Duration longest_timeout(const CheckRun& run) {
  Duration longest{};
  for (const auto& probe : run.probes) longest = std::max(longest, probe.target.check.timeout);
  return longest;
}

json::object to_json(const CheckRun& run, bool dry_run) {
  json::array probes;
  for (const auto& probe : run.probes) probes.push_back(to_json(probe));
  return {{"address", to_text(run.endpoint)},
          {"changed", false},
          {"dry_run", dry_run},
          {"text", text_of(run, dry_run)},
          {"probes", std::move(probes)}};
}

}  // namespace sluice::control
