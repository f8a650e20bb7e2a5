#include "probe/prober.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <exception>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/log.hpp"
#include "probe/agenda.hpp"
#include "probe/attempt.hpp"
#include "probe/cadence.hpp"
#include "probe/connection.hpp"
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

// A check without what endpoints bring into it: one for all of its targets.
using CommonCheck = std::shared_ptr<const config::Check>;

config::Check common_part(config::Check check) {
  check.port = 0;
  check.host.clear();
  return check;
}

// One target and what is going on with it. Owned by the prober's list until it is removed, and by its probe.
// There may be many thousands, of which few are being probed: so they are small.
struct Job {
  Job(const Target& target, CommonCheck common_check)
      : destination(target.destination),
        check(std::move(common_check)),
        port(target.check.port),
        host(target.check.host) {}

  // As it is now: its check's rules may change.
  Target target() const {
    Target whole{destination, *check};
    whole.check.port = port;
    whole.check.host = host;
    return whole;
  }

  bool needs_place() const { return check->type != config::CheckType::exec; }

  const wire::Destination destination;
  CommonCheck check;
  const std::uint16_t port;
  const std::string host;

  Clock::time_point due{};                    // of the last probe, on the target's grid
  Clock::time_point begin{};                  // when the probe that is open, or the next, is to begin
  std::unique_ptr<Connection> connection;     // while a probe has one
  std::unique_ptr<asio::steady_timer> timer;  // while a host is looked up, or a program runs
  std::optional<Tools> tools;                 // from the first probe on
  bool stopped = false;
  bool program_lost = false;  // the last one's supervisor was killed
  Duration late{};            // the last probe, when it got a place

  void take_place() { late = std::chrono::duration_cast<Duration>(Clock::now() - begin); }

  // Nothing is reported from now on, whatever still ends.
  void stop() {
    stopped = true;
    if (timer) timer->cancel();
    if (connection) connection->close();
  }
};

// What tells targets apart: the destination, the check's name, and what endpoints may bring into a check.
auto key_of(const Target& target) {
  return std::tie(target.destination, target.check.name, target.check.port, target.check.host);
}
auto key_of(const std::shared_ptr<Job>& job) {
  return std::tie(job->destination, job->check->name, job->port, job->host);
}
struct ByKey {
  using is_transparent = void;
  bool operator()(const auto& a, const auto& b) const { return key_of(a) < key_of(b); }
};
using Jobs = std::set<std::shared_ptr<Job>, ByKey>;

bool is_probed_alike(Target target, const Target& other) {
  take_rules(target, other);
  return target == other;
}

}  // namespace

class Prober::Implementation : public std::enable_shared_from_this<Implementation> {
 public:
  Implementation(asio::any_io_executor executor, OnResult on_result, OnTrouble on_trouble)
      : executor_(std::move(executor)),
        on_result_(std::move(on_result)),
        on_trouble_(std::move(on_trouble)),
        deadlines_(executor_),
        schedule_(executor_, [this](const std::shared_ptr<Job>& job) { begin(job); }),
        resolver_(executor_) {}

  void set_targets(const std::vector<Target>& targets);
  void probe_now(Target target, OnProbed done);
  void stop();
  void set_runner(std::shared_ptr<RunnerClient> runner) { runner_ = std::move(runner); }

 private:
  void begin(const std::shared_ptr<Job>& job);
  void spawn(const std::shared_ptr<Job>& job);
  void leave_place();
  bool is_current(const std::shared_ptr<Job>& job) const;
  void start(const Jobs& before);
  void await_begin(const std::shared_ptr<Job>& job, Clock::time_point due);
  void refuse_asked();

  // These keep the prober alive.
  static asio::awaitable<void> run(std::shared_ptr<Implementation> self, std::shared_ptr<Job> job);
  static asio::awaitable<void> run_asked(std::shared_ptr<Implementation> self, std::shared_ptr<Job> job);
  asio::awaitable<void> probe_once(Job& job);
  asio::awaitable<Result<health::ProbeResult>> probe_in_place(Job& job);
  asio::awaitable<Result<health::ProbeResult>> probe_guarded(Job& job);
  asio::awaitable<Result<health::ProbeResult>> probe(Job& job, Target target);
  asio::awaitable<Result<health::ProbeResult>> probe_by_program(Job& job, const Target& target);
  asio::awaitable<Result<health::ProbeResult>> probe_host(Job& job, const Target& target);
  asio::awaitable<Result<health::ProbeResult>> probe_address(Job& job, const Target& target);
  void warn(const Target& target, const std::string& reason);

