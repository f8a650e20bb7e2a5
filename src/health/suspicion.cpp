#include "health/suspicion.hpp"

#include <algorithm>
#include <utility>

namespace sluice::health {
namespace {

// What fails alone may well be dead.
constexpr std::size_t broken_pools_min = 2, failed_min = 2;

}  // namespace

Turn Suspicion::set_pools(std::size_t targets, const std::vector<std::vector<Id>>& pools) {
  pools_of_.assign(targets, {});
  sound_.assign(targets, false);
  pools_.assign(pools.size(), {});
  sound_pools_ = broken_pools_ = 0;
  failed_.clear();
  for (std::size_t pool = 0; pool < pools.size(); ++pool) {
    pools_[pool].targets = pools[pool];
    for (const Id target : pools[pool]) pools_of_[target].push_back(static_cast<Id>(pool));
  }
  const bool is_idle = std::all_of(pools.begin(), pools.end(), [](const auto& pool) { return pool.empty(); });
  return is_idle && std::exchange(suspected_since_, std::nullopt) ? Turn::ended : Turn::none;
}

void Suspicion::assume_sound(Id target) {
  if (sound_[target]) return;
  sound_[target] = true;
  for (const Id pool : pools_of_[target]) {
    if (pools_[pool].sound > 0 && pools_[pool].failed == pools_[pool].sound) --broken_pools_;
    if (++pools_[pool].sound == 1) ++sound_pools_;
  }
}

void Suspicion::assume_failed(Id target) {
  assume_sound(target);
  make_failed(target);
}

bool Suspicion::make_failed(Id target) {
  if (!failed_.insert(target).second) return false;
  for (const Id pool : pools_of_[target])
    if (++pools_[pool].failed == pools_[pool].sound) ++broken_pools_;
  return true;
}

Turn Suspicion::leave(Id target, Time now) {
  if (!sound_[target]) return Turn::none;
  sound_[target] = false;
  const std::size_t failed = failed_.erase(target);
  for (const Id of : pools_of_[target]) {
    Pool& pool = pools_[of];
    if (pool.failed == pool.sound) --broken_pools_;
    --pool.sound;
    pool.failed -= failed;
    if (pool.sound == 0)
      --sound_pools_;
    else if (pool.failed == pool.sound)
      ++broken_pools_;
  }
  return failed_.empty() ? end(now) : Turn::none;
}

Turn Suspicion::end(Time now) {
  if (!std::exchange(suspected_since_, std::nullopt)) return Turn::none;
  ended_ = now;
  return Turn::ended;
}

// They are bad by themselves: something else is well.
void Suspicion::forget_failed() {
  for (const Id target : failed_) {
    sound_[target] = false;
    for (const Id pool : pools_of_[target]) {
      pools_[pool].failed = 0;
      if (--pools_[pool].sound == 0) --sound_pools_;
    }
  }
  failed_.clear();
  broken_pools_ = 0;
}

bool Suspicion::is_suspect() const {
  return broken_pools_ == sound_pools_ && broken_pools_ >= broken_pools_min && failed_.size() >= failed_min;
}

Turn Suspicion::result(Id target, Evidence evidence, Time now) {
  if (evidence != Evidence::silence) {
    forget_failed();
    if (evidence == Evidence::success) assume_sound(target);
    return end(now);
  }
  if (sound_[target] && make_failed(target)) failed_at_ = now;
  if (suspected_since_ || !is_suspect()) return Turn::none;
  suspected_since_ = now;
  return Turn::began;
}

std::optional<Suspicion::Id> Suspicion::sound_of(const Pool& pool, bool failed) const {
  if ((failed ? pool.failed : pool.sound - pool.failed) == 0) return {};
  for (std::size_t i = 0; i < pool.targets.size(); ++i) {
    const Id target = pool.targets[(questions_ + i) % pool.targets.size()];
    if (sound_[target] && failed_.contains(target) == failed) return target;
  }
  return {};
}

std::vector<Suspicion::Id> Suspicion::sound_of_others(const std::vector<Id>& but, bool failed) const {
  std::vector<Id> others;
  for (std::size_t i = 0; i < pools_.size() && others.size() < asked_max; ++i) {
    const auto pool = (questions_ + i) % pools_.size();
    if (std::find(but.begin(), but.end(), pool) != but.end()) continue;
    const auto other = sound_of(pools_[pool], failed);
    if (other && std::find(others.begin(), others.end(), *other) == others.end()) others.push_back(*other);
  }
  return others;
}

// Those that have failed themselves are asked again when there is nobody else: one of them may answer.
std::vector<Suspicion::Id> Suspicion::ask_others(const std::vector<Id>& but) {
  ++questions_;
  auto others = sound_of_others(but, false);
  return others.empty() ? sound_of_others(but, true) : others;
}

std::vector<Suspicion::Id> Suspicion::whom_to_ask(Id target) {
  return failed_.contains(target) ? ask_others(pools_of_[target]) : std::vector<Id>{};
}

std::vector<Suspicion::Id> Suspicion::whom_to_ask_again() { return ask_others({}); }

Turn Suspicion::nobody_answered(Time now) {
  if (suspected_since_) return Turn::none;
  suspected_since_ = now;
  return Turn::began;
}

// The clock may have been set back since: then nothing is known.
bool Suspicion::is_late(Time started, Time now) const { return started < ended_ && ended_ <= now; }

bool Suspicion::is_outdated(Time answered, Time now) const {
  if (failed_.empty() && !suspected_since_) return false;
  const Time gone = suspected_since_.value_or(failed_at_);
  return answered < gone && gone <= now;
}

Turn Trouble::met(std::string reason, Time now) {
  last_ = now;
  reason_ = std::move(reason);
  if (since_) return Turn::none;
  since_ = now;
  return Turn::began;
}

Turn Trouble::over(Time now) {
  const bool lately = last_ <= now && now - last_ < trouble_quiet;  // a clock may be set back
  if (!since_ || lately) return Turn::none;
  return end();
}

Turn Trouble::end() { return std::exchange(since_, std::nullopt) ? Turn::ended : Turn::none; }

}  // namespace sluice::health
