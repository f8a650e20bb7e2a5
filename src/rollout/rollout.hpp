// A rollout: the traffic of one steered name goes over to one of its pools, or to several, its targets, step
// by step, on DNS time. Pure: time and what is seen of the world are arguments.
//
//              start
//                | the TTL is lowered; answers with the old one are still in caches
//                v
//             arming --> moving --> settling --> holding --+--> moving ...   next step
//                         |  caches      |  measure     |  |
//               |         |  run out     |              |  +--> gated -----> moving ...   after a promote
//               |         |              |              |  |
//               |         +------- abort, undo, dead ---+  +--> done         after the last step
//               |                        v                       | undo
//  abort, undo, |                    returning <-----------------+
//  dead: nothing|                        |  caches run out
//  has moved    |                        v
//               +-------------------> returned
//
// What goes back little by little is watched: when the target dies, or an operator says abort again, it goes
// back at once, and while there is nobody well to take it, it stays.
//
// A switch has its analyses twice: while it is armed, of a pool that nobody but testers has been sent to, and
// while it holds. It is not made before they have passed, unless an operator says so.
//
// A step's hold begins when no obedient cache can hold an answer of the step before, `grace` is over, and the
// answered share has been what it should be for one TTL; not when the weight was set. A name that nobody has
// asked for a TTL has no such answers in caches, and has sent nobody the wrong way for as long: it does not
// wait. From then on it is analysed, also at the gate and in a pause (analysis.hpp): what fails aborts, and
// without successes no hold ends.
//
// A step that is forbidden is not taken, neither by itself nor by an operator's word; what goes back is
// always allowed.
//
// What is in answers follows from the record alone (share(), ttl()), so that a transition is one commit of
// the record and the weights, and a director that was killed anywhere goes on where it was.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "rollout/analysis.hpp"
#include "rollout/leases.hpp"
#include "rollout/plan.hpp"

