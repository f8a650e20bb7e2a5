// When all that was well fails at once, it is the checker that is the suspect: its network is gone, most
// likely. Verdicts are then held as they were, until a probe succeeds.
//
//   sound      targets whose latest result was a success when any target succeeded last
//   failed     those of them that have failed since
//   suspected  all sound targets of two pools or more have failed, and no other is left to say that we are
//              well: those have failed, too, or have said nothing for the whole of an interval
//
// Trouble is what keeps this machine from running a probe at all (no descriptors, no route). It says nothing
// about endpoints, so that there is nothing to hold, and is only told of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace sluice::health {

// Trouble is over when a result has come and there was none for so long.
inline constexpr Duration trouble_quiet = std::chrono::seconds(10);

// Pure: time is an argument. Targets are numbered by the caller, from 0 on.
class Suspicion {
 public:
  using Id = std::uint32_t;
  enum class Turn : std::uint8_t { none, began, ended };

  // Which targets each pool has. What was known of targets is forgotten, but not a suspicion.
  void set_pools(std::size_t targets, const std::vector<std::vector<Id>>& pools);

  // For who knows from before that a target was well.
  void assume_sound(Id target);

  // A result of a target that is probed every `interval` with this `timeout`. Held from then on, when it
  // began: what failed() lists has to be as it was before.
  Turn result(Id target, bool success, Duration interval, Duration timeout, Time now);

  // A probe could not be run.
  Turn trouble(std::string reason, Time now);
  // After each result, too: whether trouble is over.
  Turn trouble_over(Time now);

  // Failures change no verdict while this is set.
  std::optional<Time> suspected_since() const { return suspected_since_; }
  std::optional<Time> trouble_since() const { return trouble_since_; }
  const std::string& trouble_reason() const { return trouble_reason_; }

  // Since the last success of any target.
  const std::set<Id>& failed() const { return failed_; }

 private:
  struct Pool {
    std::size_t sound = 0, failed = 0;  // the failed ones are sound, too
    bool broken() const { return sound > 0 && failed == sound; }
  };

  void make_sound(Id target);
  void forget_failed();
  bool is_suspect(Time now) const;

  std::vector<std::vector<Id>> pools_of_;  // by target
  std::vector<bool> sound_;                // by target
  std::vector<Pool> pools_;
  std::size_t sound_pools_ = 0, broken_pools_ = 0;
  std::set<Id> failed_;
  Time first_failure_{};
  Duration window_{};  // the longest that one of the failed takes from probe to probe
  std::optional<Time> suspected_since_, trouble_since_;
  Time last_trouble_{};
  std::string trouble_reason_;
};

}  // namespace sluice::health
