// Cuts a TCP byte stream into DNS messages (RFC 1035, 4.2.2: two octets of length before each). No I/O, no
// clock.
//
//   MessageStream stream;
//   stream.received(read(socket, stream.space()));
//   while (auto message = stream.next()) use(*message);
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "wire/name.hpp"

namespace sluice::serve {

class MessageStream {
 public:
  // Dozens of ordinary queries, or one with every EDNS option that clients send.
  static constexpr std::size_t usual_bytes = 4096;

  // Where to put what is read next; never empty. Call when next() has returned nothing. A longer message than
  // usual gets its memory as it arrives, not because its length says so.
  std::span<std::uint8_t> space();
  void received(std::size_t size) { end_ += size; }

  // The next complete message, valid until space(); empty when the length is 0. Nothing: more octets are
  // needed.
  std::optional<wire::Bytes> next();

  // A message has begun and is not complete. Meaningful when next() has returned nothing.
  bool incomplete() const { return begin_ != end_; }

  // Gives the memory back when nothing is incomplete; space() takes it again.
  void release();
  std::size_t memory() const { return buffer_.capacity(); }  // octets

 private:
  std::size_t needed() const;

  std::vector<std::uint8_t> buffer_;
  std::size_t begin_ = 0, end_ = 0;  // what has been received and not been handed out
};

}  // namespace sluice::serve
