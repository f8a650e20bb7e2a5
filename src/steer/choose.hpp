// The choice that a query makes: slot, or the route of its client -> pool -> spot -> answer. Read-only, no
// allocation, a few dozen instructions.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
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
  bool last_resort = false;  // from a pool that is not alive: answered as if it were
  bool by_route = false;     // and not by the slot
};

// A route of the table, by its number.
using Route = std::uint16_t;
inline constexpr Route no_route = no_target;

// The route of who has this address, or whose Client Subnet has these first `known_bits`; its target is a
// Route.
inline Located route_of(const Block& block, const Table& table, const Address& client, unsigned known_bits) {
  if (table.prefixes == 0) return {};
  return locate(*block.at<PrefixTable>(table.prefixes), client, known_bits);
}

// What this table answers to `draw` for a family. The slots of a pool that is not alive go where
// redistribute() says. A route leads to its pool as long as that is alive; one that has no address of the
// family has none for such clients, while it is alive in the other one: they are not split between two pools.
Choice choose(const Block& block, const Table& table, Draw draw, Family family, Route route = no_route);

// What of a family may be answered now, whoever asks: that of all pools that some draw leads to. Of hosts
// only the one that most draws lead to.
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

// What one pool of a table, by its number, gives out of a family now. Not for the path of a query.
struct PoolInForce {
  struct Part {
    InForce::Record record;
    double share = 0;  // of the pool's answers that begin with it
  };
  AnswerCounter counter = 0;
  std::optional<Grade> grade;  // none: no address of this family
  std::vector<Part> parts;
};
inline constexpr AnswerCounter no_counter = ~AnswerCounter{0};
// `pool`: its place in the table; those of the routes come behind the others.
PoolInForce pool_in_force(const Block& block, const Table& table, unsigned pool, Family family);

// All records of a choice, in order. Not for the path of a query.
std::vector<InForce::Record> records_of(const Choice& choice);

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
