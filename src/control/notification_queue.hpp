// What one receiver of events is still to be told: what is sent next, when it is sent again, what is dropped.
// Pure: no I/O, and time is an argument.
//
//   take(event)  -->  queue  --begin(now)-->  on its way  --end(done)-->  told: the next one
//                      | the oldest is              |
//                      v dropped when it is full    '--end(failed)-->  again after a pause, or dropped
//
// In order: an event is sent when the one before it was told or dropped. `cursor()` goes to the store, so
// that a new process goes on behind it; what was told last may be told again then.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "config/config.hpp"
#include "store/store.hpp"

namespace sluice::control {

// Whether a kind of events is one of `patterns` (Receiver::events).
bool is_wanted(const std::vector<std::string>& patterns, std::string_view kind);

// The pause after so many failures in a row: 1s, 2s, 4s ... and at most `longest`.
Duration pause_after(unsigned failures, Duration longest);

// A receiver that fails once now and then is no news; after so many in a row it is.
inline constexpr unsigned failures_to_tell = 3;

// Something to be put among the events: "receiver.dropped", a sentence.
struct ReceiverNote {
  std::string kind, text;
};

class NotificationQueue {
 public:
  struct Counts {
    std::uint64_t sent = 0, failed = 0, dropped = 0;  // events, attempts, events
  };

  // Nothing up to the event `cursor` is to be told.
  NotificationQueue(config::Receiver receiver, std::int64_t cursor);

  const config::Receiver& receiver() const { return receiver_; }
  // By the same name: what waits goes on waiting, as far as there is still room.
  void set_receiver(config::Receiver receiver);

  // A stored event; in the order of ids. One that was taken already, or is not wanted, changes nothing.
  void take(const store::Event& event, Time now);

  // The event that is to be sent now; it is on its way until end(). Null: none, or one is on its way.
  const store::Event* begin(Time now);

  // What came of it; without `failure` it was told. Nothing when it is not the one on its way.
  void end(std::int64_t event, const std::optional<std::string>& failure, Time now);

  // When begin() has something next.
  std::optional<Time> next_due() const;

  // What is to be told of this receiver; each once.
  std::vector<ReceiverNote> take_notes();

  std::int64_t cursor() const;
  std::size_t waiting() const { return queue_.size(); }
  const Counts& counts() const { return counts_; }
  const std::string& trouble() const { return trouble_; }  // why the last attempt failed; empty: it did not

 private:
  struct Waiting {
    store::Event event;
    Time since{};
  };
  void make_room();
  void drop(std::size_t position, const std::string& why);
  void succeed();
  void fail(const std::string& why, Time now);

  config::Receiver receiver_;
  std::int64_t seen_;          // the last event that was looked at
  std::deque<Waiting> queue_;  // the first one may be on its way
  bool on_its_way_ = false;
  Time due_{};
  unsigned failures_ = 0;  // in a row
  std::string trouble_;
  std::uint64_t dropped_since_ = 0;  // since it answered last
  bool failing_told_ = false;
  std::vector<ReceiverNote> notes_;
  Counts counts_;
};

}  // namespace sluice::control
