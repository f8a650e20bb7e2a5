// The control thread: owns the model and the store, obeys what the decisions say.
//
//   requests, probe results, signals --post--> decide (model.hpp) -> persist -> apply -> publish -> reply
//
// Writing is the Journal's part (journal.hpp), publishing the Publisher's (publisher.hpp).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "answer/answer.hpp"
#include "base/counters.hpp"
#include "base/published.hpp"
#include "base/quiescence.hpp"
#include "control/commands.hpp"
#include "control/load.hpp"
#include "health/endpoint.hpp"
#include "probe/analysis.hpp"
#include "probe/prober.hpp"
#include "probe/program.hpp"
#include "rollout/analysis.hpp"
#include "store/store.hpp"

namespace sluice::control {

// What the director acts on. All outlive it. Callables are called on the control thread.
struct Outlets {
  Published<answer::Snapshot>& published;
  Published<serve::Certificate>& certificate;
  Quiescence& quiescence;
  const Counters& counters;
  std::vector<std::string> listen;                              // for the status
  std::function<void(std::vector<probe::Target>)> set_targets;  // what is to be probed from now on
  // Probes once, now; calls back once, on any thread.
  std::function<void(probe::Target, std::function<void(Result<health::ProbeResult>)>)> probe_now;
  std::function<void()> ready;  // once: the first snapshot is published
  std::function<Time()> deciding_now = sluice::deciding_now;
  std::function<void(Duration)> waits = {};  // before that, perhaps: it may take so long from now
  // Runs a program; calls back once, on any thread, unless the daemon stops before its end.
  std::function<void(probe::Program, std::function<void(Result<probe::ProgramEnd>)>)> run_program{};
  // Makes a request, for the hook of a rolling or to tell a receiver; calls back like `measure`.
  std::function<void(probe::WebRequest, std::function<void(Result<probe::WebReply>)>)> call_hook{}, tell{};
  // Asks what an analysis wants to know; calls back once or, when the daemon stops, never, on any thread.
  std::function<void(probe::Question, std::function<void(rollout::Finding)>)> measure{};
};

// What came of a probe; an error when it could not be run for lack of something of our own.
struct Probed {
  probe::Target target;
  Result<health::ProbeResult> result;
};

class Director {
 public:
  // `executor` runs on one thread: the control thread. Nothing happens before start(). Throws std::bad_alloc.
  Director(boost::asio::any_io_executor executor, Loaded loaded, store::Store store,
           const store::Saved& saved, Outlets outlets);
  ~Director();

  // --- thread-safe ---

  // Starts probing, publishes once every target has a result (or has had its time), then calls
  // Outlets::ready.
  void start();

  // The handler is called on the control thread, exactly once.
  void submit(Request request, ReplyHandler handler);

  // In the order in which the probes ended.
  void take_probes(std::vector<Probed> probes);

  // Writes what is not yet written, answers who waits, and ends all timers.
  void stop();

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace sluice::control
