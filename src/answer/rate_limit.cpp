#include "answer/rate_limit.hpp"

#include <algorithm>

namespace sluice::answer {
namespace {

// What a prefix may use at once after it has been quiet: the replies of one second, so that a resolver's
// burst passes and a pulse of an attack does not carry more than a steady stream would.
constexpr std::uint64_t burst_us = 1'000'000;

// An entry: the upper 24 bits tell prefixes of one set apart, the lower 40 are a time in microseconds, which
// comes round after 12 days.
constexpr unsigned time_bits = 40;
constexpr std::uint64_t time_mask = (std::uint64_t{1} << time_bits) - 1;

// How far `time` lies behind `now`; 0 when it does not.
std::uint64_t ahead(std::uint64_t entry, std::uint64_t now_us) {
  const std::uint64_t distance = (entry - now_us) & time_mask;
  return distance <= 2 * burst_us ? distance : 0;
}

}  // namespace

RateLimiter::RateLimiter(config::RateLimit limit, const HashKey& key)
    : limit_(std::move(limit)),
      key_(key),
      interval_us_(std::max<std::uint64_t>(1, 1'000'000 / limit_.responses_per_second)),
      entries_(set_size * set_count) {}

// The prefix' own entry, or the one of its set that has the least to lose.
RateLimiter::Entry& RateLimiter::entry_of(std::uint64_t hash, std::uint64_t now_us) {
  Entry* set = &entries_[hash % set_count * set_size];
  Entry* least = set;
  std::uint64_t least_ahead = ~std::uint64_t{0};
  for (Entry* entry = set; entry != set + set_size; ++entry) {
    const std::uint64_t value = entry->load(std::memory_order_relaxed);
    if (value >> time_bits == hash >> time_bits) return *entry;
    if (const auto distance = ahead(value, now_us); distance < least_ahead)
      least = entry, least_ahead = distance;
  }
  return *least;
}

// Two threads may count one reply as one: the limit is then missed by that one.
RateLimiter::Verdict RateLimiter::account(const Address& client, std::uint64_t now_us, std::uint64_t bits) {
  for (const Prefix& prefix : limit_.exempt)
    if (prefix.contains(client)) return Verdict::answer;
  const Address prefix = masked(client, client.family == Family::v4 ? limit_.prefix_v4 : limit_.prefix_v6);
  const std::uint64_t hash = keyed_hash(key_, prefix.bytes());
  Entry& entry = entry_of(hash, now_us);
  const std::uint64_t old = entry.load(std::memory_order_relaxed);
  const std::uint64_t used = old >> time_bits == hash >> time_bits ? ahead(old, now_us) : 0;
  if (used + interval_us_ <= burst_us) {
    const std::uint64_t until = (now_us + used + interval_us_) & time_mask;
    entry.store(hash >> time_bits << time_bits | until, std::memory_order_relaxed);
    return Verdict::answer;
  }
  return limit_.slip != 0 && (bits >> 32) % limit_.slip == 0 ? Verdict::slip : Verdict::drop;
}

}  // namespace sluice::answer
