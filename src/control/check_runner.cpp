#include "control/check_runner.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

namespace sluice::control {
namespace {

// At once; and what each may take beside the timeouts of its probes, which wait for a place while many others
// are open.
constexpr std::size_t runs_max = 16;
constexpr Duration run_grace = std::chrono::seconds(10);

}  // namespace

CheckRunner::CheckRunner(Hands hands, ProbeNow probe_now)
    : hands_(std::move(hands)), probe_now_(std::move(probe_now)) {}

void CheckRunner::run(const Request& request, ReplyHandler handler) {
  auto run = read_check_run(hands_.model, request);
  if (!run) return handler(run.error());
  if (request.dry_run) return handler(boost::json::value(to_json(*run, true)));
  if (runs_.size() >= runs_max)
    return handler(Error{ErrorCode::refused, "many checks are being run for others already; try again"});
  const auto limit = longest_timeout(*run) + run_grace;
  const auto running = std::make_shared<Running>(Running{*std::move(run), std::move(handler), {}});
  runs_.push_back(running);
  running->deadline =
      std::make_unique<SteadyAlarm>(hands_.executor, [this, one = running.get()] { finish(*one); });
  running->deadline->set_after(limit);
  for (std::size_t i = 0; i < running->run.probes.size(); ++i)
    probe_now_(running->run.probes[i].target, [this, self = hands_.self(), running,
                                               i](Result<health::ProbeResult> result) {
      boost::asio::post(hands_.executor, [this, self, running, i, result = std::move(result)]() mutable {
        take_result(*running, i, std::move(result));
      });
    });
}

void CheckRunner::take_result(Running& running, std::size_t probe, Result<health::ProbeResult> result) {
  running.run.probes[probe].result = std::move(result);
  running.run.probes[probe].at = wall_now();
  const bool all_there = std::all_of(running.run.probes.begin(), running.run.probes.end(),
                                     [](const auto& one) { return one.result.has_value(); });
  if (all_there) finish(running);
}

// Nothing when its time was over already.
void CheckRunner::finish(Running& running) {
  const auto found =
      std::find_if(runs_.begin(), runs_.end(), [&](const auto& one) { return one.get() == &running; });
  if (found == runs_.end()) return;
  const auto kept = *found;
  runs_.erase(found);
  kept->deadline->clear();
  kept->handler(boost::json::value(to_json(kept->run, false)));
}

void CheckRunner::stop(const Error& why) {
  for (const auto& running : std::exchange(runs_, {})) {
    running->deadline->clear();
    running->handler(why);
  }
}

}  // namespace sluice::control
