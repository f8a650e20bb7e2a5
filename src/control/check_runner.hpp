// Carries `check run` out (check_run.hpp): probes at once, and replies when all results are there or their
// time is over.
#pragma once

#include <functional>
#include <list>
#include <memory>

#include "control/alarm.hpp"
#include "control/check_run.hpp"
#include "control/hands.hpp"

namespace sluice::control {

// The control thread's.
class CheckRunner {
 public:
  // Probes once, now; calls back once, on any thread.
  using ProbeNow = std::function<void(probe::Target, std::function<void(Result<health::ProbeResult>)>)>;

  CheckRunner(Hands hands, ProbeNow probe_now);
  void run(const Request& request, ReplyHandler handler);

  // Refuses what is under way.
  void stop(const Error& why);

 private:
  // Until its handler has been called.
  struct Running {
    CheckRun run;
    ReplyHandler handler;
    std::unique_ptr<SteadyAlarm> deadline;
  };

  void take_result(Running& running, std::size_t probe, Result<health::ProbeResult> result);
  void finish(Running& running);

  Hands hands_;
  ProbeNow probe_now_;
  std::list<std::shared_ptr<Running>> runs_;
};

}  // namespace sluice::control
