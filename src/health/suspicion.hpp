// When all that was well falls silent at once, it is the checker that is the suspect: its network is gone,
// most likely. Verdicts are then held as they were, until a target answers.
//
//   silence    a failure with nothing received; a refusal, a bad answer or a connection that was taken
//              is none: our network carried it
//   sound      targets that were well, and have not been silent while others answered
//   failed     those of them that have been silent since any target answered last
//   suspected  all sound targets, of two pools or more, have failed; or all that were asked have
//              (whom_to_ask)
//
// Who is about to fall by a silence may be the first one to notice that our network is gone. So others are
// asked before it falls: one answer, and it is dead by itself. That some have said nothing for long is no
// silence: they may be probed seldom.
//
// Trouble is what keeps this machine from running some target's probe at all (no descriptors, no route). It
// says nothing about endpoints, so that there is nothing to hold, and is only told of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace sluice::health {

// At most so many others are asked before a target falls.
inline constexpr std::size_t asked_max = 8;

enum class Turn : std::uint8_t { none, began, ended };

// What a result says about the checker.
enum class Evidence : std::uint8_t { success, answer, silence };

// Pure: time is an argument. Targets are numbered by the caller, from 0 on.
class Suspicion {
 public:
  using Id = std::uint32_t;

  // Which targets each pool has. What was known of targets is forgotten, but not a suspicion, as long as
  // there is any whose answer could end it; who knows more says so next.
  Turn set_pools(std::size_t targets, const std::vector<std::vector<Id>>& pools);

  // From before: a target was well.
  void assume_sound(Id target);
  // From before: it was well, and one of failed().
  void assume_failed(Id target);

  // Results of the target come over no network, after all: it is none of the sound ones, until it succeeds
  // over one. A suspicion ends when that was the last one to be held.
  Turn leave(Id target, Time now);

  // A result of a target. Held from then on, when it began: what failed() lists has to be as it was before.
  Turn result(Id target, Evidence evidence, Time now);

  // Others to probe at once, as the silence of `target` is about to take it down: one that was well of each
  // of asked_max other pools at most, others each time. None: that silence is a failure like any other, as
  // some target has answered since its first one, or because no other pool has anybody who could.
  std::vector<Id> whom_to_ask(Id target);

  // While suspected: whom to probe at once, of as many pools, as any answer ends it.
  std::vector<Id> whom_to_ask_again();

  // None of those who were asked has answered.
  Turn nobody_answered(Time now);

  // Whether a silence that comes `now` belongs to a suspicion that is over: its probe began before the end,
  // and says as little.
  bool is_late(Time started, Time now) const;

  // Whether a target that answered at `answered`, and has said nothing from then on until `now`, may have
  // done so before our network went away: before the suspicion, or before the latest of failed() fell silent.
  bool is_outdated(Time answered, Time now) const;

  // Silence changes no verdict while this is set.
  std::optional<Time> suspected_since() const { return suspected_since_; }

  // Since the last answer of any target.
  const std::set<Id>& failed() const { return failed_; }

 private:
  struct Pool {
    std::vector<Id> targets;
    std::size_t sound = 0, failed = 0;  // the failed ones are sound, too
  };

  bool make_failed(Id target);  // false: it was
  void forget_failed();
  Turn end(Time now);
  bool is_suspect() const;
  // Those of the pools that are not in `but`, starting with others each time.
  std::vector<Id> ask_others(const std::vector<Id>& but);
  std::vector<Id> sound_of_others(const std::vector<Id>& but, bool failed) const;
  std::optional<Id> sound_of(const Pool& pool, bool failed) const;

  std::vector<std::vector<Id>> pools_of_;  // by target
  std::vector<bool> sound_;                // by target
  std::vector<Pool> pools_;
  std::size_t sound_pools_ = 0, broken_pools_ = 0;
  std::size_t questions_ = 0;  // so far: each asks others
  std::set<Id> failed_;
  Time failed_at_{};  // the latest of them
  std::optional<Time> suspected_since_;
  Time ended_{};  // the latest suspicion
};

// Trouble is over when no target is left in it, and there was none for so long.
inline constexpr Duration trouble_quiet = std::chrono::seconds(10);

// Pure, too.
class Trouble {
 public:
  // A probe could not be run.
  Turn met(std::string reason, Time now);
  // After each result, while no target's last probe has met any: whether it is over.
  Turn over(Time now);
  // Who was in trouble is probed no more.
  Turn end();

  std::optional<Time> since() const { return since_; }
  const std::string& reason() const { return reason_; }

 private:
  std::optional<Time> since_;
  Time last_{};
  std::string reason_;
};

}  // namespace sluice::health
