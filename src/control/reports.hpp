// Checks of type push: services that report themselves, and what it means when they do not. Pure.
//
//   report --read_report()--> the result of a probe
//   none for `expiry` --missing()--> a failure, and another one every interval from then on
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "control/commands.hpp"
#include "control/model.hpp"
#include "health/endpoint.hpp"
#include "probe/target.hpp"

namespace sluice::control {

// An endpoint and the check that it reports to.
using Reporter = std::pair<wire::Destination, std::string>;

struct Report {
  Reporter reporter;
  probe::Target target;
  health::ProbeResult result;
};

// What `check report` says. `forbidden` when the request's token is not the check's.
Result<Report> read_report(const Model& model, const Request& request);

// When reports are due.
class Reports {
 public:
  using Clock = std::chrono::steady_clock;  // an expiry is not to change when somebody sets the wall clock

  // Of all endpoints with push checks. Those that were there before keep their time, others begin at `now`.
  void set_config(const config::Config& config, Clock::time_point now);

  void reported(const Reporter& reporter, Clock::time_point now);

  struct Missing {
    probe::Target target;
    health::ProbeResult result;
  };
  // Those that are due at `now`; each is due again an interval later.
  std::vector<Missing> missing(Clock::time_point now);

  // The next one; none: there is nobody who reports.
  std::optional<Clock::time_point> next() const;

 private:
  struct Awaited {
    probe::Target target;
    Clock::time_point last, due;  // the last report, or the begin; when the next one is missing
  };
  std::map<Reporter, Awaited> awaited_;
};

}  // namespace sluice::control
