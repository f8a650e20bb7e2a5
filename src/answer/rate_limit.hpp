// Limits how many replies go to one prefix over UDP, where anybody can ask in somebody else's name.
//
//   switch (limiter.account(client, now_us, bits)) { ... }
//
// A table of fixed size, shared by all threads: each entry is one word, the time until which a prefix has
// used up what it may have (the generic cell rate algorithm of ITU-T I.371). Sets of entries share a cache
// line; in a full set the prefix that has been quiet for longest makes room.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/address.hpp"
#include "base/hash.hpp"
#include "config/config.hpp"

namespace sluice::answer {

class RateLimiter {
 public:
  RateLimiter(config::RateLimit limit, const HashKey& key);

  enum class Verdict : std::uint8_t {
    answer,
    slip,  // a reply without records and with TC: who really asked comes back over TCP
    drop,
  };

  // Thread-safe, no allocation. `now_us`: a steady clock's microseconds; `bits`: chance.
  Verdict account(const Address& client, std::uint64_t now_us, std::uint64_t bits);

  const config::RateLimit& limit() const { return limit_; }

 private:
  using Entry = std::atomic<std::uint64_t>;
  static constexpr std::size_t set_size = 8;         // a cache line
  static constexpr std::size_t set_count = 1 << 14;  // 1 MiB: 131,072 prefixes at once

  Entry& entry_of(std::uint64_t hash, std::uint64_t now_us);

  const config::RateLimit limit_;
  const HashKey key_;
  const std::uint64_t interval_us_;  // between two replies at the limit
  std::vector<Entry> entries_;
};

}  // namespace sluice::answer
