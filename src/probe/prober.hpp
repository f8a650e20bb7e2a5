// Runs the checks: one probe per distinct (destination, check), each on its own fixed cadence, spread over
// the interval.
//
//   target --due--> [look up ->] connect [-> request -> response] --result--> callback
//                   '---------------- one deadline -------------'
//
// A target that is a host is up when one of its addresses is.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "config/config.hpp"
#include "health/endpoint.hpp"
#include "wire/destination.hpp"

namespace sluice::probe {

struct Target {
  wire::Destination destination;
  config::Check check;
  friend bool operator==(const Target&, const Target&) = default;
};

// Called on the prober's executor, once per probe; not for a probe that could not be run for lack of
// something of our own (descriptors, say). It may change, stop or destroy the prober.
using OnResult = std::function<void(const Target&, const health::ProbeResult&)>;

// At most this many probes are open at once; a due probe beyond it waits for a place.
inline constexpr std::size_t probes_open_max = 512;

// Of a host's addresses, as many are tried until one succeeds. They share the deadline: with more of them,
// each would have too little.
inline constexpr std::size_t addresses_tried_max = 4;

// How much of a response is read before the verdict: status line and header fields.
inline constexpr std::size_t header_size_max = 64 * 1024;

// Not thread-safe: everything runs on one implicit or explicit strand, `executor`.
class Prober {
 public:
  Prober(boost::asio::any_io_executor executor, OnResult on_result);
  ~Prober();  // stops everything; no callback comes after it

  // Probes these from now on. Targets that were there before go on undisturbed; new ones are probed at once,
  // and then at a phase that is spread over their interval; those that are missing are stopped.
  void set_targets(const std::vector<Target>& targets);

  // Ends all probing.
  void stop();

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace sluice::probe
