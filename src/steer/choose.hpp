// The choice that a query makes: slot -> pool -> spot -> answer. Read-only, no allocation, a few dozen
// instructions.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/hash.hpp"
#include "steer/block.hpp"

namespace sluice::steer {

// 64 bits of chance or of a client's hash, cut into what each decision needs.
struct Draw {
  std::uint16_t slot;    // which pool
  std::uint16_t spot;    // which of its answers
  std::uint32_t detour;  // which other pool, when that one is dead

  static Draw from_bits(std::uint64_t bits) {
    return {static_cast<std::uint16_t>(bits), static_cast<std::uint16_t>(bits >> 16),
            static_cast<std::uint32_t>(bits >> 32)};
  }
};

// The same draw with a spot that follows from slot and detour: queries of a pair then also agree on the host.
Draw with_common_spot(Draw draw);

struct Choice {
  const Answer* answer = nullptr;  // null: the chosen pool has no address of this family (NODATA)
  std::uint32_t ttl = 0;
  AnswerCounter counter = 0;
  bool last_resort = false;  // nothing is alive: answered as if it were
};

// What this table answers to `draw` for a family. The slots of a pool that is not alive go to the pools of
// the best Grade in proportion to their slots; when none is better, each answers as if it were alive.
Choice choose(const Block& block, const Table& table, Draw draw, Family family);

// What of a family may be answered now, whoever asks: of the pools with slots, those of the best Grade.
// Of hosts only the one that most draws lead to.
struct InForce {
  struct Record {
    wire::RrType type{};
    std::vector<std::uint8_t> rdata;
    friend auto operator<=>(const Record&, const Record&) = default;
  };
  std::vector<Record> records;  // each once, in order
  std::uint32_t ttl = 0;
};

// Not for the path of a query: it allocates.
InForce in_force(const Block& block, const Table& table, Family family);

// The draw of a sticky client: always the same for a key, an address as it is to be told apart (masked), and
// a steer.
Draw sticky_draw(const HashKey& key, const Address& client, const Table& table);

// What a client asks about one name at once, each of these with a query of its own.
enum class Question : std::uint8_t { a, aaaa, https, other };

// Keeps the A and the AAAA query (and others) of one client together when slots are drawn by chance: the
// second of a pair uses the draw of the first. A draw is used once for each question, so that a client's next
// query is drawn anew and shares stay exact. It needs no clock: an old draw is as random as a new one.
// Entries are overwritten by collisions; a lost one only means a fresh draw. Thread-safe: relaxed atomics,
// each entry one word.
class PairTable {
 public:
  PairTable() : entries_(std::make_unique<std::atomic<std::uint64_t>[]>(size)) {}

  // The draw for this query: slot and detour are those of the query that it belongs to. `fresh` is used, and
  // remembered, when there is none.
  Draw pair(std::uint64_t client_and_name_hash, Question question, Draw fresh);

 private:
  static constexpr std::size_t size =
      1U << 14;  // 128 KiB: clients that ask A and AAAA within a few milliseconds
  std::unique_ptr<std::atomic<std::uint64_t>[]> entries_;
};

}  // namespace sluice::steer
