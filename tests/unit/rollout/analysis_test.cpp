// From what was measured to a verdict, and in which words.
#include "rollout/analysis.hpp"

#include <cmath>
#include <limits>

#include <doctest/doctest.h>

#include "rollout/record.hpp"

using namespace sluice;
using namespace sluice::rollout;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

Measurement measured(std::optional<double> value, std::optional<double> old_value = {},
                     std::optional<double> samples = {}) {
  Measurement measurement;
  measurement.value = value;
  measurement.old_value = old_value;
  measurement.samples = samples;
  return measurement;
}

}  // namespace

TEST_CASE("a value is held against its thresholds") {
  struct Row {
    const char* what;
    Thresholds thresholds;
    Measurement measurement;
    Verdict verdict;
    const char* text;
  };
  const Thresholds max{{}, 0.05}, min{0.9, {}}, both{1, 2}, ratio{{}, 1.5, true},
      enough{{}, 0.05, false, 100};
  const Row rows[] = {
      {"below the max", max, measured(0.01), Verdict::success, "0.01 is at most 0.05"},
      {"at the max", max, measured(0.05), Verdict::success, "0.05 is at most 0.05"},
      {"above it", max, measured(0.2), Verdict::failure, "0.2 is more than the max of 0.05"},
      {"above the min", min, measured(0.99), Verdict::success, "0.99 is at least 0.9"},
      {"below it", min, measured(0.5), Verdict::failure, "0.5 is less than the min of 0.9"},
      {"between both", both, measured(1.5), Verdict::success, "1.5 is at most 2 and at least 1"},
      {"below both", both, measured(0), Verdict::failure, "0 is less than the min of 1"},
      {"without end", max, measured(infinity), Verdict::failure, "inf is more than the max of 0.05"},
      {"none", max, measured({}), Verdict::inconclusive, "there is no value"},
      {"no number", max, measured(not_a_number), Verdict::inconclusive, "there is no value"},
      {"as the old one", ratio, measured(0.2, 0.2), Verdict::success,
       "1 times the old pool's (0.2 to 0.2) is at most 1.5"},
      {"worse than the old one", ratio, measured(0.4, 0.2), Verdict::failure,
       "2 times the old pool's (0.4 to 0.2) is more than the max of 1.5"},
      {"nothing in both", ratio, measured(0, 0), Verdict::success,
       "1 times the old pool's (0 to 0) is at most 1.5"},
      {"nothing in the old one", ratio, measured(0.1, 0), Verdict::failure,
       "inf times the old pool's (0.1 to 0) is more than the max of 1.5"},
      {"no old one", ratio, measured(0.1), Verdict::inconclusive, "there is no value of the old pool"},
      {"enough samples", enough, measured(0.01, {}, 100), Verdict::success, "0.01 is at most 0.05"},
      {"few samples, however bad", enough, measured(1, {}, 99), Verdict::inconclusive,
       "99 samples, of 100 at least"},
      {"no samples", enough, measured(0.01), Verdict::inconclusive, "there are no samples"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    const auto finding = judge(row.thresholds, row.measurement);
    CHECK(finding.verdict == row.verdict);
    CHECK(finding.text == row.text);
    CHECK((!finding.value || std::isfinite(*finding.value)));
  }
}

TEST_CASE("the value and the threshold that decided are part of a finding") {
  const auto finding = judge({1, 2}, measured(0.5));
  CHECK(finding.value == 0.5);
  CHECK(finding.threshold == 1);
}

TEST_CASE("what could not be measured is an error, whatever else came") {
  auto measurement = measured(0.01);
  measurement.error = "connection refused";
  const auto finding = judge({{}, 0.05}, measurement);
  CHECK(finding.verdict == Verdict::error);
  CHECK(finding.text == "connection refused");
}

TEST_CASE("of two findings the graver one holds") {
  const Finding success{Verdict::success, {}, {}, ""}, failure{Verdict::failure, {}, {}, ""},
      error{Verdict::error, {}, {}, ""}, inconclusive{Verdict::inconclusive, {}, {}, ""};
  CHECK(graver(success, failure).verdict == Verdict::failure);
  CHECK(graver(failure, error).verdict == Verdict::failure);
  CHECK(graver(inconclusive, error).verdict == Verdict::error);
  CHECK(graver(success, inconclusive).verdict == Verdict::inconclusive);
}

TEST_CASE("a record keeps what was counted, and one of before there were analyses is good") {
  Rollout rollout;
  rollout.plan.targets = {{"v2", 1}};
  rollout.plan.steps = {1};
  rollout.plan.before = {{"v1", 1}, {"v2", 0}};
  rollout.plan.analyses = {{"errors", Duration(20'000), 2, 3, 4}};
  rollout.state.counts.resize(1);
  count(rollout.state.counts[0], judge({{}, 0.05}, measured(0.2)), Time(Duration(5)));
  count(rollout.state.counts[0], judge({{}, 0.05}, measured(infinity)), Time(Duration(6)));
  const auto read = parse(to_text(rollout));
  REQUIRE(read.has_value());
  CHECK(*read == rollout);

  auto old = to_json(rollout);
  old.at("plan").as_object().erase("analyses");
  CHECK_FALSE(from_json(old).has_value());
  old.at("state").as_object().erase("counts");
  const auto of_before = from_json(old);
  REQUIRE(of_before.has_value());
  CHECK(of_before->plan.analyses.empty());
}
