#include "endpoint_text.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "reply.hpp"

namespace sluice::ctl {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

bool serves(std::string_view health) { return health == "up" || health == "degraded"; }

// Of a share above 0, in whole percents.
std::string percent_text(double share) {
  return fmt::format("{}%", std::max(1, static_cast<int>(share * 100 + 0.5)));
}

// How far the other verdict is: "1 of 3 failures, 2 of 6 successes until they are forgotten".
std::string progress_text(const json::value& endpoint, Time now) {
  const auto health = text(endpoint, "health");
  const double failures = number(endpoint, "failures"), successes = number(endpoint, "successes");
  const double clear = number(endpoint, "clear"), rise = number(endpoint, "rise");
  std::vector<std::string> parts;
  if (health != "down" && failures > 0)
    parts.push_back(
        fmt::format("{} of {} failures", plain_number(failures), plain_number(number(endpoint, "fall"))));
  if (serves(health) && failures > 0 && successes > 0 && clear > 0)
    parts.push_back(fmt::format("{} of {} successes until they are forgotten", plain_number(successes),
                                plain_number(clear)));
  if (health == "drained")  // which no number of successes ends
    parts.push_back("drained by its own word");
  else if (!serves(health) && successes > 0)
    parts.push_back(
        fmt::format("{} of {} successes", plain_number(std::min(successes, rise)), plain_number(rise)));
  if (const double slow = number(endpoint, "slow"); health == "up" && slow > 0)
    parts.push_back(
        fmt::format("{} of {} slow answers", plain_number(slow), plain_number(number(endpoint, "fall"))));
  if (const double quick = number(endpoint, "quick"); health == "degraded" && quick > 0)
    parts.push_back(
        fmt::format("{} of {} quick answers", plain_number(std::min(quick, rise)), plain_number(rise)));
  if (const auto held = time(endpoint, "held_until"); health == "down" && held && *held > now)
    parts.push_back(fmt::format("held down for {} more", age_text(*held - now)));
  return joined(parts, ", ");
}

// Why one that is up or degraded gets less than its weight, beside that.
std::string smaller_text(const json::value& endpoint, Time now) {
  if (!serves(text(endpoint, "health"))) return "";
  std::vector<std::string> parts;
  const auto& said = member(endpoint, "said_share");
  if (said.is_number() && said.to_number<double>() < 1)
    parts.push_back(fmt::format("{} by its own word", percent_text(said.to_number<double>())));
  if (const auto end = time(endpoint, "slow_start_until"); end && *end > now)
    parts.push_back(fmt::format("slow start for {} more", age_text(*end - now)));
  return joined(parts, ", ");
}

// Of its weight, by a slow start, by slow answers, or as the endpoint asks for.
std::string share_text(const json::value& endpoint) {
  const auto& share = member(endpoint, "share");
  if (!share.is_number() || share.to_number<double>() >= 1 || !serves(text(endpoint, "health"))) return "";
  return " at " + percent_text(share.to_number<double>());
}

// Of an operator's word: drain, up or down.
std::string past_tense(const std::string& word) { return word == "drain" ? "drained" : "held " + word; }

}  // namespace

Cell state_cell(const json::value& endpoint) {
  const auto health = text(endpoint, "health");
  const bool serving = flag(endpoint, "serving");
  const auto& word = member(endpoint, "word");
  const auto kind = text(word, "word");
  if (!kind.empty()) return {fmt::format("{} ({})", past_tense(kind), health), Colour::warning};
  const auto verdict = health + share_text(endpoint) + (flag(endpoint, "held") ? ", verdict held" : "");
  const auto shown = verdict + (serving || !serves(health) ? "" : ", unused");
  if (serves(health))
    return {shown, !serving ? Colour::none : verdict == "up" ? Colour::good : Colour::warning};
  return {shown + (serving ? ", in answers" : ""), health == "down" ? Colour::bad : Colour::warning};
}

std::string last_check_text(const json::value& endpoint, bool checked, Time now) {
  if (!checked) return "not checked";
  const auto& last = member(endpoint, "last");
  const auto trouble = text(endpoint, "trouble");
  if (!last.is_object() && trouble.empty()) return "no check has ended yet";
  std::string result;
  if (!trouble.empty()) result = fmt::format("its check cannot be run: {}", trouble);
  if (!last.is_object()) return result;
  if (!trouble.empty()) result += "; before that: ";
  result += fmt::format("{}, {}ms, {} ago", text(last, "detail"), plain_number(number(last, "took_ms")),
                        age(last, "at", now));
  for (const auto& more : {progress_text(endpoint, now), smaller_text(endpoint, now)})
    if (!more.empty()) result += ", " + more;
  return result;
}

std::string word_text(const json::value& word, Time now) {
  auto result = "by " + text(word, "by");
  if (const auto until = time(word, "until"))
    result += fmt::format(", {} left", age_text(std::max(*until - now, Duration{0})));
  if (const auto reason = text(word, "reason"); !reason.empty()) result += ": " + reason;
  return result;
}

std::string next_word_text(const json::value& word, Time now) {
  return fmt::format("then {}: {}", past_tense(text(word, "word")), word_text(word, now));
}

std::string scheduled_text(const json::value& scheduled) {
  auto result = fmt::format("{} at {} UTC", text(scheduled, "word"), date_text(scheduled, "at"));
  if (const auto length = text(scheduled, "for"); !length.empty()) result += ", for " + length;
  result += ", by " + text(scheduled, "by");
  if (const auto reason = text(scheduled, "reason"); !reason.empty()) result += ": " + reason;
  return result;
}

}  // namespace sluice::ctl
