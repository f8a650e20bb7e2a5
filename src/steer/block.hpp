// The flat block: everything that a steered answer needs, in one piece of memory, linked by 32-bit offsets.
//
//   index --hash of the name--> NameEntry --table--> Table
//
//   Table          what the weights decide; one a steer
//     prefixes --> PrefixTable                        classes of clients, asked first (prefixes.hpp)
//     runs: slot -> pool
//     pools: PoolRef --entry--> PoolEntry --view--> PoolView    in filling order (redistribute.hpp)
//
//   PoolView       what health decides; one a pool and answer size, shared by all its steers
//     families: Windows, spot -> Answer               compiled records, ready to copy
//
// A Table, a PoolView and all below it are immutable once published. Publishing is one aligned store of an
// offset, in NameEntry::table or PoolEntry::view; so a weight costs one table and a verdict costs one view,
// however many names there are. There are no pointers in the block, so that the same bytes can be read from a
// kernel program's map.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/address.hpp"
#include "base/counters.hpp"
#include "config/config.hpp"
#include "steer/arena.hpp"
#include "steer/layout.hpp"
#include "steer/prefixes.hpp"
#include "steer/redistribute.hpp"
#include "steer/select.hpp"
#include "wire/destination.hpp"
#include "wire/name.hpp"

namespace sluice::steer {

// At offset 0.
struct Header {
  Offset index;              // an open-addressed table of `index_mask` + 1 Offsets of NameEntries, 0: free
  std::uint32_t index_mask;  // a power of two less one; at most half of the places are taken
};

struct NameEntry {
  std::atomic<Offset> table;
  std::uint32_t name_length;
  std::uint64_t hash;
  // name_length octets of the name in lower-case wire form follow
};

// Up to `last`, inclusive, counted from the run before.
struct SlotRun {
  std::uint16_t last;
  std::uint16_t pool;  // index into the table's PoolRefs
};

struct PoolRef {
  Offset entry;           // PoolEntry
  AnswerCounter counter;  // counts this steer's answers from this pool
  std::uint32_t slots;    // 0: a standby pool
  std::uint32_t cap;      // of all slots, the most that it may have when it takes over from others
};

struct Table {
  std::uint32_t ttl;  // seconds
  config::Method method;
  std::uint8_t subnet_v4, subnet_v6;  // prefix lengths, see config::Steer
  std::uint8_t flags;
  std::uint16_t run_count;
  std::uint16_t pool_count;
  std::uint32_t hash_salt;  // from the name: one client's slots under two names are independent
  std::uint32_t ttl_min;    // seconds, at most `ttl`; no view's ttl_max makes an answer live shorter
  Offset prefixes;          // PrefixTable, whose targets are numbers of routes; 0: all clients draw
  // run_count SlotRuns and, eight-octet aligned, pool_count PoolRefs in filling order follow, and then a
  // PoolRef for each route: the pool that its clients are led to

