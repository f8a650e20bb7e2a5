// Carries rollouts out: their steps when they are due, and their analyses. rollouts.hpp and analyses.hpp
// decide.
#pragma once

#include <functional>
#include <vector>

#include "control/alarm.hpp"
#include "control/analyses.hpp"
#include "control/hands.hpp"
#include "control/rollouts.hpp"
#include "probe/analysis.hpp"
#include "rollout/analysis.hpp"

namespace sluice::control {

// The control thread's.
class RolloutRunner {
 public:
  // Asks what an analysis wants to know; calls back once or, when the daemon stops, never, on any thread.
  using Measure = std::function<void(probe::Question, std::function<void(rollout::Finding)>)>;

  RolloutRunner(Hands hands, AnswerCounts answers, LeasesOfName leases, Measure measure);

  // What a request comes to; for the director to carry out.
  Result<Decision> obey(const Request& request, Time now);
  Reply status(const Request& request);

  // Does what is due by now, and by what that brings about.
  void run();

  // To be called when rollouts may have changed.
  void arm();

  void take_probe(const std::vector<const config::Pool*>& pools, const health::ProbeResult& result) {
    analyses_.take_probe(pools, result);
  }

  void stop();

 private:
  void run_analyses();
  void measure(const DueAnalysis& due);
  void take_finding(const DueAnalysis& due, rollout::Finding finding);

  Hands hands_;
  Measurements measurements_;
  Measure measure_;
  Analyses analyses_;
  Time looked_{};      // when all of them were looked at last
  Time not_before_{};  // after what could not be stored
  bool stopped_ = false;
  WallAlarm step_alarm_, analysis_alarm_;  // of the next one that is due
};

}  // namespace sluice::control
