// All mutable truth, and the decisions over it. Pure: no I/O, no clock, no threads.
//
//   Model --decide(request or probe result, now)--> Decision { what to store, what happened, what to say }
//   Model --apply(stored change)--> Model           the same for a change that was just made and for one read
//   at start
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/value.hpp>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "config/config.hpp"
#include "control/commands.hpp"
#include "health/endpoint.hpp"
#include "steer/layout.hpp"
#include "steer/select.hpp"
#include "store/store.hpp"

namespace sluice::control {

// What is known of one steered name beyond its config.
struct Steering {
  std::optional<store::WeightOverride> weights;  // set at run time
  std::string layout;                            // as stored; empty: never laid out
};

using HealthKey = std::pair<wire::Destination, std::string>;  // endpoint and check

class Model {
 public:
  explicit Model(config::Config config) : config_(std::move(config)) {}

  const config::Config& config() const { return config_; }
  const std::map<wire::Name, Steering>& steerings() const { return steerings_; }
  const std::map<wire::Destination, store::EndpointWord>& words() const { return words_; }
  const std::map<HealthKey, health::State>& health() const { return health_; }

  // --- what follows from the state ---

  // In the order of the steer's pools. A run-time weight wins; should all of them have come to 0 because
  // pools left the config, the config's weights hold.
  std::vector<double> weights(const config::Steer& steer) const;
  steer::Layout layout(const config::Steer& steer) const;
  std::vector<steer::Candidate> candidates(const config::Pool& pool) const;
  health::State health_of(const wire::Destination& destination, const config::Pool& pool) const;
  const store::EndpointWord* word(const wire::Destination& destination) const;
  std::optional<Time> next_expiry() const;  // of an operator's word

  // --- what changes it ---

  // Takes a stored change into the state; one about a name or address that the config lacks is kept all the
  // same: it may come back with the next config.
  void apply(const store::Change& change);

  // True when the endpoint's verdict changed.
  bool apply_probe(const wire::Destination& destination, const config::Check& check,
                   const health::ProbeResult& result, Time now);

  // Forgets the health of endpoints that no pool has any more.
  void replace_config(config::Config config);

 private:
  config::Config config_;
  std::map<wire::Name, Steering> steerings_;
  std::map<wire::Destination, store::EndpointWord> words_;
  std::map<HealthKey, health::State> health_;
};

// What a request comes to. With nothing in `changes` the state stays as it is.
struct Decision {
  std::vector<store::Change> changes;
  std::vector<store::Event> events;
  boost::json::object reply;
  // When the decision takes an address out of answers: how long a cache may hold the last one.
  std::optional<Duration> cached_for;
};

Result<Decision> set_weights(const Model& model, const Request& request, Time now);
Result<Decision> reset_weights(const Model& model, const Request& request, Time now);
Result<Decision> say_word(const Model& model, const Request& request, store::Word word, Time now);
Result<Decision> take_word(const Model& model, const Request& request, std::optional<store::Word> only,
                           Time now);

// The operator's words that have run out by `now`.
Decision expire_words(const Model& model, Time now);

// Lays out all names whose stored layout does not fit their weights: after start and reload.
Decision settle_layouts(const Model& model);

// The steer that the request's argument `name` names.
Result<const config::Steer*> find_steer(const Model& model, const Request& request);

}  // namespace sluice::control
