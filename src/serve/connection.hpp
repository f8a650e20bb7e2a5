// The connections of one server: what each is doing, until when, and which has to give way when there are too
// many.
//
//   idle    nothing is outstanding; holds no buffers       the longest idle first
//   busy    handshake, part of a message, replies          the longest without progress first
//
// Not thread-safe: one server, one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <boost/intrusive/list.hpp>

#include "answer/answer.hpp"
#include "answer/transfer.hpp"
#include "serve/admission.hpp"
#include "serve/framing.hpp"
#include "serve/stream.hpp"

namespace sluice::serve {

using Clock = std::chrono::steady_clock;

class Connections;

// Unlinks itself from its list when it ends.
using ListHook = boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

// A zone transfer under way: one of a limited number, and for a limited time.
struct Ongoing {
  Ongoing(unsigned& of_all, answer::Transfer begun, Clock::time_point until)
      : transfer(std::move(begun)), deadline(until), count(of_all) {
    ++count;
  }
  ~Ongoing() { --count; }
  Ongoing(const Ongoing&) = delete;
  Ongoing& operator=(const Ongoing&) = delete;

  answer::Transfer transfer;
  const Clock::time_point deadline;
  unsigned& count;
};

struct Connection : ListHook {
  Connection(Connections& all, Stream::Socket socket, const answer::Client& from, Admission::Place admitted);
  ~Connection();

  // The socket is closed, and what waits for it is woken with an error. The place is free at once.
  void close();

  Connections& all;
  Stream stream;
  const answer::Client client;
  std::optional<Admission::Place> place;
  MessageStream input;
  std::vector<std::uint8_t> output;  // replies with their length prefixes
  std::unique_ptr<Ongoing> transfer;
  Clock::time_point deadline = Clock::time_point::max();
  bool begun = false;      // `deadline` is that of a message of which only the beginning is there
  std::size_t memory = 0;  // octets that are counted as its own
};

class Connections {
 public:
  explicit Connections(std::size_t memory_max) : memory_max_(memory_max) {}

  // Its client owes nothing and is owed nothing.
  void set_idle(Connection& connection);

  // Its client has got on with something.
  void set_busy(Connection& connection);

  // Counts what its buffers hold, and `more`. When all together hold too much, the busy ones that have made
  // no progress for longest are closed, but not this one.
  void count_memory(Connection& connection, std::size_t more = 0);

  // Closes the longest idle connection, or if none is idle the busy one without progress for longest. False
  // when there is none.
  bool displace_one();

  void close_due(Clock::time_point now);
  void close_all();

 private:
  friend Connection;
  using List = boost::intrusive::list<Connection, boost::intrusive::constant_time_size<false>>;

  List idle_, busy_;
  std::size_t memory_ = 0, memory_max_;
};

}  // namespace sluice::serve
