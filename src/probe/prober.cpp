#include "probe/prober.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include "base/as_result.hpp"
#include "base/log.hpp"
#include "probe/attempt.hpp"
#include "probe/cadence.hpp"
#include "probe/program.hpp"
#include "probe/resolver.hpp"
#include "probe/runner_client.hpp"
#include "probe/tools.hpp"

namespace sluice::probe {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

// A shortage of our own hits many probes at once, again and again: it is said once in this time.
constexpr auto warning_interval = 1min;

// One target and what is going on with it. Owned by the prober's list until it is removed, and by its
// coroutine.
struct Job {
  Job(const asio::any_io_executor& executor, Target its_target)
      : target(std::move(its_target)), timer(executor) {}

  Target target;  // but for the rules always the same: probes that are open refer to it
  asio::steady_timer timer;
  std::optional<boost::beast::tcp_stream> stream;  // while a probe is open
  std::optional<Tools> tools;                      // from the first probe on
  bool stopped = false;
  bool program_lost = false;  // the last one's supervisor was killed
  Clock::time_point due{};    // the probe that is open or waits for a place
  Duration late{};            // the last one that got one

  void take_place() { late = std::chrono::duration_cast<Duration>(Clock::now() - due); }

  // Nothing is reported from now on, whatever still ends.
  void stop() {
    stopped = true;
    timer.cancel();
    if (stream) stream->close();
  }
};

bool is_probed_alike(Target target, const Target& other) {
  take_rules(target, other);
  return target == other;
}

}  // namespace

class Prober::Implementation {
 public:
  Implementation(asio::any_io_executor executor, OnResult on_result, OnTrouble on_trouble)
      : executor_(std::move(executor)),
        on_result_(std::move(on_result)),
        on_trouble_(std::move(on_trouble)),
        places_(executor_, probes_open_max),
        resolver_(executor_) {}

  static void set_targets(const std::shared_ptr<Implementation>& self, const std::vector<Target>& targets);
  static void probe_now(const std::shared_ptr<Implementation>& self, Target target, OnProbed done);
  void refuse_asked();
  void forget_lookups() { resolver_.forget(); }
  void set_runner(std::shared_ptr<RunnerClient> runner) { runner_ = std::move(runner); }

 private:
  // What tells targets apart: the destination, the check's name, and what endpoints may bring into a check.
  using Key = std::tuple<wire::Destination, std::string, std::uint16_t, std::string>;
  static Key key_of(const Target& target) {
    return {target.destination, target.check.name, target.check.port, target.check.host};
  }

  static asio::awaitable<void> run(std::shared_ptr<Implementation> self, std::shared_ptr<Job> job,
                                   Duration delay);
  static asio::awaitable<void> run_asked(std::shared_ptr<Implementation> self, std::shared_ptr<Job> job);
  asio::awaitable<void> probe_once(Job& job);
  asio::awaitable<Result<health::ProbeResult>> probe_in_place(Job& job);
  asio::awaitable<Result<health::ProbeResult>> probe_guarded(Job& job);
  asio::awaitable<Result<health::ProbeResult>> probe_by_program(Job& job);
  asio::awaitable<Result<health::ProbeResult>> probe_host(Job& job, const wire::Name& host);
  asio::awaitable<Result<health::ProbeResult>> probe_address(Job& job, const Target& target);
  void warn(const Job& job, const std::string& reason);

  asio::any_io_executor executor_;
  OnResult on_result_;
  OnTrouble on_trouble_;
  std::map<std::shared_ptr<Job>, OnProbed> asked_;
  std::map<Key, std::shared_ptr<Job>> jobs_;
  // A place is a message in the channel: who sends one has it, first come, first served; who receives one
  // frees it.
  asio::experimental::channel<void(boost::system::error_code)> places_;
  std::optional<Clock::time_point> warned_;
  Resolver resolver_;
  std::shared_ptr<RunnerClient> runner_;
  Toolbox toolbox_;
};