namespace sluice::rollout {

enum class Phase : std::uint8_t { arming, moving, settling, holding, gated, done, returning, returned };
const char* to_text(Phase phase);

// Where it stands.
struct State {
  Phase phase = Phase::arming;
  std::size_t step = 0;          // into Plan::steps; in answers from the first `moving` on
  Time since{};                  // of the phase
  Time caches_until{};           // until then a cache may hold what was answered before the present share
  Duration caches_ttl{};         // of what it holds longest
  std::optional<Time> paused;    // since when; returning: nobody can take what is left
  Duration held{};               // of the hold, before the last pause
  std::string waits_for{};       // beside time, which is over: it is told; empty: nothing
  std::vector<Counts> counts{};  // of Plan::analyses, since the step began; short by those without a result
  double from = 0;               // the share that was answered before the present one
  Duration over{};               // returning: the time to go back in
  std::string reason{};          // returning, returned: why
  std::string sent_back_by{};    // returning, returned: the operator who has; empty: it has itself
  Time unfrozen_until{};         // until then an operator's word goes before freeze windows
  bool moved = false;            // a step was begun
  std::size_t skipped = 0;       // so many steps before the present one were left out
  friend bool operator==(const State&, const State&) = default;
};

struct Rollout {
  std::int64_t id = 0;
  std::string by;  // who started it
  Time started{};
  Plan plan;
  State state;
  std::string why{};  // in the words of who started it
  friend bool operator==(const Rollout&, const Rollout&) = default;
};

// What is seen of the world.
struct View {
  // Answers for the name from `measured_since` on.
  Time measured_since{};
  std::uint64_t answers = 0;
  std::vector<std::uint64_t> answers_of_targets{};  // in their order
  std::optional<Time> answered_last{};              // none: not known
  // From then on no cache holds what was really answered before the present share, or before the TTL was
  // lowered; none: not known.
  std::optional<Time> leased_until{};
  bool leased_here = false;   // by what this process has answered: it is so. Else it may be sooner
  std::string dead_target{};  // one that is not alive; empty: there is none
  bool others_live = true;    // what goes back is taken by pools that are alive, or not less so than now
  bool sticky = false;        // who asks decides what is answered, and not the share alone
  // Of all that is answered until another share is; none: not known. Looked at after the end alone.
  std::optional<LeaseEnd> held{};
  // Why the next step (next_share()) may not be taken now; empty: it may.
  std::string forbidden{};
};

enum class Word : std::uint8_t { pause, resume, promote, abort, undo };
const char* to_text(Word word);

struct Command {
  Word word = Word::pause;
  bool full = false;  // promote: to the last step
  Duration over{};    // abort: the time to go back in
  std::string reason{};
  std::string by{};
};

// What happened, for the event log: "rollout.step", "5 % ..."
struct Note {
  std::string kind, text;
};

struct Turn {
  State state;
  std::vector<Note> notes{};  // empty: nothing has changed, but for what it waits for
  bool measure_anew = false;  // what was answered until now counts no more
};

// The share that the next step gives to the targets; nothing when there is none. `full`: the last one.
std::optional<double> next_share(const Rollout& rollout, bool full = false);

// When the next step is due, as far as that is known: the time has come for it, and nothing else is waited
// for.
std::optional<Time> next_step_at(const Rollout& rollout);

// What the passing of time, and what is seen, have come to.
Turn tick(const Rollout& rollout, const View& view, Time now);

// What an operator's word comes to; refused where it makes no sense.
Result<Turn> obey(const Rollout& rollout, const Command& command, const View& view, Time now);

// A result of one of the plan's analyses, and what it comes to. It is of another step, or comes too late,
// where is_analysed() says no.
Turn observe(const Rollout& rollout, std::size_t analysis, Finding finding, const View& view, Time now);

// Whether the plan's analyses are run now; and whether that one is.
bool is_analysed(const Rollout& rollout);
bool is_analysed(const Rollout& rollout, std::size_t analysis);

// When the analysis is to be run next.
Time next_analysis(const Rollout& rollout, std::size_t analysis);

// What was found of one, since the step began.
Counts counts_of(const State& state, std::size_t analysis);

// When a rollout that begins now is armed, if the name is asked for until then: no cache holds an answer with
// the TTL of before; with the TTL as it is, there is nothing to wait for. `leased`: what was answered so far,
// which may have had a longer TTL than that; none: not known.
LeaseEnd armed_at(const Plan& plan, std::optional<LeaseEnd> leased, Time now);

// Until when caches may hold what its phase waits for, by what was really handed out; where that is not
// known, as if it had been to the last moment.
Time caches_until(const Rollout& rollout, const View& view);

// When tick() may find something to do at the earliest; nothing when that is for an operator to say.
std::optional<Time> next_tick(const Rollout& rollout, const View& view, Time now);

// The share of the targets, all together, that is to be answered.
double share(const Rollout& rollout, Time now);

// About which share of what caches hold is the targets': of those that obey, and ask evenly over a TTL. None
// when nobody has been answered for a TTL, so that they hold nothing.
std::optional<double> leased_share(const Rollout& rollout, const View& view, Time now);

// Whether the targets have all, so that the others are the idle side.
bool has_switched(const Rollout& rollout);

// Whether the class of the plan is to be led to its target. After the end it is when the others are not all
// there as well.
bool leads_class(const Rollout& rollout);

// While it runs; none: the config's.
std::optional<Duration> ttl(const Rollout& rollout);

// Whether it is under way: it decides over the name's weights.
bool is_running(Phase phase);

// From when on a step may be taken that is due then; the same time, but in a freeze.
using Allowed = std::function<Time(Time due)>;

// When each step that is left can begin at the earliest, and when the last one is done, for a name that is
// asked for as it is now, and an operator who lets it pass each gate at once. Nothing where that is not
// known: in a pause, after the end. Of the view: `answered_last`, `measured_since`, and until when caches
// hold what was answered so far (`leased_until`).
std::vector<Time> earliest_times(const Rollout& rollout, const View& view, const Allowed& allowed, Time now);

}  // namespace sluice::rollout
