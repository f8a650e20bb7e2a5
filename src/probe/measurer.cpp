#include "probe/measurer.hpp"

#include <exception>
#include <set>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/channel.hpp>

#include "base/as_result.hpp"
#include "probe/runner_client.hpp"

namespace sluice::probe {
namespace {

namespace asio = boost::asio;
using rollout::Finding;
using rollout::Measurement;
using rollout::Verdict;
using Value = Result<std::optional<double>>;

Finding error_of(std::string text) { return {Verdict::error, {}, {}, std::move(text)}; }

// One question, and what is open for it; also in the measurer's list, to be stopped.
struct Job {
  Job(const asio::any_io_executor& executor, const Deadlines& deadlines, Question its_question,
      OnMeasured its_done)
      : question(std::move(its_question)), done(std::move(its_done)), open(executor, deadlines) {}

  const Question question;
  const OnMeasured done;
  OpenRequest open;
  bool stopped = false;

  void stop() {
    stopped = true;
    open.timer.cancel();
    open.connection.close();
  }
};

}  // namespace

class Measurer::Implementation {
 public:
  explicit Implementation(asio::any_io_executor executor)
      : executor_(std::move(executor)),
        deadlines_(executor_),
        places_(executor_, measurements_open_max),
        resolver_(executor_) {}

  static asio::awaitable<void> run(std::shared_ptr<Implementation> self, std::shared_ptr<Job> job);
  static void measure(const std::shared_ptr<Implementation>& self, Question question, OnMeasured done);
  void set_runner(std::shared_ptr<RunnerClient> runner) { runner_ = std::move(runner); }
  void stop();

 private:
  asio::awaitable<Finding> find(Job& job);
  asio::awaitable<Finding> find_guarded(Job& job);
  asio::awaitable<Finding> ask_program(Job& job);
  asio::awaitable<Finding> ask_webhook(Job& job);
  asio::awaitable<Finding> ask_prometheus(Job& job);
  asio::awaitable<bool> query(Job& job, std::string text, std::optional<double>& value,
                              Measurement& measurement);

  asio::any_io_executor executor_;
  Deadlines deadlines_;
  // A place is a message in the channel: who sends one has it, first come, first served; who receives one
  // frees it.
  asio::experimental::channel<void(boost::system::error_code)> places_;
  Resolver resolver_;
  std::shared_ptr<RunnerClient> runner_;
  std::set<std::shared_ptr<Job>> jobs_;
};

void Measurer::Implementation::measure(const std::shared_ptr<Implementation>& self, Question question,
                                       OnMeasured done) {
  auto job = std::make_shared<Job>(self->executor_, self->deadlines_, std::move(question), std::move(done));
  self->jobs_.insert(job);
  asio::co_spawn(self->executor_, run(self, std::move(job)), asio::detached);
}

asio::awaitable<void> Measurer::Implementation::run(std::shared_ptr<Implementation> self,
                                                    std::shared_ptr<Job> job) {
  auto finding = co_await self->find(*job);
  self->jobs_.erase(job);
  if (!job->stopped) job->done(std::move(finding));
}

void Measurer::Implementation::stop() {
  for (const auto& job : std::exchange(jobs_, {})) job->stop();
  deadlines_.clear();
  resolver_.forget();
}

asio::awaitable<Finding> Measurer::Implementation::find(Job& job) {
  if (job.question.analysis.type == config::AnalysisType::exec) co_return co_await find_guarded(job);
  co_await places_.async_send(boost::system::error_code(), as_result);
  Finding finding = error_of("stopped");
  if (!job.stopped) finding = co_await find_guarded(job);
  places_.try_receive([](boost::system::error_code) {});
  co_return finding;
}

asio::awaitable<Finding> Measurer::Implementation::find_guarded(Job& job) {
  try {
    switch (job.question.analysis.type) {
      case config::AnalysisType::prometheus:
        co_return co_await ask_prometheus(job);
      case config::AnalysisType::exec:
        co_return co_await ask_program(job);
      case config::AnalysisType::webhook:
        co_return co_await ask_webhook(job);
      case config::AnalysisType::probes:
        break;
    }
    co_return error_of("probes are not asked for");
  } catch (const std::exception& failure) {
    co_return error_of(failure.what());
  }
}

asio::awaitable<Finding> Measurer::Implementation::ask_program(Job& job) {
  if (!runner_) co_return error_of("there is no runner of programs");
  auto program = program_of(job.question);
  std::function<bool()> is_wanted = [&job] { return !job.stopped; };
  const auto end = co_await runner_->run(std::move(program), job.open.timer, std::move(is_wanted));
  co_return judge(job.question, end);
}

asio::awaitable<Finding> Measurer::Implementation::ask_webhook(Job& job) {
  auto request = webhook_request(job.question);
  const auto reply = co_await fetch(std::move(request), job.open, resolver_);
  co_return judge_webhook(reply);
}

// One after the other: Prometheus is not to be asked more at once for that.
asio::awaitable<Finding> Measurer::Implementation::ask_prometheus(Job& job) {
  const auto& question = job.question;
  const auto& analysis = question.analysis;
  const auto thresholds = thresholds_of(analysis);
  Measurement measurement;
  bool goes_on = true;
  if (!analysis.samples.empty()) {
    auto text = fill(analysis.samples, question, question.pool);
    goes_on = co_await query(job, std::move(text), measurement.samples, measurement);
  }
  if (goes_on) {
    auto text = fill(analysis.query, question, question.pool);
    goes_on = co_await query(job, std::move(text), measurement.value, measurement);
  }
  if (goes_on && analysis.relative_to_old) {
    auto text = fill(analysis.query, question, old_pools(question));
    co_await query(job, std::move(text), measurement.old_value, measurement);
  }
  co_return rollout::judge(thresholds, measurement);
}

// False when it failed, which the measurement then says.
asio::awaitable<bool> Measurer::Implementation::query(Job& job, std::string text,
                                                      std::optional<double>& value,
                                                      Measurement& measurement) {
  auto request = prometheus_request(job.question, text);
  const auto reply = co_await fetch(std::move(request), job.open, resolver_);
  const Value read = reply ? read_prometheus(*reply) : Value(reply.error());
  if (read)
    value = *read;
  else
    measurement.error = read.error().message;
  co_return read.has_value() && !job.stopped;
}

Measurer::Measurer(asio::any_io_executor executor)
    : implementation_(std::make_shared<Implementation>(std::move(executor))) {}

Measurer::~Measurer() { stop(); }

void Measurer::set_runner(std::shared_ptr<RunnerClient> runner) {
  implementation_->set_runner(std::move(runner));
}

void Measurer::measure(Question question, OnMeasured done) {
  Implementation::measure(implementation_, std::move(question), std::move(done));
}

void Measurer::stop() { implementation_->stop(); }

}  // namespace sluice::probe