void Prober::Implementation::set_targets(const std::shared_ptr<Implementation>& self,
                                         const std::vector<Target>& targets) {
  std::map<Key, std::shared_ptr<Job>> kept;
  for (const auto& target : targets) {
    const auto key = key_of(target);
    if (kept.contains(key)) continue;
    const auto before = self->jobs_.find(key);
    const bool same = before != self->jobs_.end() && is_probed_alike(before->second->target, target);
    if (same) take_rules(before->second->target, target);
    kept[key] = same ? before->second : std::make_shared<Job>(self->executor_, target);
  }
  std::swap(self->jobs_, kept);
  for (const auto& [key, job] : kept) {
    const auto now = self->jobs_.find(key);
    if (now == self->jobs_.end() || now->second != job) job->stop();
  }
  std::vector<std::shared_ptr<Job>> fresh;
  for (const auto& [key, job] : self->jobs_) {
    const auto before = kept.find(key);
    if (before == kept.end() || before->second != job) fresh.push_back(job);
  }
  for (const auto& job : fresh)
    asio::co_spawn(self->executor_, run(self, job, first_delay(job->target, fresh.size())), asio::detached);
}

asio::awaitable<void> Prober::Implementation::run(std::shared_ptr<Implementation> self,
                                                  std::shared_ptr<Job> job, Duration delay) {
  const auto start = Clock::now();
  if (!job->stopped && delay > Duration::zero()) {
    job->timer.expires_at(start + delay);
    co_await job->timer.async_wait(as_result);
  }
  job->due = start + delay;
  if (!job->stopped) co_await self->probe_once(*job);
  job->due = start + second_delay(job->target, delay);
  while (!job->stopped) {
    // In the past when the first probe took longer than the phase: then the second one follows at once.
    job->timer.expires_at(job->due);
    co_await job->timer.async_wait(as_result);
    if (job->stopped) break;
    co_await self->probe_once(*job);
    job->due = next_due(job->due, job->target.check.interval, Clock::now());
  }
}

void Prober::Implementation::probe_now(const std::shared_ptr<Implementation>& self, Target target,
                                       OnProbed done) {
  if (self->asked_.size() >= probes_asked_max) {
    asio::post(self->executor_, [done = std::move(done)] {
      done(Error{ErrorCode::refused, "too many probes are being asked for; try again"});
    });
    return;
  }
  const auto job = std::make_shared<Job>(self->executor_, std::move(target));
  self->asked_.emplace(job, std::move(done));
  asio::post(self->executor_,
             [self, job] { asio::co_spawn(self->executor_, run_asked(self, job), asio::detached); });
}

asio::awaitable<void> Prober::Implementation::run_asked(std::shared_ptr<Implementation> self,
                                                        std::shared_ptr<Job> job) {
  auto result = co_await self->probe_in_place(*job);
  const auto asked = self->asked_.find(job);
  if (asked == self->asked_.end()) co_return;  // stopped: it was told so
  const auto done = std::move(asked->second);
  self->asked_.erase(asked);
  done(std::move(result));
}

// Each is told, as somebody waits for it.
void Prober::Implementation::refuse_asked() {
  for (const auto& [job, done] : std::exchange(asked_, {})) {
    job->stop();
    done(Error{ErrorCode::unavailable, "the prober was stopped"});
  }
}

asio::awaitable<void> Prober::Implementation::probe_once(Job& job) {
  auto result = co_await probe_in_place(job);
  if (job.stopped) co_return;
  if (result) {
    result->late = job.late;
    on_result_(job.target, *result);
    co_return;
  }
  warn(job, result.error().message);
  if (on_trouble_) on_trouble_(job.target, result.error().message);
}

asio::awaitable<Result<health::ProbeResult>> Prober::Implementation::probe_in_place(Job& job) {
  if (job.target.check.type == config::CheckType::exec) co_return co_await probe_guarded(job);
  co_await places_.async_send(boost::system::error_code(), as_result);
  Result<health::ProbeResult> result = Error{ErrorCode::unavailable, "stopped"};
  job.take_place();
  if (!job.stopped) result = co_await probe_guarded(job);
  places_.try_receive([](boost::system::error_code) {});
  co_return result;
}

