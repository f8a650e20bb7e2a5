#include "control/rollout_runner.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>

#include "base/log.hpp"
#include "control/arguments.hpp"
#include "control/rollout_status.hpp"

namespace sluice::control {
namespace {

rollout::Word word_of(CommandId id) {
  switch (id) {
    case CommandId::rollout_pause:
      return rollout::Word::pause;
    case CommandId::rollout_resume:
      return rollout::Word::resume;
    case CommandId::rollout_promote:
      return rollout::Word::promote;
    case CommandId::rollout_abort:
      return rollout::Word::abort;
    default:
      return rollout::Word::undo;
  }
}

}  // namespace

RolloutRunner::RolloutRunner(Hands hands, AnswerCounts answers, LeasesOfName leases, Measure measure)
    : hands_(std::move(hands)),
      measurements_(std::move(answers), std::move(leases)),
      measure_(std::move(measure)),
      step_alarm_(hands_.executor, [this] { run(); }),
      analysis_alarm_(hands_.executor, [this] { run_analyses(); }) {}

Result<Decision> RolloutRunner::obey(const Request& request, Time now) {
  using rollout::Strategy;
  const bool is_canary = request.id == CommandId::canary_start;
  if (is_canary || request.id == CommandId::bluegreen_switch)
    return start_rollout(hands_.model, request, is_canary ? Strategy::canary : Strategy::bluegreen, now,
                         measurements_.leases());
  return say_to_rollout(hands_.model, request, word_of(request.id), measurements_, now);
}

Reply RolloutRunner::status(const Request& request) {
  auto status = rollouts_status(hands_.model, request, measurements_, wall_now());
  if (!status) return status.error();
  return boost::json::value(*std::move(status));
}

void RolloutRunner::run() {
  if (!hands_.may_act() || hands_.model.running_rollouts().empty()) return;
  const Time now = looked_ = wall_now();
  const auto decision = due_rollouts(hands_.model, measurements_, now);
  const auto done = hands_.carry_out(decision);
  if (!done) {
    logger().warn("a step of a rollout that was due could not be stored, and is put off: {}",
                  done.error().message);
    not_before_ = now + retry_pause;
  }
  if (!done || decision.changes.empty()) arm();  // else it has been, by what came into force
}

// What has come due since they were looked at is due now; were it taken for looked at, changes that others
// make in the meantime would put it off each time.
void RolloutRunner::arm() {
  if (stopped_) return;
  analyses_.watch(hands_.model);
  const auto set = [this](WallAlarm& alarm, std::optional<Time> next) {
    next ? alarm.set_at(std::max(*next, not_before_)) : alarm.clear();
  };
  set(step_alarm_, next_rollout(hands_.model, measurements_, std::min(looked_, wall_now())));
  set(analysis_alarm_, analyses_.next(hands_.model));
}

void RolloutRunner::run_analyses() {
  if (!hands_.may_act()) return;
  for (const auto& due : analyses_.begin_due(hands_.model, wall_now())) {
    if (due.finding) {
      take_finding(due, *due.finding);
      continue;
    }
    measure(due);
  }
  arm();
}

// Asks about each target; what was found of all of them counts once.
void RolloutRunner::measure(const DueAnalysis& due) {
  struct Asked {
    std::vector<rollout::Finding> findings;
    std::size_t open = 0;
  };
  const auto count = due.questions.size();
  const auto asked = std::make_shared<Asked>(Asked{std::vector<rollout::Finding>(count), count});
  for (std::size_t i = 0; i < count; ++i)
    measure_(due.questions[i], [this, self = hands_.self(), due, asked, i](rollout::Finding finding) {
      boost::asio::post(hands_.executor, [this, self, due, asked, i, finding = std::move(finding)]() mutable {
        asked->findings[i] = std::move(finding);
        if (--asked->open == 0) take_finding(due, gravest(due.questions, asked->findings));
      });
    });
}

void RolloutRunner::take_finding(const DueAnalysis& due, rollout::Finding finding) {
  if (stopped_) return;
  analyses_.end(due);
  const auto decision =
      control::take_finding(hands_.model, due, std::move(finding), measurements_, wall_now());
  if (const auto done = hands_.carry_out(decision); !done)
    logger().warn("the result of an analysis could not be stored, and does not count: {}",
                  done.error().message);
  arm();
}

void RolloutRunner::stop() {
  stopped_ = true;
  step_alarm_.clear();
  analysis_alarm_.clear();
}

}  // namespace sluice::control
