#include "control/analyses.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sluice::control {
namespace {

using rollout::Finding;
using rollout::Measurement;
using rollout::Rollout;
using rollout::Thresholds;

std::optional<double> per(double sum, std::uint64_t count) {
  return count == 0 ? std::nullopt : std::optional(sum / static_cast<double>(count));
}

std::optional<double> success_rate(const ProbeTotals& totals) {
  return per(static_cast<double>(totals.successes), totals.probes);
}

// In milliseconds, which is how finely probes are timed: less than one is no difference.
std::optional<double> latency(const ProbeTotals& totals) {
  const auto mean = per(std::chrono::duration<double, std::milli>(totals.took).count(), totals.successes);
  return mean ? std::optional(std::max(*mean, 1.0)) : mean;
}

ProbeTotals& operator+=(ProbeTotals& sum, const ProbeTotals& totals) {
  sum.probes += totals.probes;
  sum.successes += totals.successes;
  sum.took += totals.took;
  return sum;
}

std::vector<probe::Question> questions_of(const Rollout& rollout, const config::Analysis& analysis) {
  const auto& plan = rollout.plan;
  probe::Question question;
  question.analysis = analysis;
  question.name = plan.name;
  if (question.name.size() > 1) question.name.pop_back();  // the final dot
  for (const auto& [pool, weight] : plan.before)
    if (!rollout::is_target(plan, pool) && weight > 0) question.old.push_back(pool);
  question.rollout = rollout.id;
  question.step = step_number(rollout);
  question.steps = plan.steps.size();
  const auto shares = rollout::shares_of_targets(
      plan, question.step == 0 ? rollout::share_before(plan) : plan.steps[rollout.state.step]);
  std::vector<probe::Question> questions;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    question.pool = plan.targets[i].pool;
    question.share = shares[i];
    questions.push_back(question);
  }
  return questions;
}

}  // namespace

Finding judge_probes(const config::Analysis& analysis, const ProbeTotals& fresh, const ProbeTotals& old) {
  const auto samples = static_cast<double>(std::min(fresh.probes, old.probes));
  const auto judge = [&](const Thresholds& thresholds, auto figure) {
    return rollout::judge(thresholds, Measurement{figure(fresh), figure(old), samples, {}});
  };
  auto finding = judge({analysis.success_min, {}, true, analysis.samples_min, "success rate"}, success_rate);
  if (!analysis.latency_max) return finding;
  return graver(std::move(finding),
                judge({{}, analysis.latency_max, true, analysis.samples_min, "latency"}, latency));
}

std::size_t step_number(const Rollout& rollout) {
  return rollout.state.phase == rollout::Phase::arming ? 0 : rollout.state.step + 1;
}

Finding gravest(const std::vector<probe::Question>& questions, const std::vector<Finding>& findings) {
  auto gravest = findings.front();
  for (const auto& finding : findings) gravest = rollout::graver(std::move(gravest), finding);
  if (findings.size() == 1) return gravest;
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < findings.size(); ++i)
    if (findings[i].verdict == gravest.verdict)
      texts.push_back(fmt::format("{}: {}", questions[i].pool, findings[i].text));
  gravest.text = fmt::format("{}", fmt::join(texts, "; "));
  return gravest;
}

void Analyses::take_probe(const std::vector<const config::Pool*>& pools, const health::ProbeResult& result) {
  ProbeTotals one{1, result.success ? 1U : 0U, result.success ? result.took : Duration::zero()};
  for (const auto* pool : pools) totals_[pool->name] += one;
}

