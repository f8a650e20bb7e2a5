// Reloads, one after the other: loads aside, and has the targets that come anew probed before anything is
// taken over. What is served in the meantime knows nothing of them.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <boost/asio/thread_pool.hpp>

#include "control/alarm.hpp"
#include "control/commands.hpp"
#include "control/hands.hpp"
#include "control/load.hpp"
#include "probe/prober.hpp"

namespace sluice::control {

// The control thread's.
class Reloader {
 public:
  struct Prepared {
    LoadResult result;
    std::vector<std::pair<probe::Target, health::ProbeResult>> first_results;  // of targets that come anew
  };
  using TakeOver = std::function<Reply(Prepared, const Request&)>;
  using SetTargets = std::function<void(std::vector<probe::Target>)>;

  Reloader(Hands hands, SetTargets set_targets, TakeOver take_over);

  // Whoever edits a file and asks again while a load is under way gets what the file says now.
  void reload(const Request& request, ReplyHandler handler);

  // Whether the result is of a target that comes anew, and is kept here until the config is taken over.
  bool take_probe(const probe::Target& target, const health::ProbeResult& result);

  // It has no result, or will have none.
  void await_no_more(const HealthKey& key);

  // Refuses what is under way, and waits for the end of a load.
  void stop(const Error& why);

 private:
  struct Reload {
    Request request;
    ReplyHandler handler;
  };
  // What the first of reloads_ has loaded, until its new targets have had their first round.
  struct Preparing {
    Prepared prepared;
    std::set<HealthKey> awaited;
  };

  void load_next();
  void refuse(const Error& why);
  void prepare(LoadResult result);
  void await_new_targets();
  void finish();

  Hands hands_;
  SetTargets set_targets_;
  TakeOver take_over_;
  std::deque<Reload> reloads_;  // the first one is under way
  std::optional<Preparing> preparing_;
  std::optional<Error> stopped_;        // why
  SteadyAlarm alarm_;                   // of the first round of what comes anew
  boost::asio::thread_pool loader_{1};  // zones take their time; the control thread goes on meanwhile
};

}  // namespace sluice::control
