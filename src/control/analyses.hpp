// The analyses of running rollouts: which are due, what is asked for them, and what probes say about pools.
// Pure: the director asks, and brings the answers back (rollouts.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "control/model.hpp"
#include "health/endpoint.hpp"
#include "probe/analysis.hpp"
#include "rollout/analysis.hpp"

namespace sluice::control {

// Of the probes of a pool's endpoints.
struct ProbeTotals {
  std::uint64_t probes = 0, successes = 0;
  Duration took{};  // the successes, together
};

// What the probes of both sides say. The latency is that of successes.
rollout::Finding judge_probes(const config::Analysis& analysis, const ProbeTotals& fresh,
                              const ProbeTotals& old);

// One analysis of one step, to be run now.
struct DueAnalysis {
  wire::Name name;
  std::int64_t rollout = 0;
  std::size_t analysis = 0;
  std::size_t step = 0;                       // step_number()
  std::vector<probe::Question> questions{};   // one for each target
  std::optional<rollout::Finding> finding{};  // there is nobody to be asked
};

// What was found of each target, in the order of the questions: the gravest counts.
rollout::Finding gravest(const std::vector<probe::Question>& questions,
                         const std::vector<rollout::Finding>& findings);

// Of what is analysed, from 1 on; 0: before the switch.
std::size_t step_number(const rollout::Rollout& rollout);

// Not kept over a restart: probes are then counted anew, and what was asked is asked again.
class Analyses {
 public:
  void take_probe(const std::vector<const config::Pool*>& pools, const health::ProbeResult& result);

  // To be called when a rollout may have changed: probes are counted from the begin of a step's hold, and
  // before a switch from its start.
  void watch(const Model& model);

  // What is due, each once until end().
  std::vector<DueAnalysis> begin_due(const Model& model, Time now);
  void end(const DueAnalysis& due);

  // When the next one is.
  std::optional<Time> next(const Model& model) const;

 private:
  using Key = std::pair<std::int64_t, std::size_t>;  // the rollout's id, the analysis
  struct Asked {
    Time at{};
    bool open = true;
  };
  struct Begin {
    std::size_t step = 0;
    std::map<std::string, ProbeTotals> totals;  // by pool
  };
  Begin begin_of(const rollout::Rollout& rollout) const;
  std::optional<Time> due_at(const rollout::Rollout& rollout, std::size_t analysis) const;
  DueAnalysis make(const Model& model, const wire::Name& name, const rollout::Rollout& rollout,
                   std::size_t analysis) const;
  ProbeTotals since_begin(std::int64_t rollout, const std::string& pool) const;
  rollout::Finding find_by_probes(const std::vector<probe::Question>& questions) const;

  std::map<Key, Asked> asked_;
  std::map<std::string, ProbeTotals> totals_;  // by pool, since the process began
  std::map<std::int64_t, Begin> begins_;       // by the rollout's id
};

}  // namespace sluice::control
