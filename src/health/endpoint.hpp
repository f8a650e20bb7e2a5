// The health of one endpoint under one check: a state machine without I/O and without a clock.
//
//    unknown --first result--> up or down
//
//               `rise` successes in a row, after the hold-down
//        down ------------------------------> up  <---> degraded     slow answers, `fall` or `rise` in a row
//         ^   <------------------------------  |            |
//         |       `fall` failures              |            |
//         +-------------------------------------------------+
//    drained: the endpoint says so itself (an agent, a report); left at its next success without that word
//
// Failures need not be in a row: they are forgotten after `clear` successes in a row. So an endpoint that
// flaps goes down, and each time that it does so again soon its hold-down is twice as long.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace sluice::health {

enum class Verdict : std::uint8_t { unknown, up, degraded, drained, down };
const char* to_text(Verdict verdict);
std::optional<Verdict> parse_verdict(std::string_view text);

struct Rules {
  unsigned rise = 2;
  unsigned fall = 3;
  unsigned clear = 6;              // successes in a row that make failures forgotten
  Duration hold_down{};            // after the second fall; twice as long after each further one
  Duration hold_down_max{};        // and an endpoint that was up for as long has no past
  Duration slow_start{};           // in which the share climbs after a recovery; 0: at once
  std::optional<Duration> slow{};  // a success that took longer is a slow one
  double degraded_share = 0.5;     // of the weight, while degraded
  friend bool operator==(const Rules&, const Rules&) = default;
};

// What an endpoint says of itself beside the success or failure of the probe; it takes effect at once.
enum class Word : std::uint8_t { none, drain, down };

// A slow start climbs in so many steps, from the first one on.
inline constexpr unsigned slow_start_steps = 16;

// More falls than this are not counted; the hold-down has its own bound.
inline constexpr unsigned falls_max = 32;

// What one probe brought.
struct ProbeResult {
  bool success = false;
  std::string detail;  // "200 OK", "connection refused": for a person
  Duration took{};
  Word word = Word::none;
  double share = 1;  // of its weight, as the endpoint says; 0 with `drain` only
  // Something has come back from the target, or from its machine: a status, a reset, or that it took the
  // connection. Each success is one.
  bool answered = false;
  Duration late{};           // the probe began so much after it was due
  bool keeps_share = false;  // it says nothing of `share`: what it said last stands
  Duration quiet{};          // it has answered, but may have said nothing for so long when its time was over
  bool own = false;          // it has answered from an address of this machine's own
};

// Nothing has come back: the one failure that our own network brings, too.
bool is_silence(const ProbeResult& result);

struct State {
  Verdict verdict = Verdict::unknown;
  Time since{};            // of the verdict
  Time serving_since{};    // up or degraded, without a break
  unsigned successes = 0;  // in a row, up to the larger of `rise` and `clear`
  unsigned failures = 0;   // since they were last forgotten, up to `fall`
  unsigned slow = 0;       // slow successes in a row, up to `fall`
  unsigned quick = 0;      // successes in a row that were not slow, up to `rise`
  unsigned falls = 0;      // lately
  Time held_until{};       // not up before; none: that does not hold it
  Time warm_since{};       // begin of the slow start; none: it is not climbing
  double share = 1;        // what the endpoint says; 0 drains it
  ProbeResult last;
  Time last_at{};
};

// As a clock would have it that is ahead by `shift`.
State shifted(State state, Duration shift);

// Whether the endpoint is to be had: up or degraded.
bool serves(Verdict verdict);

struct Step {
  State state;
  bool changed = false;  // the verdict is another one than before
  std::string why;       // it is: "3 failures"
};

// The state after `result`, which came at `now`.
Step step(const State& state, const Rules& rules, const ProbeResult& result, Time now);

// The part of its weight that the endpoint gets: 0 unless it is up or degraded.
double share(const State& state, const Rules& rules, Time now);

// When share() will be another one without a result; none: it stays.
std::optional<Time> next_share(const State& state, const Rules& rules, Time now);

// When its slow start is over; none: it is not climbing.
std::optional<Time> slow_start_end(const State& state, const Rules& rules, Time now);

// The least time, from the last result on, in which the verdict could change, where there are signs that it
// will: failures or slow answers while up, quick ones while degraded, successes while down. Probes are due
// every `interval`, and may end at once.
std::optional<Duration> least_time_to_change(const State& state, const Rules& rules, Duration interval);

// --- the table of transitions, for who wants to check it ---

enum class Cause : std::uint8_t {
  success,  // any
  failure,  // any
  risen,    // enough successes, and the hold-down is over
  fallen,   // enough failures
  slowed,   // enough slow successes
  quickened,
  told_drain,
  told_down,
};

struct Transition {
  Verdict from;
  Cause cause;
  Verdict to;
};

// No (from, cause) twice.
std::span<const Transition> transitions();

}  // namespace sluice::health
