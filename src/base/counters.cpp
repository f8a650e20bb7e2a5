#include "base/counters.hpp"

#include <algorithm>
#include <new>

#include <sys/mman.h>

namespace sluice {
namespace {

static_assert([] {
  for (std::size_t i = 0; i < metric_count; ++i)
    if (static_cast<std::size_t>(metrics[i].metric) != i) return false;
  return true;
}());

}  // namespace

CounterShard::CounterShard() {
  constexpr std::size_t answers_bytes = sizeof(Answers) * answer_counters_max;
  void* pages = mmap(nullptr, answers_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  answers_ = static_cast<Answers*>(pages);
}

CounterShard::~CounterShard() { munmap(answers_, sizeof(Answers) * answer_counters_max); }

CounterShard& Counters::add_shard() {
  const std::lock_guard lock(mutex_);
  return *shards_.emplace_back(std::make_unique<CounterShard>());
}

std::uint64_t Counters::value(Metric metric) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& shard : shards_) sum += shard->value(metric);
  return sum;
}

std::uint64_t Counters::answers(AnswerCounter id) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& shard : shards_) sum += shard->answers(id);
  return sum;
}

std::uint64_t Counters::last_answer(AnswerCounter id) const {
  const std::lock_guard lock(mutex_);
  std::uint64_t last = 0;
  for (const auto& shard : shards_) last = std::max(last, shard->last_answer(id));
  return last;
}

}  // namespace sluice
