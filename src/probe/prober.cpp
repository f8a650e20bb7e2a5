#include "probe/prober.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include "base/log.hpp"
#include "probe/attempt.hpp"
#include "probe/cadence.hpp"
#include "probe/resolver.hpp"

namespace sluice::probe {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

// A shortage of our own hits many probes at once, again and again: it is said once in this time.
constexpr auto warning_interval = 1min;

// One target and what is going on with it. Owned by the prober's list until it is removed, and by its
// coroutine.
struct Job {
  Job(const asio::any_io_executor& executor, Target its_target)
      : target(std::move(its_target)), timer(executor) {}

  const Target target;
  asio::steady_timer timer;
  std::optional<boost::beast::tcp_stream> stream;  // while a probe is open
  bool stopped = false;

  // Nothing is reported from now on, whatever still ends.
  void stop() {
    stopped = true;
    timer.cancel();
    if (stream) stream->close();
  }
};

}  // namespace

class Prober::Implementation {
 public:
  Implementation(asio::any_io_executor executor, OnResult on_result)
      : executor_(std::move(executor)),
        on_result_(std::move(on_result)),
        places_(executor_, probes_open_max),
        resolver_(executor_) {}

  static void set_targets(const std::shared_ptr<Implementation>& self, const std::vector<Target>& targets);
  void forget_lookups() { resolver_.forget(); }

 private:
  using Key = std::pair<wire::Destination, std::string>;  // with the check's name

  static asio::awaitable<void> run(std::shared_ptr<Implementation> self, std::shared_ptr<Job> job);
  asio::awaitable<void> probe_once(Job& job);
  asio::awaitable<Result<health::ProbeResult>> probe_guarded(Job& job);
  asio::awaitable<Result<health::ProbeResult>> probe_host(Job& job, const wire::Name& host);
  asio::awaitable<Result<health::ProbeResult>> probe_address(Job& job, const Target& target);
  void warn(const Job& job, const std::string& reason);

  asio::any_io_executor executor_;
  OnResult on_result_;
  std::map<Key, std::shared_ptr<Job>> jobs_;
  // A place is a message in the channel: who sends one has it, first come, first served; who receives one
  // frees it.
  asio::experimental::channel<void(boost::system::error_code)> places_;
  std::optional<Clock::time_point> warned_;
  Resolver resolver_;
};

void Prober::Implementation::set_targets(const std::shared_ptr<Implementation>& self,
                                         const std::vector<Target>& targets) {
  std::map<Key, std::shared_ptr<Job>> kept;
  for (const auto& target : targets) {
    const Key key(target.destination, target.check.name);
    if (kept.contains(key)) continue;
    const auto before = self->jobs_.find(key);
    const bool same = before != self->jobs_.end() && before->second->target == target;
    kept[key] = same ? before->second : std::make_shared<Job>(self->executor_, target);
  }
  std::swap(self->jobs_, kept);
  for (const auto& [key, job] : kept) {
    const auto now = self->jobs_.find(key);
    if (now == self->jobs_.end() || now->second != job) job->stop();
  }
  for (const auto& [key, job] : self->jobs_) {
    const auto before = kept.find(key);
    if (before == kept.end() || before->second != job)
      asio::co_spawn(self->executor_, run(self, job), asio::detached);
  }
}

asio::awaitable<void> Prober::Implementation::run(std::shared_ptr<Implementation> self,
                                                  std::shared_ptr<Job> job) {
  const auto start = Clock::now();
  if (!job->stopped) co_await self->probe_once(*job);
  auto due = start + phase_of(job->target);
  while (!job->stopped) {
    // In the past when the first probe took longer than the phase: then the second one follows at once.
    job->timer.expires_at(due);
    co_await job->timer.async_wait(as_result);
    if (job->stopped) break;
    co_await self->probe_once(*job);
    due = next_due(due, job->target.check.interval, Clock::now());
  }
}

asio::awaitable<void> Prober::Implementation::probe_once(Job& job) {
  co_await places_.async_send(boost::system::error_code(), as_result);
  Result<health::ProbeResult> result = Error{ErrorCode::unavailable, "stopped"};
  if (!job.stopped) result = co_await probe_guarded(job);
  places_.try_receive([](boost::system::error_code) {});
  if (job.stopped) co_return;
  if (result)
    on_result_(job.target, *result);
  else
    warn(job, result.error().message);
}

asio::awaitable<Result<health::ProbeResult>> Prober::Implementation::probe_guarded(Job& job) {
  try {
    if (const auto* host = job.target.destination.host()) co_return co_await probe_host(job, *host);
    co_return co_await probe_address(job, job.target);
  } catch (const std::exception& failure) {
    job.stream.reset();
    co_return Error{ErrorCode::unavailable, failure.what()};
  }
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
  const auto attempted = co_await run_attempt(stream, target);
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

Prober::Prober(asio::any_io_executor executor, OnResult on_result)
    : implementation_(std::make_shared<Implementation>(std::move(executor), std::move(on_result))) {}

Prober::~Prober() { stop(); }

void Prober::set_targets(const std::vector<Target>& targets) {
  Implementation::set_targets(implementation_, targets);
}

void Prober::stop() {
  set_targets({});
  implementation_->forget_lookups();
}

}  // namespace sluice::probe
