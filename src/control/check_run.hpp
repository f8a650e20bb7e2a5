// `check run`: which probes an endpoint has, and what came of them. Pure.
#pragma once

#include <optional>
#include <vector>

#include <boost/json/object.hpp>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "control/commands.hpp"
#include "control/model.hpp"
#include "health/endpoint.hpp"
#include "probe/prober.hpp"

namespace sluice::control {

struct CheckRun {
  wire::Destination endpoint;
  struct Probe {
    probe::Target target;
    std::optional<Result<health::ProbeResult>> result;  // none: it did not end in time
    Time at{};                                          // of the result
  };
  std::vector<Probe> probes;  // at least one; no target twice
};

// What the request asks for, without results.
Result<CheckRun> read_check_run(const Model& model, const Request& request);

// The longest that its probes may take by themselves.
Duration longest_timeout(const CheckRun& run);

boost::json::object to_json(const CheckRun& run, bool dry_run);

}  // namespace sluice::control