asio::awaitable<Result<health::ProbeResult>> Prober::Implementation::probe_guarded(Job& job) {
  if (job.target.check.type == config::CheckType::push)
    co_return Error{ErrorCode::refused, "a push check is not probed: the service reports to us"};
  try {
    if (job.target.check.type == config::CheckType::exec) co_return co_await probe_by_program(job);
    if (!job.tools) {
      auto tools = toolbox_.tools_for(job.target.check);
      if (!tools) co_return tools.error();
      job.tools = *std::move(tools);
    }
    if (const auto* host = job.target.destination.host()) co_return co_await probe_host(job, *host);
    co_return co_await probe_address(job, job.target);
  } catch (const std::exception& failure) {
    job.stream.reset();
    co_return Error{ErrorCode::unavailable, failure.what()};
  }
}

asio::awaitable<Result<health::ProbeResult>> Prober::Implementation::probe_by_program(Job& job) {
  if (!runner_) co_return Error{ErrorCode::unavailable, "there is no runner of exec checks"};
  auto program = program_of(job.target);
  std::function<bool()> is_wanted = [&job] {
    job.take_place();
    return !job.stopped;
  };
  const auto end = co_await runner_->run(std::move(program), job.timer, std::move(is_wanted));
  const bool lost_before = std::exchange(job.program_lost, end && end->ending == Ending::lost);
  if (!end) co_return end.error();
  co_return judge(job.target.check, *end, lost_before);
}

// One address after the other; each may take its part of the time that is left.
asio::awaitable<Result<health::ProbeResult>> Prober::Implementation::probe_host(Job& job,
                                                                                const wire::Name& host) {
  const auto& check = job.target.check;
  const auto start = Clock::now(), end = start + check.timeout;
  const auto passed = [start] { return std::chrono::duration_cast<Duration>(Clock::now() - start); };
  job.timer.expires_at(end);
  auto found = co_await resolver_.resolve(host, job.timer);
  if (!found)
    co_return health::ProbeResult{
        false, fmt::format("timeout after {} while looking the name up", to_text(check.timeout)), passed()};
  if (!*found && found->error().code == ErrorCode::unavailable) co_return found->error();
  if (!*found) co_return health::ProbeResult{false, found->error().message, passed()};

  auto& addresses = **found;
  if (addresses.size() > addresses_tried_max) addresses.resize(addresses_tried_max);
  std::vector<Tried> tried;
  for (std::size_t i = 0; i < addresses.size() && !job.stopped; ++i) {
    const auto left = std::max(std::chrono::duration_cast<Duration>(end - Clock::now()), Duration(1));
    const auto part = left / static_cast<Duration::rep>(addresses.size() - i);
    const Target target = at_address(job.target, addresses[i], part);
    auto result = co_await probe_address(job, target);
    tried.push_back({addresses[i], std::move(result)});
    if (tried.back().result && tried.back().result->success) break;
  }
  co_return judge_host(tried, passed());
}

asio::awaitable<Result<health::ProbeResult>> Prober::Implementation::probe_address(Job& job,
                                                                                   const Target& target) {
  auto& stream = job.stream.emplace(executor_);
  const auto attempted = co_await run_attempt(stream, target, *job.tools);
  job.stream.reset();
  co_return judge(target.check, attempted);
}

void Prober::Implementation::warn(const Job& job, const std::string& reason) {
  const auto now = Clock::now();
  if (warned_ && now < *warned_ + warning_interval) return;
  warned_ = now;
  logger().warn("probe: check '{}' of {} could not be run: {}; its last result stands", job.target.check.name,
                to_text(job.target.destination), reason);
}

Prober::Prober(asio::any_io_executor executor, OnResult on_result, OnTrouble on_trouble)
    : implementation_(std::make_shared<Implementation>(std::move(executor), std::move(on_result),
                                                       std::move(on_trouble))) {}

Prober::~Prober() { stop(); }

void Prober::set_targets(const std::vector<Target>& targets) {
  Implementation::set_targets(implementation_, targets);
}

void Prober::set_runner(std::shared_ptr<RunnerClient> runner) {
  implementation_->set_runner(std::move(runner));
}

void Prober::probe_now(Target target, OnProbed done) {
  Implementation::probe_now(implementation_, std::move(target), std::move(done));
}

void Prober::stop() {
  const auto kept = implementation_;  // a callback may destroy this
  set_targets({});
  kept->refuse_asked();
  kept->forget_lookups();
}

}  // namespace sluice::probe
