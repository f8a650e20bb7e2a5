// What was handed out, by name and pool: how often, and until when caches may hold it (rollout/leases.hpp).
//
// The answering threads leave their clock beside each counter (counters.hpp), and this is read when
// something goes out of answers: then the end of its leases is certain. It is known by name and pool and not
// by endpoint: an endpoint counts as handed out whenever its pool was while it was in answers, which is too
// late only where an answer does not hold all endpoints. On the way to the client nothing is counted, and a
// name that other servers transfer counts as asked at any time, since their answers are not seen.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.hpp"
#include "base/counters.hpp"
#include "base/quiescence.hpp"
#include "rollout/leases.hpp"
#include "wire/destination.hpp"
#include "wire/name.hpp"

namespace sluice::control {

// One moment, by the clock that decides and by that of the answering threads.
struct Clocks {
  Time wall{};
  std::uint64_t steady_us = 0;
};
Clocks clocks_now();

// Not thread-safe: the control thread's. References outlive it.
class AnswerBook {
 public:
  // What processes before the one that began at `started` may have handed out of a name.
  using Inherited = std::function<rollout::LeaseEnd(const wire::Name&, Time started)>;
  AnswerBook(const Counters& counters, Quiescence& quiescence, Inherited inherited,
             std::function<Clocks()> clocks = clocks_now);

  // Counts answers of a name from a pool; of a class, when it leads its clients there. Ids are never given
  // back: a counter is for the life of the process. Should they run out, the last one is shared.
  AnswerCounter counter(const wire::Name& name, const std::string& pool,
                        const std::string& client_class = {});

  std::uint64_t answers(const wire::Name& name, const std::string& pool);
  std::uint64_t answers_since_change(const wire::Name& name, const std::string& pool);
  std::uint64_t answers_by_class(const wire::Name& name, const std::string& client_class);

  // --- to be called when it is published ---

  // Other servers answer for these, too.
  void set_transferred(std::set<wire::Name> names) { transferred_ = std::move(names); }

  // Just before that; what it returns is for ttl_published().
  Time about_to_publish() { return clocks_().wall; }
  void ttl_published(const wire::Name& name, Duration ttl, Time from);
  void weights_published(const wire::Name& name);
  // `spare`: what it hands out only when the names that use it have nothing else.
  void pool_published(const std::string& pool, std::set<wire::Destination> in_answers,
                      std::set<wire::Destination> spare = {});

  // Those that were published.
  std::vector<std::string> pools() const;

  // --- leases ---

  // Until when caches may hold what was answered before the name's weights were published last; nothing
  // before they were. Never before that publication.
  std::optional<Time> leased_before_change(const wire::Name& name) const;

  struct NameLease {
    Time answered_last{};     // before the first time: when the process began
    rollout::LeaseEnd end{};  // of all that was answered until now
  };
  NameLease name_lease(const wire::Name& name);

  // Of an endpoint of these pools. The lease of one that is in answers: as if it went out of them now; for
  // that, all uses of the pools are looked at.
  bool is_in_answers(const std::vector<std::string>& pools, const wire::Destination& endpoint) const;
  rollout::LeaseEnd endpoint_lease(const std::vector<std::string>& pools, const wire::Destination& endpoint);

 private:
  struct Use {
    AnswerCounter id = 0;
    std::uint64_t at_change = 0;  // the count when the weights changed last
    rollout::Lease lease{};
  };
  using Key = std::tuple<wire::Name, std::string, std::string>;  // name, pool, class
  struct Sight {
    Clocks now;
    bool is_settled = false;  // nothing that was unpublished is under way to a client
  };
  struct Pool {
    std::set<wire::Destination> in_answers, spare;
    std::map<wire::Destination, rollout::LeaseEnd> ends;  // of who was in them; without those that are over
    std::vector<const std::pair<const Key, Use>*> uses;
    rollout::LeaseEnd inherited{};  // the latest of the uses'
  };

  Use& use(const wire::Name& name, const std::string& pool, const std::string& client_class);
  template <class Function>
  void for_each_use(const wire::Name& name, Function function);
  Sight look();
  Sight look_when_settled();
  std::optional<Time> last(const Key& key, const Use& use, const Sight& sight) const;
  rollout::LeaseEnd end_of(const Pool& pool, const Sight& sight) const;
  rollout::LeaseEnd end_of(const Pool& pool, const wire::Destination& endpoint, const Sight& sight) const;

  const Counters& counters_;
  Quiescence& quiescence_;
  const Inherited inherited_;
  const std::function<Clocks()> clocks_;
  const Time started_;
  std::map<Key, Use, std::less<>> uses_;
  std::set<wire::Name> transferred_;
  std::map<wire::Name, Time> before_change_;
  std::map<std::string, Pool> pools_;
  std::uint64_t impatient_until_us_ = 0;
};

}  // namespace sluice::control
