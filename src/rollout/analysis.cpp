#include "rollout/analysis.hpp"

#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace sluice::rollout {
namespace {

// For so many a result is as good as a new one.
constexpr int intervals_fresh = 3;

bool is_missing(std::optional<double> value) { return !value || std::isnan(*value); }

Finding inconclusive(std::string text) { return {Verdict::inconclusive, {}, {}, std::move(text)}; }

// Nothing in the old pools is no reason to call the same nothing in the new one worse; anything else is then
// beyond every bound.
double ratio(double value, double old_value) { return value == old_value ? 1 : value / old_value; }

std::string shown(const Thresholds& thresholds, const Measurement& measured, double value) {
  const auto what = thresholds.what.empty() ? "" : thresholds.what + " ";
  if (!thresholds.relative) return fmt::format("{}{:.4g}", what, value);
  return fmt::format("{}{:.4g} times the old pool's ({:.4g} to {:.4g})", what, value, *measured.value,
                     *measured.old_value);
}

// A record is JSON, which has no infinity.
std::optional<double> finite(double value) {
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

Finding compare(const Thresholds& thresholds, const Measurement& measured, double value) {
  const auto text = shown(thresholds, measured, value);
  const auto [min, max] = std::pair(thresholds.min, thresholds.max);
  if (max && value > *max)
    return {Verdict::failure, finite(value), max,
            fmt::format("{} is more than the max of {:.4g}", text, *max)};
  if (min && value < *min)
    return {Verdict::failure, finite(value), min,
            fmt::format("{} is less than the min of {:.4g}", text, *min)};
  std::string bounds = max ? fmt::format("at most {:.4g}", *max) : "";
  if (min) bounds += fmt::format("{}at least {:.4g}", max ? " and " : "", *min);
  return {Verdict::success, finite(value), max ? max : min, fmt::format("{} is {}", text, bounds)};
}

int weight(Verdict verdict) {
  switch (verdict) {
    case Verdict::success:
      return 0;
    case Verdict::inconclusive:
      return 1;
    case Verdict::error:
      return 2;
    case Verdict::failure:
      break;
  }
  return 3;
}

}  // namespace

const char* to_text(Verdict verdict) {
  switch (verdict) {
    case Verdict::success:
      return "success";
    case Verdict::failure:
      return "failure";
    case Verdict::inconclusive:
      return "inconclusive";
    case Verdict::error:
      return "error";
  }
  return "";
}

Finding judge(const Thresholds& thresholds, const Measurement& measured) {
  if (!measured.error.empty()) return {Verdict::error, {}, {}, measured.error};
  if (thresholds.samples_min > 0) {
    if (is_missing(measured.samples)) return inconclusive("there are no samples");
    if (*measured.samples < thresholds.samples_min)
      return inconclusive(
          fmt::format("{:.6g} samples, of {:.6g} at least", *measured.samples, thresholds.samples_min));
  }
  if (is_missing(measured.value)) return inconclusive("there is no value");
  if (!thresholds.relative) return compare(thresholds, measured, *measured.value);
  if (is_missing(measured.old_value)) return inconclusive("there is no value of the old pool");
  const double value = ratio(*measured.value, *measured.old_value);
  return std::isnan(value) ? inconclusive("the ratio is no number") : compare(thresholds, measured, value);
}

Finding graver(Finding one, Finding other) {
  return weight(other.verdict) > weight(one.verdict) ? std::move(other) : std::move(one);
}

void count(Counts& counts, Finding finding, Time at) {
  const bool is_error = finding.verdict == Verdict::error;
  counts.errors_in_row = is_error ? counts.errors_in_row + 1 : 0;
  if (!is_error) counts.good = finding.verdict == Verdict::success;
  switch (finding.verdict) {
    case Verdict::success:
      ++counts.successes;
      break;
    case Verdict::failure:
      ++counts.failures;
      counts.failure = finding.text;
      break;
    case Verdict::inconclusive:
      ++counts.inconclusive;
      break;
    case Verdict::error:
      ++counts.errors;
      break;
  }
  counts.at = at;
  counts.last = std::move(finding);
}

bool has_failed(const AnalysisRules& rules, const Counts& counts) {
  return counts.failures >= rules.failures_max;
}

std::string hindrance(const AnalysisRules& rules, const Counts& counts, Time now) {
  if (!counts.at) return fmt::format("analysis {} has not brought a result yet", rules.name);
  if (counts.errors_in_row >= rules.errors_max)
    return fmt::format("analysis {}: {} errors in a row: {}", rules.name, counts.errors_in_row,
                       counts.last.text);
  if (!counts.good) return fmt::format("analysis {} is no success: {}", rules.name, counts.last.text);
  if (now - *counts.at > intervals_fresh * rules.interval)
    return fmt::format("analysis {} has had no result for {}", rules.name,
                       sluice::to_text(Duration(now - *counts.at)));
  if (counts.successes < rules.successes_min)
    return fmt::format("analysis {}: {} of {} successes", rules.name, counts.successes, rules.successes_min);
  return "";
}

}  // namespace sluice::rollout