  asio::any_io_executor executor_;
  OnResult on_result_;
  OnTrouble on_trouble_;
  Deadlines deadlines_;
  Agenda<std::shared_ptr<Job>> schedule_;
  std::map<std::shared_ptr<Job>, OnProbed> asked_;
  Jobs jobs_;
  std::size_t open_ = 0;                      // probes that have a place
  std::deque<std::shared_ptr<Job>> waiting_;  // for one, first come, first served
  std::optional<Clock::time_point> warned_;
  Resolver resolver_;
  std::shared_ptr<RunnerClient> runner_;
  Toolbox toolbox_;
};

void Prober::Implementation::set_targets(const std::vector<Target>& targets) {
  const Jobs before = std::exchange(jobs_, {});
  std::map<std::string, CommonCheck> checks;
  for (const auto& target : targets) {
    if (jobs_.contains(target)) continue;
    auto& check = checks[target.check.name];
    if (auto common = common_part(target.check); !check || *check != common)
      check = std::make_shared<const config::Check>(std::move(common));
    const auto old = before.find(target);
    const bool same = old != before.end() && is_probed_alike((*old)->target(), target);
    if (same) (*old)->check = check;  // with its rules
    jobs_.insert(same ? *old : std::make_shared<Job>(target, check));
  }
  for (const auto& job : before) {
    if (is_current(job)) continue;
    schedule_.remove(job->begin, job);
    job->stop();
  }
  start(before);
}

bool Prober::Implementation::is_current(const std::shared_ptr<Job>& job) const {
  const auto now = jobs_.find(job);
  return now != jobs_.end() && *now == job;
}

// The jobs that were not there before.
void Prober::Implementation::start(const Jobs& before) {
  std::vector<std::shared_ptr<Job>> fresh;
  std::copy_if(jobs_.begin(), jobs_.end(), std::back_inserter(fresh), [&](const std::shared_ptr<Job>& job) {
    const auto old = before.find(job);
    return old == before.end() || *old != job;
  });
  const auto now = Clock::now();
  for (const auto& job : fresh) {
    if (job->stopped) continue;  // by a callback, as probes may end at once
    const auto target = job->target();
    const auto delay = first_delay(target, fresh.size());
    job->due = now + second_delay(target) - target.check.interval;
    if (delay > Duration::zero()) {
      await_begin(job, now + delay);
    } else {
      job->begin = now;
      begin(job);
    }
  }
}

void Prober::Implementation::await_begin(const std::shared_ptr<Job>& job, Clock::time_point due) {
  job->begin = begin_of(due);
  schedule_.add(job->begin, job);
}

// Programs have places of their own. No coroutine waits for a place: there may be thousands that do.
void Prober::Implementation::begin(const std::shared_ptr<Job>& job) {
  if (!job->needs_place()) return spawn(job);
  if (open_ == probes_open_max) return waiting_.push_back(job);
  ++open_;
  spawn(job);
}

void Prober::Implementation::spawn(const std::shared_ptr<Job>& job) {
  const auto self = shared_from_this();
  asio::co_spawn(executor_, asked_.contains(job) ? run_asked(self, job) : run(self, job), asio::detached);
}

// To who waits longest. By the event loop, as probes may end at once, and many one after the other.
void Prober::Implementation::leave_place() {
  if (waiting_.empty()) return void(--open_);
  asio::post(executor_, [self = shared_from_this(), job = waiting_.front()] { self->spawn(job); });
  waiting_.pop_front();
}

asio::awaitable<void> Prober::Implementation::run(std::shared_ptr<Implementation> self,
                                                  std::shared_ptr<Job> job) {
  co_await self->probe_once(*job);
  if (job->stopped) co_return;
  // In the past when a probe took longer than the interval: then the next one follows at once.
  job->due = next_due(job->due, job->check->interval, job->begin + job->late, Clock::now());
  self->await_begin(job, job->due);
}

void Prober::Implementation::probe_now(Target target, OnProbed done) {
  if (asked_.size() >= probes_asked_max) {
    asio::post(executor_, [done = std::move(done)] {
      done(Error{ErrorCode::refused, "too many probes are being asked for; try again"});
    });
    return;
  }
  const auto job =
      std::make_shared<Job>(target, std::make_shared<const config::Check>(common_part(target.check)));
  job->begin = Clock::now();
  asked_.emplace(job, std::move(done));
  asio::post(executor_, [self = shared_from_this(), job] { self->begin(job); });
}

