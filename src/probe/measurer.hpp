// Asks what analyses want to know: web servers over HTTP, programs by the runner.
//
//   measure(question, done) --> place --> fetch, or run --reply--> probe/analysis.hpp --> done(finding)
#pragma once

#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "probe/analysis.hpp"

namespace sluice::probe {

class RunnerClient;

// At most this many requests are open at once; the others wait for a place, and their time begins with it.
// Programs have places of their own (programs_open_max).
inline constexpr std::size_t measurements_open_max = 64;

using OnMeasured = std::function<void(rollout::Finding)>;

// Not thread-safe: everything runs on one implicit or explicit strand, `executor`.
class Measurer {
 public:
  explicit Measurer(boost::asio::any_io_executor executor);
  ~Measurer();  // stops

  // Who runs the programs of analyses of type exec; without one they are errors.
  void set_runner(std::shared_ptr<RunnerClient> runner);

  // `done` is called once, not before this returns; never when stop() comes first. Not for analyses of type
  // probes, which ask nobody.
  void measure(Question question, OnMeasured done);

  // Ends all that is open.
  void stop();

 private:
  class Implementation;
  std::shared_ptr<Implementation> implementation_;
};

}  // namespace sluice::probe
