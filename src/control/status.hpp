// What the operator sees: the state as JSON, and the counters as Prometheus text. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/clock.hpp"
#include "base/counters.hpp"
#include "control/lease_status.hpp"
#include "control/model.hpp"
#include "control/rollout_view.hpp"
#include "control/routes.hpp"
#include "zone/zone.hpp"

namespace sluice::control {

// What became of the events for one receiver of them.
struct ReceiverState {
  std::string name;
  std::uint64_t sent = 0, failed = 0, dropped = 0, waiting = 0;
  std::string trouble;  // why the last attempt failed; empty: it did not
};

// What stands beside the model.
struct Surroundings {
  Time started{}, now{};
  Duration clock_shift{};  // the wall clock's, against the one that health is decided by
  std::vector<std::string> listen;
  std::vector<std::string> warnings;
  std::vector<ReceiverState> receivers;
  const zone::ZoneSet* zones = nullptr;
  // Answers that a steer has given from a pool: in all, and since its weights changed last.
  AnswerCounts answers, answers_since_change;
  ClassAnswers answers_by_class;  // because of the client's class; not among the others
  LeasedOut leased_out;
};

// Of all names, or of one.
boost::json::object status(const Model& model, const Surroundings& around, const wire::Name* only);

// The text exposition format, version 0.0.4.
std::string metrics_text(const Model& model, const Surroundings& around, const Counters& counters);

boost::json::object to_json(const store::Event& event);

// What programs want to know of a change of health.
std::string change_of_health(const Watched& watched);

// What an event says of each endpoint that is answered by the health of a target.
struct HealthSentence {
  std::string subject, text;
};

// `how`: "by check web (3 failures): timeout"
std::vector<HealthSentence> health_sentences(const HealthKey& key, const Watched& watched,
                                             const std::string& how);

// Those of an event, as values; empty when it has none.
boost::json::object details_of(const store::Event& event);

}  // namespace sluice::control
