// What a rollout sees of the world (rollout::View): what was answered and is in caches, which pools are
// alive, and what the rules say to its next step.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "control/model.hpp"
#include "control/safety.hpp"
#include "rollout/rollout.hpp"

namespace sluice::control {

// How many answers a name has had from a pool since the process began.
using AnswerCounts = std::function<std::uint64_t(const wire::Name& name, const std::string& pool)>;

// What caches may hold of a name; none where nothing is known.
struct LeasesOfName {
  using TimeOf = std::function<std::optional<Time>(const wire::Name& name)>;
  using EndOf = std::function<std::optional<rollout::LeaseEnd>(const wire::Name& name)>;
  static std::optional<Time> no_time(const wire::Name&) { return {}; }
  static std::optional<rollout::LeaseEnd> no_end(const wire::Name&) { return {}; }

  TimeOf before_change = no_time;  // until when what was answered before it was published last
  TimeOf answered_last = no_time;  // when it was answered last
  EndOf until_now = no_end;        // of what was answered until now
  Time since{};                    // what was answered before that is known by its bound alone
};

// The steer of a rollout's name; null when the config has it no more, or not all that the rollout takes.
const config::Steer* steer_of(const Model& model, const wire::Name& name, const rollout::Rollout& rollout);

// What was answered since each rollout came into its phase, or since we began to look, whichever was later.
// Not kept over a restart: a step is then measured again.
class Measurements {
 public:
  explicit Measurements(AnswerCounts answers, LeasesOfName leases = {})
      : answers_(std::move(answers)), leases_(std::move(leases)) {}

  const LeasesOfName& leases() const { return leases_; }

  // But for what the rules say, and View::held.
  rollout::View view(const Model& model, const config::Steer& steer, const rollout::Rollout& rollout,
                     Time now);

  // What of it is about caches. Looked at for the first time in a phase when that is published.
  void see_leases(const wire::Name& name, const rollout::Rollout& rollout, rollout::View& view) const;

  // Counts from now on, when the phase is a new one; and in any case.
  void begin(const wire::Name& name, const rollout::Rollout& rollout, Time now);
  void begin_anew(const wire::Name& name, const rollout::Rollout& rollout, Time now);

 private:
  struct Begin {
    std::int64_t id = 0;
    Time phase_since{}, at{};
    std::map<std::string, std::uint64_t> answers;  // by pool
    // Of what was answered before the phase: what is published later is not waited for.
    std::optional<Time> leased_until;
  };
  const Begin* find(const wire::Name& name, const rollout::Rollout& rollout) const;

  AnswerCounts answers_;
  LeasesOfName leases_;
  std::map<wire::Name, Begin> begins_;
};

// With what the rules say to the step that a rollout may take by itself.
rollout::View view_of(const Model& model, const config::Steer& steer, const rollout::Rollout& rollout,
                      Measurements& measurements, Time now);

// The same for an operator's word. `unfrozen_until`: until then it goes before freeze windows.
rollout::View view_of(const Model& model, const config::Steer& steer, const rollout::Rollout& rollout,
                      const rollout::Command& command, Time unfrozen_until, Measurements& measurements,
                      Time now);

// Why the rollout may not begin: the time, or one of its steps, as endpoints are now.
std::optional<Error> start_objection(const Model& model, const config::Steer& steer,
                                     const rollout::Plan& plan, Time unfrozen_until, Time now);

}  // namespace sluice::control
