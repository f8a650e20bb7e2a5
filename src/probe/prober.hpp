// Runs the checks: one probe per distinct (destination, check), each on its own fixed cadence, spread over
// the interval.
//
//   target --due--> [look up ->] connect [-> TLS -> request -> response] --result--> callback
//                   '--------------------- one deadline ----------------'
//
// A target that is a host is up when one of its addresses is. An exec check runs a program instead, by the
// runner.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "base/result.hpp"
#include "health/endpoint.hpp"
#include "probe/target.hpp"

namespace sluice::probe {

class RunnerClient;

// Called on the prober's executor, once per probe; not for a probe that could not be run for lack of
// something of our own (descriptors, say). It may change, stop or destroy the prober.
using OnResult = std::function<void(const Target&, const health::ProbeResult&)>;

// The same for each probe that could not be run, with what is lacking: its last result stands.
using OnTrouble = std::function<void(const Target&, const std::string& reason)>;

// What came of a probe that somebody asked for; an error when it could not be run.
using OnProbed = std::function<void(Result<health::ProbeResult>)>;

// At most this many probes are open at once; a due probe beyond it waits for a place. Programs have places of
// their own (programs_open_max): slow ones do not keep others waiting.
inline constexpr std::size_t probes_open_max = 512;

// Of a host's addresses, as many are tried until one succeeds. They share the deadline: with more of them,
// each would have too little.
inline constexpr std::size_t addresses_tried_max = 4;

// Probes that are asked for and not done; more are refused.
inline constexpr std::size_t probes_asked_max = 64;

// Not thread-safe: everything runs on one implicit or explicit strand, `executor`.
class Prober {
 public:
  Prober(boost::asio::any_io_executor executor, OnResult on_result, OnTrouble on_trouble = {});
  ~Prober();  // stops everything; no callback comes after it

  // Who runs the programs of exec checks; without one they cannot be run. Before the first targets.
  void set_runner(std::shared_ptr<RunnerClient> runner);

  // Probes these from now on. Targets that were there before go on undisturbed, also when their check's rules
  // are others now (take_rules); new ones are probed at once, or within first_window_max when they are many,
  // and then at a phase that is spread over their interval; those that are missing are stopped.
  void set_targets(const std::vector<Target>& targets);

  // Probes once, now, or as soon as there is a place; targets and their cadence are not touched. `done` is
  // called once, not before this returns; by stop(), when that comes first.
  void probe_now(Target target, OnProbed done);

  // Ends all probing.
  void stop();

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace sluice::probe
