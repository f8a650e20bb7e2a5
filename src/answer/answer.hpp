// The answer path: one pure function from a query to a reply. UDP, TCP, the tests and the fuzzers all call
// it.
//
//   preanswer: header, opcode, class, EDNS version  ->  lookup: steered name | zone  ->  sections  ->  OPT,
//   header
//
// It does not allocate, lock, log, throw or read a clock. What it needs of chance and counting is in its
// Scratch.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "answer/cookies.hpp"
#include "answer/rate_limit.hpp"
#include "base/address.hpp"
#include "base/counters.hpp"
#include "base/hash.hpp"
#include "config/config.hpp"
#include "steer/block.hpp"
#include "steer/choose.hpp"
#include "tsig/tsig.hpp"
#include "wire/query.hpp"
#include "zone/zone.hpp"

namespace sluice::answer {

// What the config says of replies in general.
struct Policy {
  // Character strings (RFC 1035, 3.3), the length before the text; empty: not told.
  std::vector<std::uint8_t> identity, version;
  Cookies cookies;
  std::shared_ptr<RateLimiter> rate_limiter;  // null: no limit
};

// RFC 1035, 3.3. Empty for an empty text; `text` has at most 255 octets.
std::vector<std::uint8_t> character_string(std::string_view text);

// All that answers depend on. Immutable but for what the steer block publishes within itself, the pair table
// and the rate limiter.
struct Snapshot {
  zone::ZoneSet zones;
  std::shared_ptr<const steer::Block> block;
  HashKey sticky_key{};
  std::shared_ptr<steer::PairTable> pairs;
  Policy policy;
  tsig::Keyring keys;
  std::unordered_map<const zone::Zone*, std::vector<config::TransferRule>> transfers;  // of who may
};

// When a batch of queries was received, as its receiver's clocks have it.
struct Moment {
  std::uint64_t unix_seconds = 0;
  std::uint64_t steady_us = 0;
};

enum class Transport : std::uint8_t { udp, tcp, tls };

struct Client {
  Address address;
  Transport transport = Transport::udp;
  std::uint16_t idle_timeout = 0;  // in units of 100 ms (RFC 7828, 3.1); TCP and TLS
};

// xorshift64*: enough to spread answers; nothing secret depends on it.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed | 1) {}
  std::uint64_t next() {
    state_ ^= state_ >> 12, state_ ^= state_ << 25, state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1D;
  }

 private:
  std::uint64_t state_;
};

// One thread's working memory, reused from query to query. Not thread-safe.
struct Scratch {
  Scratch(CounterShard& shard, std::uint64_t seed) : counters(shard), random(seed) {}

  CounterShard& counters;
  Random random;
  Moment now;  // set by the caller
  wire::Query query;
  wire::LookupName target;      // where a chain of CNAMEs has led to
  wire::LookupName additional;  // a name that a record refers to

  tsig::Session tsig;           // of a query that is signed
  bool is_signed = false;       // the query has a TSIG record, and the reply gets one
  bool transfers_full = false;  // set by the caller: no more transfers for now
  const zone::Zone* transfer =
      nullptr;  // set by answer(): the reply is a Transfer of this zone (transfer.hpp)
};

// The longest chain of CNAMEs and DNAMEs that is followed; the answer then ends with the last link, as for a
// target elsewhere.
inline constexpr unsigned chain_max = 16;

// Of how many names that an RRset refers to the addresses are added: more is work and octets for nothing.
inline constexpr unsigned additional_targets_max = 32;

// Writes the reply to `query` and returns its size in octets; 0: no reply, or scratch.transfer says what it
// is. `reply` has room for wire::message_size_max octets over TCP and TLS and for wire::udp_size_max over
// UDP, at least. To be called inside a Quiescence::Section.
std::size_t answer(const Snapshot& snapshot, Scratch& scratch, const Client& client, wire::Bytes query,
                   std::span<std::uint8_t> reply) noexcept;

}  // namespace sluice::answer