  static constexpr std::uint8_t leads_to_hosts = 1, has_both_families = 2;
  // All answers are CNAMEs, and the name has nothing else.
  bool to_hosts() const { return (flags & leads_to_hosts) != 0; }
  // What one question of a client leads to has to be what its others lead to.
  bool in_pairs() const { return flags != 0; }
};

struct PoolEntry {
  std::atomic<Offset> view;
  std::uint32_t reserved;
};

// What can be handed out of a pool for one address family. Below Grade::alive the windows hold what is handed
// out as if healthy, when the pool's share stays with it.
struct Windows {
  std::uint16_t range_count;
  Grade grade;
  std::uint8_t keeps_share;  // 1: whatever the grade, the pool answers its own slots
  std::uint8_t reserved[4];
  // range_count WindowRanges follow
};

struct WindowRange {
  std::uint16_t last;  // the last spot of this range, inclusive
  std::uint16_t reserved;
  Offset answer;
};

struct PoolView {
  std::uint32_t ttl_max;  // seconds; answers from this view live no longer, but for the table's ttl_min
  std::uint32_t reserved;
  // Windows by Family; none: the pool has no address of that family. A pool of hosts has the same for both,
  // so that what A and AAAA of one draw lead to is one host.
  Offset families[2];
};

inline constexpr std::size_t record_fixed_size = 12;  // owner as a pointer, type, class, TTL, rdlength
inline constexpr std::uint32_t answer_is_cname = 1;   // of Answer::flags: one record, the target uncompressed

// The records of one answer, ready to copy: each `stride` octets long, owner a pointer to the question's
// name, TTL to be set. Signatures and a checksum have their places already; both are 0 as long as nothing
// makes them.
struct Answer {
  std::uint16_t length;         // octets of records
  std::uint16_t signed_length;  // octets of records and RRSIG, 0: not signed
  std::uint16_t record_count;
  std::uint16_t stride;
  std::uint32_t flags;
  std::uint32_t checksum;
  // `length` octets follow
};

static_assert(sizeof(NameEntry) == 16 && sizeof(Table) == 24 && sizeof(PoolRef) == 16 &&
              sizeof(SlotRun) == 4);
static_assert(sizeof(PoolView) == 16 && sizeof(Windows) == 8 && sizeof(WindowRange) == 8 &&
              sizeof(Answer) == 16);
static_assert(std::atomic<Offset>::is_always_lock_free);

// --- building: the control thread
// ------------------------------------------------------------------------------------

// One pool of a steer.
struct PoolInput {
  std::string pool;
  AnswerCounter counter = 0;
  double cap = 1;        // as in Rated
  unsigned standby = 0;  // as in Rated
};

// Clients that are led to a pool whatever they would draw, as long as it is alive. The pool may have no
// share.
struct RouteInput {
  std::string client_class;  // of Block::add_class()
  std::string pool;
  AnswerCounter counter = 0;
};

struct SteerInput {
  wire::Name name;
  std::vector<PoolInput> pools;
  std::vector<RouteInput> routes{};  // of each class one at most
  Layout layout;
  std::uint32_t ttl = 0, ttl_min = 0;
  unsigned answers = 1;
  config::Method method = config::Method::random;
  std::uint8_t subnet_v4 = 24, subnet_v6 = 56;
};

// Octets of address space for so many names and for what they are likely to need.
std::size_t usual_capacity(std::size_t names);

// Builds and publishes; the control thread's, but for the reading part.
class Block {
 public:
  // Room for `names` names, in the usual capacity or in so many octets. Throws std::bad_alloc.
  Block(Quiescence& quiescence, std::size_t names) : Block(quiescence, names, usual_capacity(names)) {}
  Block(Quiescence& quiescence, std::size_t names, std::size_t capacity_bytes);

  // Adds a name without a table; its offset identifies it from then on (zone::SteerId). At most `names` of
  // them, and before the block is shared.
  Offset add_name(const wire::Name& name);

  // Clients that steers may have routes for; before any of these is published. No prefix is in two classes;
  // prefixes_max in all.
  void add_class(const std::string& name, std::span<const Prefix> prefixes);

  // Compiles and publishes. From the return on, no query that arrives is answered by what was there before.
  // False when the block is full: nothing has changed then, and it takes a new block.
  // A pool keeps its families, and hosts stay hosts: tables rely on it.
  [[nodiscard]] bool publish_pool(const std::string& pool, std::span<const Candidate> candidates,
                                  const PoolRules& rules = {});

  // The same for a steer. Its pools have been published before.
  [[nodiscard]] bool publish_table(Offset name, const SteerInput& input);

  std::size_t used_bytes() const { return arena_.used_bytes(); }

  // --- reading: thread-safe, noexcept, no allocation ---

  // Null when the name is not steered.
  const NameEntry* find(wire::Bytes lower_case_name) const;

  template <class T>
  const T* at(Offset offset) const {
    return arena_.at<const T>(offset);
  }

 private:
  struct Size {  // of answers that some steer wants from a pool
    unsigned answers;
    Offset entry;
  };
  struct Pool {
    std::vector<Candidate> candidates;
    PoolRules rules;
    std::vector<Size> sizes;
  };

  Offset allocate(std::size_t bytes);
  template <class Function>
  bool all_or_nothing(Function function);
  Offset pool_entry(const std::string& pool, unsigned answers);
  Offset prefix_table(std::span<const RouteInput> routes);
  Offset compile_table(const wire::Name& name, const SteerInput& input);
  Offset compile_view(std::span<const Candidate> candidates, const PoolRules& rules, unsigned answers);
  Offset compile_windows(std::span<const Candidate> candidates, const PoolRules& rules, Family family,
                         unsigned answers);
  Offset compile_answer(std::span<const wire::Destination> window);
  std::uint8_t table_flags(const SteerInput& input) const;
  void retire_view(Offset view);

  Arena arena_;
  std::vector<Offset> fresh_;  // allocated by the publication that is under way
  std::unordered_map<std::string, Pool> pools_;
  std::unordered_map<std::string, std::vector<Prefix>> classes_;
  std::map<std::vector<std::string>, Offset>
      prefix_tables_;  // by the classes that have a route, in its order
};

}  // namespace sluice::steer