void Prober::Implementation::stop() {
  set_targets({});
  refuse_asked();
  resolver_.forget();
  schedule_.clear();
  deadlines_.clear();
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
  const auto target = job.target();  // with the rules that it has by now
  if (result) {
    result->late = job.late;
    on_result_(target, *result);
    co_return;
  }
  warn(target, result.error().message);
  if (on_trouble_) on_trouble_(target, result.error().message);
}

asio::awaitable<Result<health::ProbeResult>> Prober::Implementation::probe_in_place(Job& job) {
  Result<health::ProbeResult> result = Error{ErrorCode::unavailable, "stopped"};
  job.take_place();
  if (!job.stopped) result = co_await probe_guarded(job);
  if (job.needs_place()) leave_place();
  co_return result;
}

asio::awaitable<Result<health::ProbeResult>> Prober::Implementation::probe_guarded(Job& job) {
  if (job.check->type == config::CheckType::push)
    co_return Error{ErrorCode::refused, "a push check is not probed: the service reports to us"};
  try {
    co_return co_await probe(job, job.target());
  } catch (const std::exception& failure) {
    job.connection.reset();
    co_return Error{ErrorCode::unavailable, failure.what()};
  }
}

asio::awaitable<Result<health::ProbeResult>> Prober::Implementation::probe(Job& job, Target target) {
  if (target.check.type == config::CheckType::exec) co_return co_await probe_by_program(job, target);
  if (!job.tools) {
    auto tools = toolbox_.tools_for(target.check);
    if (!tools) co_return tools.error();
    job.tools = *std::move(tools);
  }
  if (target.destination.is_host()) co_return co_await probe_host(job, target);
  co_return co_await probe_address(job, target);
}

asio::awaitable<Result<health::ProbeResult>> Prober::Implementation::probe_by_program(Job& job,
                                                                                      const Target& target) {
  if (!runner_) co_return Error{ErrorCode::unavailable, "there is no runner of exec checks"};
  auto program = program_of(target);
  std::function<bool()> is_wanted = [&job] {
    job.take_place();
    return !job.stopped;
  };
  job.timer = std::make_unique<asio::steady_timer>(executor_);
  const auto end =
      co_await runner_->run(Purpose::check, std::move(program), *job.timer, std::move(is_wanted));
  const bool lost_before = std::exchange(job.program_lost, end && end->ending == Ending::lost);
  if (!end) co_return end.error();
  co_return judge(target.check, *end, lost_before);
}

// One address after the other; each may take its part of the time that is left.
asio::awaitable<Result<health::ProbeResult>> Prober::Implementation::probe_host(Job& job,
                                                                                const Target& target) {
  const auto& check = target.check;
  const auto start = Clock::now(), end = start + check.timeout;
  const auto passed = [start] { return std::chrono::duration_cast<Duration>(Clock::now() - start); };
  job.timer = std::make_unique<asio::steady_timer>(executor_, end);
  auto found = co_await resolver_.resolve(*target.destination.host(), *job.timer);
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
    const Target one = at_address(target, addresses[i], part);
    auto result = co_await probe_address(job, one);
    tried.push_back({addresses[i], std::move(result)});
    if (tried.back().result && tried.back().result->success) break;
  }
  co_return judge_host(tried, passed());
}

asio::awaitable<Result<health::ProbeResult>> Prober::Implementation::probe_address(Job& job,
                                                                                   const Target& target) {
  job.connection = std::make_unique<Connection>(executor_, deadlines_);
  const auto attempted = co_await run_attempt(*job.connection, target, *job.tools);
  job.connection.reset();
  co_return judge(target.check, attempted);
}

void Prober::Implementation::warn(const Target& target, const std::string& reason) {
  const auto now = Clock::now();
  if (warned_ && now < *warned_ + warning_interval) return;
  warned_ = now;
  logger().warn("probe: check '{}' could not ask {}: {}; its last result stands", target.check.name,
                to_text(target.destination), reason);
}

Prober::Prober(asio::any_io_executor executor, OnResult on_result, OnTrouble on_trouble)
    : implementation_(std::make_shared<Implementation>(std::move(executor), std::move(on_result),
                                                       std::move(on_trouble))) {}

Prober::~Prober() { stop(); }

void Prober::set_targets(const std::vector<Target>& targets) {
  const auto kept = implementation_;  // a callback may destroy this
  kept->set_targets(targets);
}

void Prober::set_runner(std::shared_ptr<RunnerClient> runner) {
  implementation_->set_runner(std::move(runner));
}

void Prober::probe_now(Target target, OnProbed done) {
  implementation_->probe_now(std::move(target), std::move(done));
}

void Prober::stop() {
  const auto kept = implementation_;  // as above
  kept->stop();
}

}  // namespace sluice::probe
