// Puts messages to answer() and checks everything that must hold for whatever octets come.
//
//   static Asking asking(world_snapshot());
//   asking.ask(client_of(data[0]), {data + 1, size - 1});
#pragma once

#include <memory>
#include <vector>

#include "answer/answer.hpp"

namespace sluice::fuzz {

// What the config may say that changes who gets a reply.
enum class Regime : std::uint8_t {
  open,
  cookies_required,
  rate_limited,
  signing,  // the message is signed with a key of ours before it is sent
};

struct Asker {
  answer::Client client;
  Regime regime = Regime::open;
  bool long_key = false;  // of the two keys the one whose name is nearly as long as names can be
};

// One of 256. Bits 0 and 1: UDP, TCP, TLS, UDP; bit 2: IPv6; bits 3 and 4: the regime; bit 5: the key; the
// others tell addresses apart.
Asker asker_of(std::uint8_t octet);

// The zones and steers of world.cases with two TSIG keys, built once; its secret makes cookies, at this time.
const answer::Snapshot& world_snapshot();
inline constexpr std::uint32_t cookie_time = 1559731985;

// No zones and no steers; for those who set their own.
answer::Snapshot empty_snapshot();

// Two servers side by side that see the same messages in the same order, and therefore must give the same
// replies. Their buffers hold 0x00 and 0xFF before: what is not written differs. The second also answers
// other queries in between, of which nothing may be seen in a reply.
class Asking {
 public:
  explicit Asking(const answer::Snapshot& snapshot);

  void set_zones(const zone::ZoneSet& zones);

  // Throws std::logic_error with the rule that does not hold. `too_large_for_tcp`: something that is asked
  // for may not fit into 64 KiB.
  void ask(const Asker& asker, wire::Bytes message, bool too_large_for_tcp = false);

 private:
  using Octets = std::vector<std::uint8_t>;

  class Side {
   public:
    Side(const answer::Snapshot& snapshot, CounterShard& counters, std::uint8_t fill);
    void set_zones(const zone::ZoneSet& zones) { snapshot_->zones = zones; }

    // The reply, or the messages of a transfer; empty when there is none.
    std::vector<Octets> ask(const Asker& asker, wire::Bytes message, const answer::Moment& now);

   private:
    std::vector<Octets> transfer(wire::Bytes message);

    const std::shared_ptr<answer::Snapshot> snapshot_;
    answer::Scratch scratch_;
    std::shared_ptr<answer::RateLimiter> rate_limiter_;
    std::vector<std::uint8_t> udp_, tcp_;  // as large as answer() wants them: one octet more is a finding
    std::uint8_t fill_;
  };

  Counters counters_;
  Side first_, second_;
  answer::Moment now_;
  unsigned asked_ = 0;
  tsig::Session signer_;
};

}  // namespace sluice::fuzz
