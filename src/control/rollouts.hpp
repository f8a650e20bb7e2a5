// Rollouts as the director sees them: what a request or the passing of time comes to for one, as changes of
// the store. Pure: what was answered is counted by others (Measurements).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "control/analyses.hpp"
#include "control/commands.hpp"
#include "control/model.hpp"
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

  TimeOf before_change = no_time;  // until when what was answered before its weights were published last
  TimeOf answered_last = no_time;  // when it was answered last
  EndOf until_now = no_end;        // of what was answered until now
  Time since{};                    // what was answered before that is known by its bound alone
};

// What was answered since each rollout came into its phase, or since we began to look, whichever was later.
// Not kept over a restart: a step is then measured again.
class Measurements {
 public:
  explicit Measurements(AnswerCounts answers, LeasesOfName leases = {})
      : answers_(std::move(answers)), leases_(std::move(leases)) {}

  const LeasesOfName& leases() const { return leases_; }

  rollout::View view(const Model& model, const rollout::Rollout& rollout, Time now);
  void see_leases(const rollout::Rollout& rollout, rollout::View& view) const;

  struct Begin {
    Time phase_since{}, at{};
    std::int64_t id = 0;
    std::map<std::string, std::uint64_t> answers;  // by pool
  };
  // Counts from now on, when the phase is a new one.
  Begin& begin(const rollout::Rollout& rollout, Time now);
  Begin& begin_anew(const rollout::Rollout& rollout, Time now);

 private:
  AnswerCounts answers_;
  LeasesOfName leases_;
  std::map<std::string, Begin> begins_;  // by name
};

Result<Decision> start_rollout(const Model& model, const Request& request, rollout::Strategy strategy,
                               Time now, const LeasesOfName& leases = {});

// What an operator's word about the rollout of a name comes to.
Result<Decision> say_to_rollout(const Model& model, const Request& request, rollout::Word word,
                                Measurements& measurements, Time now);

// What has come due by `now`, of all rollouts.
Decision due_rollouts(const Model& model, Measurements& measurements, Time now);

// What the result of an analysis comes to. Nothing when the rollout is elsewhere by now.
Decision take_finding(const Model& model, const DueAnalysis& due, rollout::Finding finding,
                      Measurements& measurements, Time now);

// When the next one is due, that of those which were looked at last at `looked`.
std::optional<Time> next_rollout(const Model& model, const Measurements& measurements, Time looked);

// Why nobody but a rollout may change the weights of a name now; nothing when anybody may.
std::optional<Error> rollout_in_the_way(const Model& model, const config::Steer& steer);

// The running one of each name, or the last; `name`: of that alone.
Result<boost::json::object> rollouts_status(const Model& model, const Request& request,
                                            Measurements& measurements, Time now);

// Rollouts that were, newest first.
boost::json::object history_status(const std::vector<store::RolloutRecord>& records, Time now);

// As text; null for none.
boost::json::value time_or_null(std::optional<Time> time);

}  // namespace sluice::control
