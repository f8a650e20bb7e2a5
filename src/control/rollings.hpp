// Rolling upgrades as the director sees them: what a request, the end of a hook or the passing of time comes
// to, as changes of the store and hooks to run. Pure: what probes have shown is counted by others (Proofs).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "control/commands.hpp"
#include "control/lease_status.hpp"
#include "control/model.hpp"
#include "rollout/rolling.hpp"

namespace sluice::control {

// Whether a rolling upgrade has said it, and will take it back itself.
bool is_by_rolling(const store::EndpointWord& word);

// What probes have shown of endpoints that have to prove themselves, since each of them had to. Not kept over
// a restart: it is then shown again.
class Proofs {
 public:
  using Whose = std::pair<std::string, std::string>;  // a pool, and an address of it

  struct Watch {
    HealthKey key;
    Time since{}, at{};      // of the endpoint's place; when we began to look
    bool has_begun = false;  // the first result has come
    unsigned successes = 0;  // in a row, of probes that began later than `since`
  };

  // Begins to look, when `since` is another one than before.
  const Watch& watch(const Whose& whose, const HealthKey& key, Time since, Time now);
  void forget(const Whose& whose) { watches_.erase(whose); }

  // Whether somebody waits for it. The probes of a target follow one another: the first result that comes may
  // be of a probe that was open before, and is not counted; what comes later began later.
  bool take(const HealthKey& key, bool success);

 private:
  std::map<Whose, Watch> watches_;
};

// The hooks that this process runs: rolling, address, attempt.
using HookKey = std::tuple<std::int64_t, std::string, std::int64_t>;
using Hooks = std::set<HookKey>;
inline HookKey key_of(const HookRun& run) { return {run.rolling, run.address, run.attempt}; }

// When the leases of any endpoint end, as if it went out of answers now.
using LeasedIfTaken = std::function<rollout::LeaseEnd(const wire::Destination& endpoint)>;

// What decisions look at beside the model.
struct RollingSight {
  Proofs& proofs;
  const Hooks& hooks;
  LeasedOut leased_out{};           // none: not known
  LeasedIfTaken leased_if_taken{};  // likewise
};

// `chance`: for the order `random`.
Result<Decision> start_rolling(const Model& model, const Request& request, RollingSight sight,
                               std::uint64_t chance, Time now);

// What an operator's word about the rolling of a pool comes to.
Result<Decision> say_to_rolling(const Model& model, const Request& request, rolling::Word word,
                                RollingSight sight, Time now);

// What has come due by `now`: one transition of each rolling. With nothing in `changes`, all is done.
Decision due_rollings(const Model& model, RollingSight sight, Time now);

// What the end of a hook comes to, of a program or of a request; an error when it could not be run, or there
// was no whole response.
Decision take_hook_end(const Model& model, const HookRun& run, const Result<probe::ProgramEnd>& end,
                       Time now);
Decision take_hook_end(const Model& model, const HookRun& run, const Result<probe::WebReply>& reply,
                       Time now);

// When to look again.
std::optional<Time> next_rolling(const Model& model, Time now);

// The running one of each pool, or the last; `pool`: of that alone.
Result<boost::json::object> rollings_status(const Model& model, const Request& request, RollingSight sight,
                                            Time now);

// The pool of a request for the past: one that has had rollings, be it gone, or one of the config. None when
// it names none.
Result<std::optional<std::string>> pool_of_history(const Model& model, const Request& request);

// What was kept of rollings, in the same form.
boost::json::object rolling_history_status(const std::vector<store::RollingRecord>& records, Time now);

}  // namespace sluice::control
