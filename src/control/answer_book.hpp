// What was handed out, by name and pool: how often, and until when caches may hold it (rollout/leases.hpp).
//
// The answering threads leave their clock beside each counter (counters.hpp), and this is read when
// something goes out of answers: then the end of its leases is certain. It is known by name and pool and not
// by endpoint: an endpoint counts as handed out whenever its pool was while it was in answers, which is too
// late only where an answer does not hold all endpoints. On the way to the client nothing is counted, and a
// name that other servers transfer counts as asked at any time, since their answers are not seen.
//
//   name, pool --> last answer, TTL    of names and pools that the config has no more, too
//   pool       --> endpoints           in answers, or spare; as published last
//   endpoint   --> those pools, and the latest end of all that it has left
//
// So an endpoint keeps its lease when it goes to another pool, or its pool is renamed or leaves a name. Which
// endpoints a process before this one had in which pool is not known: all count as handed out by it.
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
  // What processes before the one that began at `started` may have handed out.
  struct Inherited {
    std::function<rollout::LeaseEnd(const wire::Name&, Time started)> of_name;
    std::function<rollout::LeaseEnd(Time started)> of_any_name;
  };
  AnswerBook(const Counters& counters, Quiescence& quiescence, Inherited inherited,
             std::function<Clocks()> clocks = clocks_now);

  // Counts answers of a name from a pool; of a class, when it leads its clients there. Ids are never given
  // back: a counter is for the life of the process. Should they run out, the last one is shared.
  AnswerCounter counter(const wire::Name& name, const std::string& pool,
                        const std::string& client_class = {});

  std::uint64_t answers(const wire::Name& name, const std::string& pool);
  std::uint64_t answers_since_change(const wire::Name& name, const std::string& pool);
  std::uint64_t answers_by_class(const wire::Name& name, const std::string& client_class);

  // To be called once, when all that processes before this one have stored is known, and nothing of its own:
  // later the store knows TTLs that only this process hands out.
  void inherit();

  // --- to be called when it is published ---

  // Other servers answer for these, too; for others that did, until now.
  void set_transferred(std::set<wire::Name> names);

  // Just before that; what it returns is for ttl_published().
  Time about_to_publish();
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

  // Of an endpoint, of whatever pools it is or was. The lease of one that is in answers: as if it went out of
  // them now; for that, all uses of its pools are looked at.
  bool is_in_answers(const wire::Destination& endpoint) const;
  rollout::LeaseEnd endpoint_lease(const wire::Destination& endpoint);

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
    std::vector<const std::pair<const Key, Use>*> uses;
  };
  struct Endpoint {
    std::vector<const Pool*> pools;  // that have it in answers, or spare
    rollout::LeaseEnd left{};        // the latest end of what it was in before
  };

  Use& use(const wire::Name& name, const std::string& pool, const std::string& client_class);
  template <class Function>
  void for_each_use(const wire::Name& name, Function function);
  void replace_endpoints(Pool& pool, std::set<wire::Destination> in_answers,
                         std::set<wire::Destination> spare);
  void forget_ended(const Clocks& now);
  Sight look();
  Sight look_when_settled();
  std::optional<Time> last(const Key& key, const Use& use, const Sight& sight) const;
  rollout::LeaseEnd end_of(const Pool& pool, const Sight& sight) const;

  const Counters& counters_;
  Quiescence& quiescence_;
  const Inherited inherited_from_;
  const std::function<Clocks()> clocks_;
  const Time started_;
  rollout::LeaseEnd inherited_;  // by any endpoint
  std::map<Key, Use, std::less<>> uses_;
  std::set<wire::Name> transferred_;
  std::map<wire::Name, Time> before_change_;
  std::map<std::string, Pool> pools_;
  std::map<wire::Destination, Endpoint> endpoints_;
  std::uint64_t forget_after_us_ = 0;
  std::uint64_t impatient_until_us_ = 0;
};

}  // namespace sluice::control
