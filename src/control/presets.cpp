#include "control/presets.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "control/arguments.hpp"

namespace sluice::control {
namespace {

namespace json = boost::json;

std::string in_milliseconds(Duration duration) { return fmt::format("{}ms", duration.count()); }

// Which of the arguments say the same thing.
constexpr std::array<std::array<std::string_view, 3>, 2> alternatives{
    {{"steps", "linear", "exponential"}, {"hold", "every", "hold"}}};

bool says(const json::object& arguments, std::string_view name) {
  if (arguments.contains(name)) return true;
  for (const auto& group : alternatives)
    if (std::find(group.begin(), group.end(), name) != group.end())
      return std::any_of(group.begin(), group.end(), [&](auto other) { return arguments.contains(other); });
  return false;
}

json::object arguments_of(const config::Preset& preset, const config::Steer& steer) {
  json::object arguments;
  if (!preset.steps.empty()) arguments["steps"] = fmt::format("{}", fmt::join(preset.steps, ","));
  if (preset.linear) arguments["linear"] = fmt::format("{}%", *preset.linear * 100);
  if (preset.exponential) arguments["exponential"] = *preset.exponential;
  if (preset.hold) arguments["hold"] = in_milliseconds(*preset.hold);
  if (preset.gates) arguments["gates"] = true;
  if (preset.ttl) arguments["ttl"] = in_milliseconds(steer.fitting_ttl(*preset.ttl));  // shared by many
  if (preset.grace) arguments["grace"] = in_milliseconds(*preset.grace);
  if (!preset.analysis.empty()) arguments["analysis"] = fmt::format("{}", fmt::join(preset.analysis, ","));
  return arguments;
}

bool takes(CommandId id, std::string_view name) {
  const auto rows = commands();
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& each) { return each.id == id; });
  return row != rows.end() && std::any_of(row->params.begin(), row->params.end(),
                                          [&](const auto& param) { return param.name == name; });
}

}  // namespace

Result<Request> with_preset(const config::Config& config, const config::Steer& steer, Request request) {
  auto name = text_argument(request, "preset");
  if (name.empty()) name = steer.rollout;
  if (name.empty()) return request;
  const auto* preset = config.find_preset(name);
  if (preset == nullptr) {
    std::vector<std::string> known;
    for (const auto& each : config.presets) known.push_back(each.name);
    return unknown(fmt::format("there is no preset '{}'", name), name, known);
  }
  const auto said = request.arguments;
  for (const auto& [argument, value] : arguments_of(*preset, steer))
    if (takes(request.id, argument) && !says(said, argument)) request.arguments[argument] = value;
  request.arguments["preset"] = name;
  return request;
}

}  // namespace sluice::control