void Analyses::watch(const Model& model) {
  std::set<std::int64_t> running, held;
  for (const auto& name : model.running_rollouts()) {
    const auto& rollout = model.rollouts().at(name);
    running.insert(rollout.id);
    if (!rollout::is_analysed(rollout) || rollout.plan.analyses.empty()) continue;
    held.insert(rollout.id);
    const auto [begin, is_new] = begins_.try_emplace(rollout.id);
    if (is_new || begin->second.step != rollout.state.step) begin->second = begin_of(rollout);
  }
  std::erase_if(begins_, [&](const auto& begin) { return !held.contains(begin.first); });
  std::erase_if(asked_, [&](const auto& asked) { return !running.contains(asked.first.first); });
}

Analyses::Begin Analyses::begin_of(const Rollout& rollout) const {
  Begin begin{rollout.state.step, {}};
  for (const auto& part : rollout.plan.before)
    if (const auto found = totals_.find(part.pool); found != totals_.end()) begin.totals.insert(*found);
  return begin;
}

// What could not be kept is not asked for again at once.
std::optional<Time> Analyses::due_at(const Rollout& rollout, std::size_t analysis) const {
  if (!rollout::is_analysed(rollout, analysis)) return {};
  const auto due = rollout::next_analysis(rollout, analysis);
  const auto asked = asked_.find({rollout.id, analysis});
  if (asked == asked_.end()) return due;
  if (asked->second.open) return {};
  return std::max(due, asked->second.at + rollout.plan.analyses[analysis].interval);
}

std::optional<Time> Analyses::next(const Model& model) const {
  std::optional<Time> next;
  for (const auto& name : model.running_rollouts()) {
    const auto& rollout = model.rollouts().at(name);
    for (std::size_t i = 0; i < rollout.plan.analyses.size(); ++i)
      if (const auto due = due_at(rollout, i); due && (!next || *due < *next)) next = due;
  }
  return next;
}

std::vector<DueAnalysis> Analyses::begin_due(const Model& model, Time now) {
  std::vector<DueAnalysis> all;
  for (const auto& name : model.running_rollouts()) {
    const auto& rollout = model.rollouts().at(name);
    for (std::size_t i = 0; i < rollout.plan.analyses.size(); ++i) {
      const auto due = due_at(rollout, i);
      if (!due || *due > now) continue;
      asked_[{rollout.id, i}] = {now, true};
      all.push_back(make(model, name, rollout, i));
    }
  }
  return all;
}

void Analyses::end(const DueAnalysis& due) {
  if (const auto asked = asked_.find({due.rollout, due.analysis}); asked != asked_.end())
    asked->second.open = false;
}

DueAnalysis Analyses::make(const Model& model, const wire::Name& name, const Rollout& rollout,
                           std::size_t analysis) const {
  const auto& wanted = rollout.plan.analyses[analysis].name;
  DueAnalysis due{name, rollout.id, analysis, step_number(rollout), {}, {}};
  if (const auto* found = model.config().find_analysis(wanted)) {
    due.questions = questions_of(rollout, *found);
    if (found->type == config::AnalysisType::probes) due.finding = find_by_probes(due.questions);
  } else {
    due.finding = Finding{rollout::Verdict::error, {}, {}, "the config has it no more"};
  }
  return due;
}

ProbeTotals Analyses::since_begin(std::int64_t rollout, const std::string& pool) const {
  const auto total = totals_.find(pool);
  const auto begin = begins_.find(rollout);
  if (total == totals_.end() || begin == begins_.end()) return {};
  const auto found = begin->second.totals.find(pool);
  const auto before = found == begin->second.totals.end() ? ProbeTotals{} : found->second;
  const auto& all = total->second;
  return {all.probes - before.probes, all.successes - before.successes, all.took - before.took};
}

Finding Analyses::find_by_probes(const std::vector<probe::Question>& questions) const {
  std::vector<Finding> findings;
  for (const auto& question : questions) {
    ProbeTotals old;
    for (const auto& pool : question.old) old += since_begin(question.rollout, pool);
    findings.push_back(judge_probes(question.analysis, since_begin(question.rollout, question.pool), old));
  }
  return gravest(questions, findings);
}

}  // namespace sluice::control
