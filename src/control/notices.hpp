// Which NOTIFY goes to whom, and when (RFC 1996). Pure: no I/O, and time is an argument.
//
//   announce(config, zones)  -->  pending  --take_due(now)-->  sent, due again later  --take_due(now)--> ...
//                                    |                             given up after the last attempt
//                                    +------- answered(target, zone) ------> done
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/address.hpp"
#include "base/clock.hpp"
#include "config/config.hpp"
#include "wire/name.hpp"
#include "zone/zone.hpp"

namespace sluice::control {

// A zone's news for one server.
struct NoticeKey {
  SocketAddress target;
  wire::Name zone;
  friend auto operator<=>(const NoticeKey&, const NoticeKey&) = default;
};

struct Notice {
  std::uint32_t serial = 0;
  std::optional<wire::Name> key;  // to sign with
  std::uint32_t soa_ttl = 0;
  std::vector<std::uint8_t> soa;  // rdata
  unsigned attempts = 0;
  Time due{};
};

// How often it is sent, and how long an answer is waited for: 1, 2, 4, ... s, so two minutes in all. RFC
// 1996, 3.6 has a minute each time; a datagram that is lost on the way should not cost that.
inline constexpr unsigned notice_attempts_max = 7;
Duration notice_wait(unsigned attempts);

class Notices {
 public:
  // Plans the first attempt of what is new: zones whose serial a server has not been told since the start.
  // What has not been answered begins anew. Forgets what the config no longer asks for. `zones` are in the
  // order of the config's.
  void announce(const config::Config& config, const zone::ZoneSet& zones, Time now);

  struct Due {
    std::vector<NoticeKey> send;                         // count as sent now
    std::vector<std::pair<NoticeKey, Notice>> given_up;  // are no longer pending
  };
  // At most `count_max` of both together.
  Due take_due(Time now, std::size_t count_max);
  std::optional<Time> next_due() const;

  // Null when it is not, or no longer, pending.
  const Notice* find(const NoticeKey& key) const;

  // It need not be sent again.
  void answered(const NoticeKey& key);

 private:
  void plan(const NoticeKey& key, Notice notice);

  std::map<NoticeKey, std::uint32_t> announced_;  // serials
  std::map<NoticeKey, Notice> pending_;
  std::set<std::pair<Time, NoticeKey>> queue_;  // of what is pending, by time
};

}  // namespace sluice::control
