// Builds DNS messages octet by octet, well-formed or not.
//
//   const Octets query = Message(0x1234).question("www.example.", RrType::a).opt().octets();
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "wire/name.hpp"
#include "wire/types.hpp"

namespace sluice::wire::test {

using Octets = std::vector<std::uint8_t>;

inline void append_u16(Octets& octets, unsigned value) {
  octets.push_back(static_cast<std::uint8_t>(value >> 8));
  octets.push_back(static_cast<std::uint8_t>(value));
}

inline void append(Octets& octets, Bytes bytes) { octets.insert(octets.end(), bytes.begin(), bytes.end()); }

// The wire form of a name, letter case kept (a Name would lower it). No escapes.
inline Octets name_octets(std::string_view text) {
  Octets octets;
  while (!text.empty() && text != ".") {
    const auto label = text.substr(0, text.find('.'));
    octets.push_back(static_cast<std::uint8_t>(label.size()));
    octets.insert(octets.end(), label.begin(), label.end());
    text.remove_prefix(label.size() < text.size() ? label.size() + 1 : label.size());
  }
  octets.push_back(0);
  return octets;
}

// An option of RFC 7871, with whatever octets.
inline Octets subnet_option(unsigned family, unsigned source, unsigned scope, const Octets& address) {
  Octets option;
  append_u16(option, 8);
  append_u16(option, static_cast<unsigned>(4 + address.size()));
  append_u16(option, family);
  option.push_back(static_cast<std::uint8_t>(source));
  option.push_back(static_cast<std::uint8_t>(scope));
  append(option, address);
  return option;
}

class Message {
 public:
  explicit Message(unsigned id, unsigned flags = 0) : octets_(header_size) {
    set_u16(0, id).set_u16(2, flags);
  }

  Message& question(Bytes name, RrType type, RrClass rr_class = RrClass::in) {
    append(octets_, name);
    append_u16(octets_, static_cast<unsigned>(type));
    append_u16(octets_, static_cast<unsigned>(rr_class));
    return count(4);
  }
  Message& question(std::string_view name, RrType type, RrClass rr_class = RrClass::in) {
    return question(name_octets(name), type, rr_class);
  }

  // `counted_at`: 6 for an answer, 8 for authority, 10 for additional.
  Message& record(const Octets& owner, unsigned type, unsigned rr_class, unsigned ttl, const Octets& rdata,
                  std::size_t counted_at = 10) {
    append(octets_, owner);
    append_u16(octets_, type);
    append_u16(octets_, rr_class);
    append_u16(octets_, ttl >> 16);
    append_u16(octets_, ttl & 0xFFFF);
    append_u16(octets_, static_cast<unsigned>(rdata.size()));
    append(octets_, rdata);
    return count(counted_at);
  }

  Message& opt(unsigned udp_size = 1232, bool dnssec_ok = false, const Octets& options = {},
               unsigned version = 0) {
    return record({0}, 41, udp_size, version << 16 | (dnssec_ok ? 0x8000U : 0U), options);
  }

  // Octets that no count covers.
  Message& raw(const Octets& octets) {
    append(octets_, octets);
    return *this;
  }

  // Overwrites a count.
  Message& set_count(std::size_t at, unsigned value) { return set_u16(at, value); }

  const Octets& octets() const { return octets_; }

 private:
  Message& set_u16(std::size_t at, unsigned value) {
    octets_[at] = static_cast<std::uint8_t>(value >> 8);
    octets_[at + 1] = static_cast<std::uint8_t>(value);
    return *this;
  }
  Message& count(std::size_t at) { return set_count(at, (octets_[at] << 8U | octets_[at + 1]) + 1U); }

  Octets octets_;
};

}  // namespace sluice::wire::test
