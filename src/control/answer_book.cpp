#include "control/answer_book.hpp"

#include <algorithm>
#include <utility>

namespace sluice::control {
namespace {

using namespace std::chrono_literals;
using rollout::LeaseEnd;

// By how much an answer may go out later than the clock beside its counter says: that clock is as coarse as
// the kernel's ticks, and is read once for a batch.
constexpr Duration sent_within = 100ms;

// A batch takes less than a millisecond, unless its thread has to wait for a processor.
constexpr auto settle_max = 5ms;

// Who has waited for that in vain does not wait again at once: many names may be published in a row.
constexpr std::chrono::microseconds patience = 100ms;

// The end of what nobody was given is not the moment of the publication: what is due in the very moment in
// which rollouts are looked at counts as looked at, and is put off (rollout::next_tick).
constexpr Duration after_publication{1};

// How often it is looked whose lease is over: all endpoints are looked at, and thousands of them may go out
// of answers one by one.
constexpr std::chrono::microseconds forget_interval = 10s;

std::vector<wire::Destination> difference(const std::set<wire::Destination>& these,
                                          const std::set<wire::Destination>& those) {
  std::vector<wire::Destination> left;
  std::set_difference(these.begin(), these.end(), those.begin(), those.end(), std::back_inserter(left));
  return left;
}

std::set<wire::Destination> united(const std::set<wire::Destination>& these,
                                   const std::set<wire::Destination>& those) {
  auto all = these;
  all.insert(those.begin(), those.end());
  return all;
}

}  // namespace

Clocks clocks_now() {
  const auto steady = std::chrono::steady_clock::now().time_since_epoch();
  return {wall_now(),
          static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(steady).count())};
}

AnswerBook::AnswerBook(const Counters& counters, Quiescence& quiescence, Inherited inherited,
                       std::function<Clocks()> clocks)
    : counters_(counters),
      quiescence_(quiescence),
      inherited_from_(std::move(inherited)),
      clocks_(std::move(clocks)),
      started_(clocks_().wall),
      inherited_{started_, {}} {}

void AnswerBook::inherit() { inherited_ = inherited_from_.of_any_name(started_); }

// --- counting ---

AnswerBook::Use& AnswerBook::use(const wire::Name& name, const std::string& pool,
                                 const std::string& client_class) {
  if (const auto known = uses_.find(std::tie(name, pool, client_class)); known != uses_.end())
    return known->second;
  const auto added = uses_.try_emplace(Key{name, pool, client_class}).first;
  auto& use = added->second;
  use.id = static_cast<AnswerCounter>(std::min<std::size_t>(uses_.size(), answer_counters_max) - 1);
  use.lease = rollout::Lease(inherited_from_.of_name(name, started_));
  pools_[pool].uses.push_back(&*added);
  return use;
}

template <class Function>
void AnswerBook::for_each_use(const wire::Name& name, Function function) {
  static const std::string first;  // of all texts
  for (auto one = uses_.lower_bound(std::tie(name, first, first));
       one != uses_.end() && std::get<0>(one->first) == name; ++one)
    function(one->first, one->second);
}

AnswerCounter AnswerBook::counter(const wire::Name& name, const std::string& pool,
                                  const std::string& client_class) {
  return use(name, pool, client_class).id;
}

std::uint64_t AnswerBook::answers(const wire::Name& name, const std::string& pool) {
  return counters_.answers(use(name, pool, {}).id);
}

std::uint64_t AnswerBook::answers_since_change(const wire::Name& name, const std::string& pool) {
  const auto& counted = use(name, pool, {});
  return counters_.answers(counted.id) - counted.at_change;
}

std::uint64_t AnswerBook::answers_by_class(const wire::Name& name, const std::string& client_class) {
  std::uint64_t sum = 0;
  for_each_use(name, [&](const Key& key, const Use& counted) {
    if (std::get<2>(key) == client_class) sum += counters_.answers(counted.id);
  });
  return sum;
}

// --- what is published ---

void AnswerBook::set_transferred(std::set<wire::Name> names) {
  const Time now = clocks_().wall;
  for (const auto& name : transferred_)
    if (!names.contains(name))
      for_each_use(name, [&](const Key&, Use& handed_out) {
        handed_out.lease.set_ttl(handed_out.lease.ttl(), now, now);
      });
  transferred_ = std::move(names);
}

Time AnswerBook::about_to_publish() { return clocks_().wall; }

void AnswerBook::ttl_published(const wire::Name& name, Duration ttl, Time from) {
  std::optional<Sight> sight;  // most often the TTL is what it was
  for_each_use(name, [&](const Key& key, Use& handed_out) {
    if (handed_out.lease.ttl() == ttl) return;
    if (!sight) sight = look_when_settled();
    handed_out.lease.set_ttl(ttl, last(key, handed_out, *sight), from);
  });
}

void AnswerBook::weights_published(const wire::Name& name) {
  const auto sight = look_when_settled();
  Time end = sight.now.wall + after_publication;
  for_each_use(name, [&](const Key& key, Use& handed_out) {
    end = std::max(end, handed_out.lease.end(last(key, handed_out, sight)).at);
    handed_out.at_change = counters_.answers(handed_out.id);
  });
  before_change_[name] = end;
}

