// A zone as the answer path sees it: compiled once, never changed, one block of memory, no library types.
//
//        Zone::find(qname)                    one hash of the name, one probe of the table: the usual case
//              |  not there
//        closest encloser                     binary search over the labels: every ancestor of a name is in
//        the table,
//              |                              empty non-terminals included
//        wildcard | delegation | DNAME | no such name
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/diagnostic.hpp"
#include "wire/name.hpp"
#include "wire/types.hpp"

namespace sluice::zone {

// The records of one owner and type. A view into the zone; cheap to copy.
//   for (wire::Bytes rdata : rrset) use(rdata);
class Rrset {
 public:
  Rrset() = default;
  Rrset(wire::RrType type, std::uint32_t ttl, std::uint16_t count, const std::uint8_t* data)
      : data_(data), ttl_(ttl), count_(count), type_(type) {}

  explicit operator bool() const { return count_ != 0; }
  wire::RrType type() const { return type_; }
  std::uint32_t ttl() const { return ttl_; }  // seconds; one for the whole RRset (RFC 2181, 5.2)
  unsigned count() const { return count_; }

  // Walks the rdata in order: each is uncompressed wire form, names with the letter case of the zone file.
  class Iterator {
   public:
    Iterator(const std::uint8_t* at, unsigned left) : at_(at), left_(left) {}
    wire::Bytes operator*() const { return {at_ + 2, size()}; }
    Iterator& operator++() {
      at_ += 2 + size();
      --left_;
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.left_ == b.left_; }

   private:
    std::size_t size() const { return std::size_t{at_[0]} << 8 | at_[1]; }
    const std::uint8_t* at_;  // rdlength, two octets in network order; rdata; the next one
    unsigned left_;
  };
  Iterator begin() const { return {data_, count_}; }
  Iterator end() const { return {nullptr, 0}; }
  wire::Bytes first() const { return *begin(); }
  // All rdata, as the iterator walks them: each behind its two octets of length.
  const std::uint8_t* rdatas() const { return data_; }

 private:
  const std::uint8_t* data_ = nullptr;
  std::uint32_t ttl_ = 0;
  std::uint16_t count_ = 0;
  wire::RrType type_{};
};

// Says that a steered name stands here; the number is the caller's (the offset of its entry in the steer
// block).
using SteerId = std::uint32_t;
inline constexpr SteerId not_steered = 0;

// A steered name that the loader puts into the tree, so that it exists (RFC 4592 and NODATA need to know).
// The zone may hold other types at the name, but neither A nor AAAA nor CNAME nor DNAME.
// At one that leads to hosts, by a CNAME, it may hold nothing (RFC 1034, 3.6.2).
// One that is outside the zone is passed over, so that the caller may give all that it has.
struct Steered {
  wire::Name name;
  SteerId id;
  bool to_hosts = false;
};

struct Node;  // a name of the zone; opaque, borrowed from the zone

enum class Outcome : std::uint8_t {
  name,        // the name exists: `node` is its own, or the wildcard that stands for it
  delegation,  // at or below a zone cut: `node` is the cut. A query for DS at the cut itself gives `name`
               // (RFC 4035, 3.1.4.1)
  dname,       // below a DNAME: `node` owns it (RFC 6672)
  no_name,     // NXDOMAIN: `node` is the closest encloser
};

struct Match {
  Outcome outcome;
  bool wildcard = false;  // `node` was synthesised from a wildcard (RFC 4592)
  unsigned labels_before =
      0;  // how many labels of the looked-up name stand before `node`'s owner (delegation, DNAME, no_name)
  const Node* node = nullptr;
};

class Zone {
 public:
  ~Zone();
  Zone(const Zone&) = delete;
  Zone& operator=(const Zone&) = delete;

  const wire::Name& apex() const;
  std::size_t name_count() const;    // owner names, empty non-terminals not counted
  std::size_t record_count() const;  // without what is steered
  std::size_t memory_size() const;   // octets of the compiled form
  std::uint32_t serial() const;      // of the SOA

  // Thread-safe, noexcept, no allocation: all below.

  // `name` has to be at or below the apex.
  Match find(const wire::LookupName& name, wire::RrType type) const;

  // The node of exactly this name, even when it is occluded by a zone cut (for glue); null when there is
  // none.
  const Node* exact(const wire::LookupName& name) const;

  // Whether the name is at or below a zone cut (the apex' own NS is none): its data is glue, not answers.
  bool occluded(const Node& node) const { return cut_above(node) != nullptr; }

  // The topmost zone cut at or above the name; null when there is none.
  const Node* cut_above(const Node& node) const;

  // The RRset of that type at the node; empty when there is none.
  Rrset rrset(const Node& node, wire::RrType type) const;

  // The first RRset at the node, of whatever type (RFC 8482, 4.1: one RRset is answer enough for ANY); empty
  // for an empty non-terminal.
  Rrset any_rrset(const Node& node) const;

  SteerId steer(const Node& node) const;

  // All names, occluded ones and empty non-terminals included, the apex first; null at the end.
  //   for (const Node* node = zone.first(); node != nullptr; node = zone.next(*node)) ...
  const Node* first() const;
  const Node* next(const Node& node) const;
  wire::Bytes name(const Node& node) const;  // lower case
  unsigned rrset_count(const Node& node) const;
  Rrset rrset_at(const Node& node, unsigned number) const;  // of rrset_count(), by type

  const Rrset& soa() const;
  const Rrset& apex_ns() const;
  std::uint32_t negative_ttl() const;  // min(SOA TTL, SOA MINIMUM), RFC 2308, section 5

 private:
  friend class Compiler;
  struct Data;
  explicit Zone(std::unique_ptr<Data> data);
  std::unique_ptr<Data> data_;
};

struct LoadResult {
  std::shared_ptr<const Zone> zone;  // null when there are errors
  Diagnostics errors;                // all of them, each with its place in the master file
};

// Reads an RFC 1035 master file ($ORIGIN, $TTL, $INCLUDE) and compiles it. `file` is shown in errors as
// given. A big file is read on so many cores.
LoadResult load(const std::string& file, const wire::Name& apex, std::span<const Steered> steered,
                unsigned cores = 1);

// The same from text; `file` only names it in errors, and $INCLUDE is relative to it.
LoadResult load_text(std::string_view text, const std::string& file, const wire::Name& apex,
                     std::span<const Steered> steered, unsigned cores = 1);

// The zones that we serve.
class ZoneSet {
 public:
  ZoneSet() = default;
  explicit ZoneSet(std::vector<std::shared_ptr<const Zone>> zones);

  // The zone with the longest apex that is an ancestor of `name` or is `name`; null when we serve none.
  // Thread-safe, noexcept, no allocation.
  const Zone* find(const wire::LookupName& name) const;

  std::span<const std::shared_ptr<const Zone>> zones() const { return zones_; }

 private:
  std::vector<std::shared_ptr<const Zone>> zones_;
  // An open-addressed table of apexes by hash, and which label counts occur: most suffixes are not even
  // hashed.
  std::vector<std::uint32_t> table_;
  std::array<bool, wire::labels_max + 1> depths_{};
};

}  // namespace sluice::zone
