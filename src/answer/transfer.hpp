// Zone transfers (AXFR, RFC 5936; IXFR, RFC 1995): who may have one, and the messages of it, one after the
// other.
//
//   answer() --scratch.transfer--> Transfer --next()--> message, message, ... until finished()
//
//   SOA | all other records of the zone, occluded ones and glue included, steered names as they are answered
//   now | SOA
//
// A Transfer keeps the snapshot that it began with, and one message is made at a time, so that a client that
// reads slowly costs no memory but that. There are no increments: an IXFR of an older version gets the whole
// zone (RFC 1995, 4).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "answer/answer.hpp"
#include "steer/choose.hpp"
#include "tsig/tsig.hpp"
#include "wire/reply.hpp"
#include "zone/zone.hpp"

namespace sluice::answer {

// What a query for a transfer comes to: a code, or the zone's SOA, or all of the zone.
struct TransferDecision {
  wire::Rcode rcode = wire::Rcode::noerror;
  const zone::Zone* zone = nullptr;
  bool whole = false;
};

// `scratch` holds the query, which `message` is, and has verified it. No allocation.
TransferDecision decide_transfer(const Snapshot& snapshot, Scratch& scratch, const Client& client,
                                 wire::Bytes message);

// Not thread-safe. Owns all that it needs.
class Transfer {
 public:
  // As answer() has left `scratch`, with scratch.transfer set.
  Transfer(std::shared_ptr<const Snapshot> snapshot, const Scratch& scratch, wire::Bytes query);

  // Writes the next message and returns its size; 0: there is none. `buffer` has room for
  // wire::message_size_max octets. To be called inside a Quiescence::Section.
  std::size_t next(std::span<std::uint8_t> buffer, const Moment& now);

  // All of the zone has been given. While it is not, and there is no next message, the transfer has failed:
  // the connection has to be closed, so that the client does not take a part for the whole.
  bool finished() const { return place_ == Place::end; }

 private:
  enum class Place : std::uint8_t { first_soa, zone, last_soa, end };

  std::size_t fill(std::span<std::uint8_t> buffer, std::size_t records_max);
  bool add_record(wire::ReplyWriter& reply);
  void advance();
  void settle();
  void enter(const zone::Node* node);
  void enter_rrset(unsigned number);
  void enter_steered(Family family);

  const std::shared_ptr<const Snapshot> snapshot_;
  const zone::Zone& zone_;
  const std::vector<std::uint8_t> message_;
  wire::Query query_;
  wire::ReplyEdns edns_;
  std::optional<tsig::Session> tsig_;

  // What comes next.
  Place place_ = Place::first_soa;
  const zone::Node* node_ = nullptr;
  std::uint16_t owner_offset_ = 0;  // of its name in the message that is being written; 0: not there yet
  unsigned rrset_number_ = 0;
  zone::Rrset rrset_;
  zone::Rrset::Iterator record_{nullptr, 0};
  // When its RRsets are through and it is steered: read at once, as what is in force may change between
  // messages.
  std::optional<Family> family_;
  steer::InForce steered_;
  std::size_t steered_number_ = 0;
};

}  // namespace sluice::answer
