// Rollouts as text: a tree of steps, where it stands, and what it waits for.
#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <boost/json/array.hpp>

#include "render.hpp"
#include "render_progress.hpp"
#include "reply.hpp"
#include "table.hpp"

namespace sluice::ctl {
namespace {

namespace json = boost::json;

std::string in_or_ago(std::optional<Time> at, Time now) {
  if (!at) return "";
  return *at > now ? "in " + to_text(Duration(std::chrono::ceil<std::chrono::seconds>(*at - now)))
                   : age_text(now - *at) + " ago";
}

// The first analysis that does not let it go on, and why; both empty when there is none.
std::pair<std::string, std::string> held_by(const json::value& rollout) {
  for (const auto& analysis : list(rollout, "analyses"))
    if (auto holds = text(analysis, "holds"); !holds.empty())
      return {text(analysis, "name"), std::move(holds)};
  return {};
}

bool is_gated(const json::value& rollout, std::size_t step) {
  const auto& gates = member(rollout, "gates");
  return gates.is_bool() && gates.get_bool() && step + 1 < list(rollout, "steps").size();
}

bool is_gate_next(const json::value& rollout) {
  return is_gated(rollout, static_cast<std::size_t>(number(rollout, "step")));
}

// "what it waits for", of a running one.
std::string rollout_waits_for(const json::value& rollout, Time now) {
  const auto phase = text(rollout, "phase");
  const auto caches = in_or_ago(time(rollout, "caches_until"), now);
  const auto next = in_or_ago(time(rollout, "next"), now);
  const bool paused = member(rollout, "paused").is_string();
  const bool told = !text(rollout, "waits_for").empty();  // in a line of its own
  if (paused && phase == "returning") return "goes back when there is somebody to take its share";
  if (paused) return "paused " + age(rollout, "paused", now) + " ago";
  if (phase == "arming" && time(rollout, "caches_until").value_or(now) > now)
    return fmt::format("the TTL is lowered; caches hold answers with the old one: {}", caches);
  if ((phase == "arming" || phase == "holding") && told) return "";
  if (phase == "arming") {
    const auto [analysis, holds] = held_by(rollout);
    return analysis.empty() ? "the first step is due"
                            : fmt::format("the switch waits until {} has passed; now: {}", analysis, holds);
  }
  if (phase == "moving") return fmt::format("caches may hold answers of the step before: {}", caches);
  if (phase == "settling") return fmt::format("the answered share is being measured: {}", next);
  if (phase == "holding") {
    const auto [analysis, holds] = held_by(rollout);
    if (!analysis.empty()) return fmt::format("next {}, when {} has passed; now: {}", next, analysis, holds);
    return fmt::format("{} {}", is_gate_next(rollout) ? "the gate comes" : "next", next);
  }
  if (phase == "done" && member(rollout, "leases").is_object())
    return fmt::format("caches may hold what was answered before: {}", caches);
  if (phase == "gated") return "waits for `sluicectl rollout promote`";
  if (phase == "returning") return fmt::format("goes back; caches may hold answers of it: {}", caches);
  return "";
}

struct StepState {
  std::string text;
  Colour colour = Colour::none;
  bool is_past = false;  // it is, or its hold is
};

StepState state_of_step(const json::value& rollout, std::size_t step) {
  const auto at = static_cast<std::size_t>(number(rollout, "step"));
  const auto skipped = static_cast<std::size_t>(number(rollout, "skipped"));
  const auto phase = text(rollout, "phase");
  const auto& moved = member(rollout, "moved");
  if (!moved.is_bool() || !moved.get_bool() || step > at) return {};
  if (step + skipped >= at && step < at) return {"skipped", Colour::none, true};
  if (step < at || phase == "done") return {"done", Colour::good, true};
  if (phase == "returning" || phase == "returned") return {"left", Colour::strong, true};
  return {phase, Colour::strong, phase == "gated"};
}

std::string step_line(const json::value& rollout, std::size_t step, Style style) {
  const auto& steps = list(rollout, "steps");
  const auto client_class = text(rollout, "class");
  const auto what = step == 0 && !client_class.empty()
                        ? "class " + client_class
                        : percent(steps[step].is_number() ? steps[step].to_number<double>() : 0);
  auto [state, colour, is_past] = state_of_step(rollout, step);
  if (is_gated(rollout, step) && !is_past) state += state.empty() ? "then a gate" : ", then a gate";
  const auto line = fmt::format("  {} {:>6}  {}", step + 1 == steps.size() ? "`-" : "|-", what, state);
  return paint(line, colour, style.colours) + "\n";
}

Colour verdict_colour(std::string_view verdict) {
  if (verdict == "success") return Colour::good;
  return verdict == "failure" ? Colour::bad : Colour::warning;
}

// "analysis errors  success 20s ago: 0.01 is at most 0.05; 3 successes, 0 failures, ..."
std::string analysis_line(const json::value& analysis, Time now, Style style) {
  const auto verdict = text(analysis, "verdict");
  auto found = verdict.empty()
                   ? "no result yet"
                   : fmt::format("{} {} ago: {}", paint(verdict, verdict_colour(verdict), style.colours),
                                 age(analysis, "at", now), text(analysis, "text"));
  const auto count = [&](std::string_view what) { return plain_number(number(analysis, what)); };
  return fmt::format(
      "  analysis {}  {}; {} successes ({} needed), {} failures ({} abort), {} inconclusive, {} errors\n",
      text(analysis, "name"), found, count("successes"), count("successes_min"), count("failures"),
      count("failures_max"), count("inconclusive"), count("errors"));
}

std::string share_text(const json::value& share) {
  return share.is_number() ? percent(share.to_number<double>()) : "-";
}

// "set 25.0%, answered 24.8% of 1200 since 40s ago, leased about 25.0%"; leased: what caches hold.
std::string shares_text(const json::value& rollout, Time now) {
  const auto leased = share_text(member(rollout, "leased_share"));
  return fmt::format("set {}, answered {} of {} since {} ago, leased {}", percent(number(rollout, "share")),
                     share_text(member(rollout, "answered_share")), plain_number(number(rollout, "answers")),
                     age(rollout, "since", now), leased == "-" ? "by nobody" : "about " + leased);
}

// Of each target, where there are several.
std::string target_lines(const json::value& rollout) {
  std::string lines;
  if (list(rollout, "targets").size() < 2) return lines;
  for (const auto& target : list(rollout, "targets"))
    lines += fmt::format("    {}: set {}, answered {}\n", text(target, "pool"),
                         percent(number(target, "share")), share_text(member(target, "answered_share")));
  return lines;
}

std::string rollout_text(const json::value& rollout, Time now, Style style) {
  auto title =
      fmt::format("{}  {} to {}  {}  rollout {} by {}, begun {} ago", text(rollout, "name"),
                  text(rollout, "strategy"), text(rollout, "to"), text(rollout, "phase"),
                  plain_number(number(rollout, "id")), text(rollout, "by"), age(rollout, "started", now));
  if (const auto why = text(rollout, "why"); !why.empty()) title += ": " + why;
  auto result = paint(title, Colour::strong, style.colours) + "\n";
  if (member(rollout, "answers").is_number())
    result += "  " + shares_text(rollout, now) + "\n" + target_lines(rollout);
  for (std::size_t i = 0; i < list(rollout, "steps").size(); ++i) result += step_line(rollout, i, style);
  for (const auto& analysis : list(rollout, "analyses")) result += analysis_line(analysis, now, style);
  result += waiting_lines(rollout_waits_for(rollout, now), rollout, now, style);
  if (const auto ends = time(rollout, "ends"))
    result += fmt::format("  ends {} at the earliest\n", in_or_ago(std::max(*ends, now), now));
  return result;
}

}  // namespace

std::string render_rollouts(const json::value& reply, Style style) {
  return render_each(reply, "rollouts", style, rollout_text);
}

}  // namespace sluice::ctl
