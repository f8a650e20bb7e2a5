// Carries rolling upgrades out: their transitions when they are due, and their hooks. rollings.hpp decides.
#pragma once

#include <functional>
#include <vector>

#include "control/alarm.hpp"
#include "control/hands.hpp"
#include "control/rollings.hpp"
#include "probe/fetch.hpp"
#include "probe/program.hpp"

namespace sluice::control {

// The control thread's.
class RollingRunner {
 public:
  // Runs a program; calls back once, on any thread, unless the daemon stops before its end.
  using RunProgram = std::function<void(probe::Program, std::function<void(Result<probe::ProgramEnd>)>)>;

  // The same with a request.
  using CallHook = std::function<void(probe::WebRequest, std::function<void(Result<probe::WebReply>)>)>;

  RollingRunner(Hands hands, LeasedOut leased_out, LeasedIfTaken leased_if_taken, RunProgram run_program,
                CallHook call_hook);

  // What a request comes to; for the director to carry out.
  Result<Decision> obey(const Request& request, Time now);
  Reply status(const Request& request);

  // Does what is due by now, one transition after the other.
  void run();

  // To be called when a decision is in force: runs its hooks.
  void go_on(const std::vector<HookRun>& hooks);

  void take_probe(const HealthKey& key, bool success);

  void stop();

 private:
  RollingSight sight() { return {proofs_, hooks_, leased_out_, leased_if_taken_}; }
  void run_hook(const HookRun& run);
  // What takes a hook's end from any thread.
  auto end_of(const HookRun& run);
  void end_hook(const HookRun& run, const auto& end);
  void arm();

  Hands hands_;
  LeasedOut leased_out_;
  LeasedIfTaken leased_if_taken_;
  RunProgram run_program_;
  CallHook call_hook_;
  Proofs proofs_;
  Hooks hooks_;        // that run
  bool runs_ = false;  // run() carries out what calls it
  Time not_before_{};  // after what could not be stored
  bool stopped_ = false;
  WallAlarm alarm_;
};

}  // namespace sluice::control
