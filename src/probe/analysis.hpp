// The pure part of asking for an analysis: what is asked, and what the answer comes to.
//
//   prometheus   a query, its old pools' one, its samples'   --replies--> rollout::Measurement --> Finding
//   exec         a program                                   --its end--> Finding
//   webhook      a POST of JSON                              --status---> Finding
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.hpp"
#include "probe/fetch.hpp"
#include "probe/program.hpp"
#include "rollout/analysis.hpp"

namespace sluice::probe {

// About one step of one rollout.
struct Question {
  config::Analysis analysis;
  std::string name;              // that is steered, without its final dot
  std::string pool;              // that grows
  std::vector<std::string> old;  // that had a share before
  std::int64_t rollout = 0;
  std::size_t step = 1, steps = 1;  // from 1 on; 0: before the switch
  double share = 0;                 // of 1, the pool's at this step
};

// --- prometheus ---

// The query with its placeholders filled in; `pool` in the place of {pool}.
std::string fill(std::string_view query, const Question& question, std::string_view pool);

// All old pools, as a matcher =~ takes them.
std::string old_pools(const Question& question);

WebRequest prometheus_request(const Question& question, std::string_view query);

// The value of an instant query: of a vector with one element, or a scalar. Nothing when the vector is empty,
// or the value NaN: there is no data. An error for all else.
Result<std::optional<double>> read_prometheus(const WebReply& reply);

rollout::Thresholds thresholds_of(const config::Analysis& analysis);

// --- exec ---

Program program_of(const Question& question);
rollout::Finding judge(const Question& question, const Result<ProgramEnd>& end);

// --- webhook ---

WebRequest webhook_request(const Question& question);
rollout::Finding judge_webhook(const Result<WebReply>& reply);

}  // namespace sluice::probe
