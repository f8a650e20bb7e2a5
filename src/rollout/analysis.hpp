// Analysis of a step while it holds: from what was measured to a verdict, and from verdicts counted in the
// record to what the rollout may do. Pure.
//
//   Measurement --judge(Thresholds)--> Finding --count()--> Counts --has_failed(), hindrance()--> tick()
//
//   failure        so many end the rollout: `failures_max`
//   success        so many have to be seen before a hold can end: `successes_min`
//   inconclusive   holds: data that is missing never advances a rollout
//   error          so many in a row hold, too: `errors_max`
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.hpp"

namespace sluice::rollout {

enum class Verdict : std::uint8_t { success, failure, inconclusive, error };
const char* to_text(Verdict verdict);

// What a value has to be.
struct Thresholds {
  std::optional<double> min, max;
  bool relative = false;   // of the value's ratio to the old pools' one, and not of the value
  double samples_min = 0;  // fewer are inconclusive; 0: not asked for
  std::string what{};      // the value is, in words; empty: the user knows
};

// What came of measuring once. Whatever has no value, or one that is no number, is missing.
struct Measurement {
  std::optional<double> value, old_value, samples;
  std::string error{};  // why it could not be measured; empty: it was
};

struct Finding {
  Verdict verdict = Verdict::inconclusive;
  std::optional<double> value, threshold;  // that decided
  std::string text;                        // both in words
  friend bool operator==(const Finding&, const Finding&) = default;
};

Finding judge(const Thresholds& thresholds, const Measurement& measured);

// Of two that were found at once: the one that weighs more. Failure, error, inconclusive, success.
Finding graver(Finding one, Finding other);

// How verdicts are counted; part of a rollout's plan, and so the same until its end.
struct AnalysisRules {
  std::string name;  // of the config's section
  Duration interval{};
  std::uint32_t failures_max = 1, errors_max = 3, successes_min = 1;
  bool relative = false;  // to requests of the old pools: not asked for where these have no share
  friend bool operator==(const AnalysisRules&, const AnalysisRules&) = default;
};

// What was found since the step began.
struct Counts {
  std::uint32_t successes = 0, failures = 0, inconclusive = 0, errors = 0;
  std::uint32_t errors_in_row = 0;  // up to the last result
  bool good = false;                // the last result that was no error was a success
  std::optional<Time> at;           // of the last result
  Finding last;
  std::string failure;  // what the last one said
  friend bool operator==(const Counts&, const Counts&) = default;
};

void count(Counts& counts, Finding finding, Time at);

bool has_failed(const AnalysisRules& rules, const Counts& counts);

// Why a hold must not end yet; empty: it may. A result that is long past tells nothing of `now`: the daemon
// may have been away.
std::string hindrance(const AnalysisRules& rules, const Counts& counts, Time now);

}  // namespace sluice::rollout
