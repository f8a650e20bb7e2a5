#include "probe/measurer.hpp"

#include <utility>

#include "probe/open_jobs.hpp"
#include "probe/runner_client.hpp"

namespace sluice::probe {
namespace {

namespace asio = boost::asio;
using rollout::Finding;
using rollout::Measurement;
using rollout::Verdict;
using Value = Result<std::optional<double>>;

Finding error_of(std::string text) { return {Verdict::error, {}, {}, std::move(text)}; }

// One question, and what is open for it.
struct Job : OpenJob {
  Job(const asio::any_io_executor& executor, const Deadlines& deadlines, Question its_question)
      : OpenJob(executor, deadlines), question(std::move(its_question)) {}

  const Question question;
};

}  // namespace

class Measurer::Implementation {
 public:
  explicit Implementation(asio::any_io_executor executor)
      : jobs_(std::move(executor), measurements_open_max) {}

  static void measure(const std::shared_ptr<Implementation>& self, Question question, OnMeasured done);
  void set_runner(std::shared_ptr<RunnerClient> runner) { runner_ = std::move(runner); }
  void stop() { jobs_.stop(); }

 private:
  asio::awaitable<Finding> find(Job& job);
  asio::awaitable<Finding> ask_program(Job& job);
  asio::awaitable<Finding> ask_webhook(Job& job);
  asio::awaitable<Finding> ask_prometheus(Job& job);
  asio::awaitable<bool> query(Job& job, std::string text, std::optional<double>& value,
                              Measurement& measurement);

  OpenJobs jobs_;
  std::shared_ptr<RunnerClient> runner_;
};

void Measurer::Implementation::measure(const std::shared_ptr<Implementation>& self, Question question,
                                       OnMeasured done) {
  const bool is_program = question.analysis.type == config::AnalysisType::exec;
  const auto job = self->jobs_.make<Job>(std::move(question));
  self->jobs_.begin(self, job, is_program ? OpenJobs::Place::not_needed : OpenJobs::Place::needed,
                    self->find(*job), std::move(done), error_of);
}

asio::awaitable<Finding> Measurer::Implementation::find(Job& job) {
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
}

asio::awaitable<Finding> Measurer::Implementation::ask_program(Job& job) {
  if (!runner_) co_return error_of("there is no runner of programs");
  auto program = program_of(job.question);
  std::function<bool()> is_wanted = [&job] { return !job.stopped; };
  const auto end =
      co_await runner_->run(Purpose::analysis, std::move(program), job.open.timer, std::move(is_wanted));
  co_return judge(job.question, end);
}

asio::awaitable<Finding> Measurer::Implementation::ask_webhook(Job& job) {
  auto request = webhook_request(job.question);
  const auto reply = co_await fetch(std::move(request), job.open, jobs_.resolver());
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
  const auto reply = co_await fetch(std::move(request), job.open, jobs_.resolver());
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