void AnswerBook::pool_published(const std::string& name, std::set<wire::Destination> in_answers,
                                std::set<wire::Destination> spare) {
  auto& pool = pools_[name];
  if (in_answers == pool.in_answers && spare == pool.spare) return;
  auto gone = difference(pool.in_answers, in_answers);
  std::ranges::move(difference(pool.spare, spare), std::back_inserter(gone));
  replace_endpoints(pool, std::move(in_answers), std::move(spare));
  std::erase_if(gone, [&](const auto& endpoint) { return pool.in_answers.contains(endpoint); });
  if (gone.empty()) return;
  const auto sight = look_when_settled();
  const auto end = end_of(pool, sight);
  for (const auto& endpoint : gone) {
    auto& left = endpoints_[endpoint].left;
    left = rollout::later(left, end);
  }
  forget_ended(sight.now);
}

void AnswerBook::replace_endpoints(Pool& pool, std::set<wire::Destination> in_answers,
                                   std::set<wire::Destination> spare) {
  const auto before = united(pool.in_answers, pool.spare);
  pool.in_answers = std::move(in_answers);
  pool.spare = std::move(spare);
  const auto after = united(pool.in_answers, pool.spare);
  for (const auto& endpoint : difference(after, before)) endpoints_[endpoint].pools.push_back(&pool);
  for (const auto& endpoint : difference(before, after)) std::erase(endpoints_[endpoint].pools, &pool);
}

void AnswerBook::forget_ended(const Clocks& now) {
  if (now.steady_us < forget_after_us_) return;
  std::erase_if(endpoints_,
                [&](const auto& one) { return one.second.pools.empty() && one.second.left.at <= now.wall; });
  forget_after_us_ = now.steady_us + static_cast<std::uint64_t>(forget_interval.count());
}

std::vector<std::string> AnswerBook::pools() const {
  std::vector<std::string> names;
  for (const auto& [name, pool] : pools_) names.push_back(name);
  return names;
}

// --- leases ---

std::optional<Time> AnswerBook::leased_before_change(const wire::Name& name) const {
  const auto found = before_change_.find(name);
  return found == before_change_.end() ? std::nullopt : std::optional(found->second);
}

AnswerBook::NameLease AnswerBook::name_lease(const wire::Name& name) {
  const auto sight = look();
  NameLease lease{started_, {started_, {}}};
  for_each_use(name, [&](const Key& key, const Use& handed_out) {
    const auto answered = last(key, handed_out, sight);
    lease.answered_last = std::max(lease.answered_last, answered.value_or(started_));
    lease.end = rollout::later(lease.end, handed_out.lease.end(answered));
  });
  return lease;
}

bool AnswerBook::is_in_answers(const wire::Destination& endpoint) const {
  const auto found = endpoints_.find(endpoint);
  return found != endpoints_.end() &&
         std::any_of(found->second.pools.begin(), found->second.pools.end(),
                     [&](const Pool* pool) { return pool->in_answers.contains(endpoint); });
}

// What is spare has most likely gone out of answers when its pool did, and the pool's own clocks tell.
LeaseEnd AnswerBook::endpoint_lease(const wire::Destination& endpoint) {
  const auto found = endpoints_.find(endpoint);
  if (found == endpoints_.end()) return inherited_;
  const auto& [pools, left] = found->second;
  const auto sight = look();
  auto end = rollout::later(inherited_, left);
  for (const auto* pool : pools) end = rollout::later(end, end_of(*pool, sight));
  return end;
}

AnswerBook::Sight AnswerBook::look() { return {clocks_(), true}; }

// What is under way was answered by what is not published any more, and may not be counted yet.
AnswerBook::Sight AnswerBook::look_when_settled() {
  const bool is_patient = clocks_().steady_us >= impatient_until_us_;
  const bool is_settled = quiescence_.wait(is_patient ? settle_max : 0ms);
  const auto now = clocks_();
  if (is_patient && !is_settled)
    impatient_until_us_ = now.steady_us + static_cast<std::uint64_t>(patience.count());
  return {now, is_settled};
}

// As long as something is under way, it may be anything.
std::optional<Time> AnswerBook::last(const Key& key, const Use& handed_out, const Sight& sight) const {
  const auto& [wall, steady_us] = sight.now;
  if (!sight.is_settled || transferred_.contains(std::get<0>(key))) return wall;
  const auto stamp = counters_.last_answer(handed_out.id);
  if (stamp == 0) return {};
  const auto ago = std::chrono::microseconds(steady_us > stamp ? steady_us - stamp : 0);
  return std::min(wall, wall - std::chrono::floor<Duration>(ago) + sent_within);
}

LeaseEnd AnswerBook::end_of(const Pool& pool, const Sight& sight) const {
  LeaseEnd end{started_, {}};
  for (const auto* one : pool.uses)
    end = rollout::later(end, one->second.lease.end(last(one->first, one->second, sight)));
  return end;
}

}  // namespace sluice::control
