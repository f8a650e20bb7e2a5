#include "control/reports.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "base/text.hpp"
#include "control/arguments.hpp"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

Result<const config::Check*> find_push_check(const Model& model, const std::string& name) {
  const auto& config = model.config();
  const auto* check = config.find_check(name);
  if (check == nullptr) {
    std::vector<std::string> known;
    for (const auto& one : config.checks)
      if (one.type == config::CheckType::push) known.push_back(one.name);
    return unknown(fmt::format("there is no check '{}'", name), name, known);
  }
  if (check->type == config::CheckType::push) return check;
  return Error{ErrorCode::refused,
               fmt::format("check '{}' takes no reports: it probes; only checks of type \"push\" do", name)};
}

// Over a listener that anybody reaches, who reports has to know the check's secret.
Result<void> let_in(const config::Check& check, const Request& request) {
  if (!request.token) return {};
  if (check.token.empty())
    return Error{
        ErrorCode::forbidden,
        fmt::format("check '{}' has no token: its reports are taken only on the Unix socket", check.name)};
  if (is_secret(*request.token, check.token)) return {};
  return Error{ErrorCode::forbidden, fmt::format("that is not the token of check '{}'", check.name)};
}

// The endpoint, of a pool with this check.
Result<const config::Endpoint*> find_reporter(const Model& model, const config::Check& check,
                                              const std::string& text) {
  const auto destination = wire::parse_destination(text);
  if (!destination) return destination.error();
  std::vector<std::string> known;
  for (const auto& pool : model.config().pools) {
    if (pool.check != check.name) continue;
    for (const auto& endpoint : pool.endpoints) {
      if (endpoint.destination == *destination) return &endpoint;
      known.push_back(to_text(endpoint.destination));
    }
  }
  return unknown(fmt::format("no pool with check '{}' has an endpoint {}", check.name, to_text(*destination)),
                 to_text(*destination), known);
}

Result<health::ProbeResult> read_result(const Request& request) {
  const auto state = text_argument(request, "state");
  const auto share = text_argument(request, "share"), text = text_argument(request, "text");
  health::ProbeResult result;
  result.success = state != "down";
  if (state == "down") result.word = health::Word::down;
  if (state == "drain") result.word = health::Word::drain;
  result.detail = fmt::format("reported {}", state);
  if (!share.empty()) {
    result.share = parse_percent(share).value();
    if (state != "up")
      return Error{ErrorCode::invalid, fmt::format("a share goes with up, not with {}", state)};
    if (result.share <= 0) return Error{ErrorCode::invalid, "a share of 0% is a drain: report \"drain\""};
    result.detail += fmt::format(", {}", share);
  }
  if (!text.empty()) result.detail += fmt::format(": {}", text);
  return result;
}

}  // namespace

Result<Report> read_report(const Model& model, const Request& request) {
  const auto check = find_push_check(model, text_argument(request, "check"));
  if (!check) return check.error();
  if (const auto in = let_in(**check, request); !in) return in.error();
  const auto endpoint = find_reporter(model, **check, text_argument(request, "address"));
  if (!endpoint) return endpoint.error();
  auto result = read_result(request);
  if (!result) return result.error();
  return Report{
      {(*endpoint)->destination, (*check)->name}, probe::target_of(**endpoint, **check), *std::move(result)};
}

void Reports::set_config(const config::Config& config, Clock::time_point now) {
  std::map<Reporter, Awaited> awaited;
  for (const auto& pool : config.pools) {
    const auto* check = pool.check ? config.find_check(*pool.check) : nullptr;
    if (check == nullptr || check->type != config::CheckType::push) continue;
    for (const auto& endpoint : pool.endpoints) {
      const Reporter reporter{endpoint.destination, check->name};
      const auto target = probe::target_of(endpoint, *check);
      const auto before = awaited_.find(reporter);
      const bool stays = before != awaited_.end() && before->second.target == target;
      awaited.try_emplace(reporter, stays ? before->second : Awaited{target, now, now + check->expiry});
    }
  }
  awaited_ = std::move(awaited);
}

void Reports::reported(const Reporter& reporter, Clock::time_point now) {
  const auto found = awaited_.find(reporter);
  if (found == awaited_.end()) return;
  found->second.last = now;
  found->second.due = now + found->second.target.check.expiry;
}

std::vector<Reports::Missing> Reports::missing(Clock::time_point now) {
  std::vector<Missing> missing;
  for (auto& [reporter, awaited] : awaited_) {
    if (awaited.due > now) continue;
    const auto passed = std::chrono::floor<Duration>(now - awaited.last);
    const auto shown = passed < 1s ? passed : Duration(std::chrono::floor<std::chrono::seconds>(passed));
    health::ProbeResult result;
    result.detail = fmt::format("no report for {}", to_text(shown));
    missing.push_back({awaited.target, std::move(result)});
    awaited.due = now + std::max<Duration>(awaited.target.check.interval, 1ms);
  }
  return missing;
}

std::optional<Reports::Clock::time_point> Reports::next() const {
  std::optional<Clock::time_point> next;
  for (const auto& [reporter, awaited] : awaited_)
    if (!next || awaited.due < *next) next = awaited.due;
  return next;
}

}  // namespace sluice::control
