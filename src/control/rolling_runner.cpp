#include "control/rolling_runner.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <utility>

#include <boost/asio/post.hpp>

#include "base/chance.hpp"
#include "base/log.hpp"

namespace sluice::control {
namespace {

// Transitions in one go; what is left follows after a moment.
constexpr int turns_max = 64;

std::uint64_t draw_chance() {
  std::array<std::uint8_t, sizeof(std::uint64_t)> octets{};
  if (!fill_with_chance(octets)) return 0;  // an order like any other
  return std::bit_cast<std::uint64_t>(octets);
}

rolling::Word rolling_word_of(CommandId id) {
  if (id == CommandId::rolling_pause) return rolling::Word::pause;
  return id == CommandId::rolling_resume ? rolling::Word::resume : rolling::Word::abort;
}

}  // namespace

RollingRunner::RollingRunner(Hands hands, LeasedOut leased_out, LeasedIfTaken leased_if_taken,
                             RunProgram run_program, CallHook call_hook)
    : hands_(std::move(hands)),
      leased_out_(std::move(leased_out)),
      leased_if_taken_(std::move(leased_if_taken)),
      run_program_(std::move(run_program)),
      call_hook_(std::move(call_hook)),
      alarm_(hands_.executor, [this] { run(); }) {}

Result<Decision> RollingRunner::obey(const Request& request, Time now) {
  if (request.id == CommandId::rolling_start)
    return start_rolling(hands_.model, request, sight(), draw_chance(), now);
  return say_to_rolling(hands_.model, request, rolling_word_of(request.id), sight(), now);
}

Reply RollingRunner::status(const Request& request) {
  auto status = rollings_status(hands_.model, request, sight(), wall_now());
  if (!status) return status.error();
  return boost::json::value(*std::move(status));
}

// Each transition is carried out before the next one is decided.
void RollingRunner::run() {
  if (!hands_.may_act() || hands_.model.running_rollings().empty() || runs_) return;
  runs_ = true;
  for (int turn = 0; turn < turns_max; ++turn) {
    const Time now = wall_now();
    const auto decision = due_rollings(hands_.model, sight(), now);
    if (decision.changes.empty()) break;
    const auto done = hands_.carry_out(decision);
    if (done) continue;
    logger().warn("a step of a rolling that was due could not be stored, and is put off: {}",
                  done.error().message);
    not_before_ = now + retry_pause;
    break;
  }
  runs_ = false;
  arm();
}

void RollingRunner::arm() {
  if (stopped_) return;
  const auto next = next_rolling(hands_.model, wall_now());
  next ? alarm_.set_at(std::max(*next, not_before_)) : alarm_.clear();
}

void RollingRunner::go_on(const std::vector<HookRun>& hooks) {
  for (const auto& hook : hooks) run_hook(hook);
  run();
}

auto RollingRunner::end_of(const HookRun& run) {
  return [this, self = hands_.self(), run](auto end) {
    boost::asio::post(hands_.executor, [this, self, run, end = std::move(end)] { end_hook(run, end); });
  };
}

void RollingRunner::run_hook(const HookRun& run) {
  hooks_.insert(key_of(run));
  if (!run.request)
    run_program_(run.program, end_of(run));
  else if (*run.request)
    call_hook_(**run.request, end_of(run));
  else
    end_of(run)(Result<probe::WebReply>(run.request->error()));
}

// When its end cannot be stored it is as good as not seen, and the hook is run again when that can be.
void RollingRunner::end_hook(const HookRun& run, const auto& end) {
  if (stopped_) return;
  hooks_.erase(key_of(run));
  if (const auto done = hands_.carry_out(take_hook_end(hands_.model, run, end, wall_now())); !done)
    logger().warn("the end of a hook could not be stored: {}", done.error().message);
}

void RollingRunner::take_probe(const HealthKey& key, bool success) {
  if (proofs_.take(key, success)) run();
}

void RollingRunner::stop() {
  stopped_ = true;
  alarm_.clear();
}

}  // namespace sluice::control
