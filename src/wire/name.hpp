// Domain names in wire form (RFC 1035, 3.1): length octet, label, ..., zero octet.
//
// Two shapes: Name owns its octets and is for everything that happens at load time; LookupName is a fixed
// buffer that the answer path fills from a query or from a target in a zone, and looks up without allocating.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/hash.hpp"
#include "base/result.hpp"
#include "wire/types.hpp"

namespace sluice::wire {

using Bytes = std::span<const std::uint8_t>;

// A number in network order (RFC 1035, 2.3.2). Both octets have to be there.
inline std::uint16_t read_u16(Bytes bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

// RFC 4343: only ASCII letters have case.
constexpr std::uint8_t lower(std::uint8_t octet) { return octet >= 'A' && octet <= 'Z' ? octet + 32 : octet; }

// A valid, uncompressed name in lower case. The default is the root.
class Name {
 public:
  Name() : wire_(1, '\0') {}

  // Presentation form (RFC 1035, 5.1, with \X and \DDD); a missing final dot is supplied. "." is the root.
  static Result<Name> parse(std::string_view text);

  // `wire` is one valid uncompressed name and nothing else; anything else is an error. Letters become lower
  // case.
  static Result<Name> from_wire(Bytes wire);

  Bytes wire() const { return {reinterpret_cast<const std::uint8_t*>(wire_.data()), wire_.size()}; }
  std::string text() const;  // with the final dot
  bool is_root() const { return wire_.size() == 1; }
  bool is_wildcard() const {
    return wire_.size() >= 2 && wire_[0] == 1 && wire_[1] == '*';
  }                              // RFC 4592, 2.1.1
  unsigned label_count() const;  // without the root
  Name parent() const;           // without the first label; the root's parent is the root

  // True for equal names, too (RFC 9499, "subdomain").
  bool is_subdomain_of(const Name& ancestor) const;

  friend auto operator<=>(const Name&,
                          const Name&) = default;  // an order for maps, not DNSSEC's canonical order

 private:
  std::string wire_;
};

// The text of an uncompressed wire-form name, with the final dot and RFC 1035 escapes. `wire` has to be
// valid.
std::string to_text(Bytes wire);

// A name on the answer path: the octets in lower case, and where each label begins.
class LookupName {
 public:
  // Reads one uncompressed name from the start of `bytes`. Returns its size in octets, or 0 when it is
  // malformed, cut short, compressed or longer than 255 octets; the object is then to be assigned again
  // before use.
  std::size_t assign(Bytes bytes);

  Bytes wire() const { return {octets_.data(), length_}; }
  unsigned label_count() const { return label_count_; }  // without the root

  // The ancestor that remains without the first `labels` labels; 0 gives the name itself.
  Bytes suffix(unsigned labels) const { return wire().subspan(label_at_[labels]); }
  unsigned suffix_offset(unsigned labels) const { return label_at_[labels]; }

 private:
  std::array<std::uint8_t, name_size_max> octets_;
  std::array<std::uint8_t, labels_max + 1> label_at_;  // the root's, too
  std::uint8_t length_ = 0;
  std::uint8_t label_count_ = 0;
};

// Of a name in lower-case wire form: what every table of names in this process is keyed by.
inline std::uint64_t hash_name(Bytes lower_case_wire) { return fast_hash(lower_case_wire); }

// For std::unordered_map: of 100,000 names, where their order is of no use.
struct NameHash {
  std::size_t operator()(const Name& name) const { return hash_name(name.wire()); }
};

}  // namespace sluice::wire
