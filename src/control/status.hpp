// What the operator sees: the state as JSON, and the counters as Prometheus text. Pure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/clock.hpp"
#include "base/counters.hpp"
#include "control/model.hpp"
#include "zone/zone.hpp"

namespace sluice::control {

// What stands beside the model.
struct Surroundings {
  Time started{}, now{};
  Duration clock_shift{};  // the wall clock's, against the one that health is decided by
  std::vector<std::string> listen;
  std::vector<std::string> warnings;
  const zone::ZoneSet* zones = nullptr;
  // Answers that a steer has given from a pool: in all, and since its weights changed last.
  std::function<std::uint64_t(const wire::Name&, const std::string& pool)> answers;
  std::function<std::uint64_t(const wire::Name&, const std::string& pool)> answers_since_change;
};

// Of all names, or of one.
boost::json::object status(const Model& model, const Surroundings& around, const wire::Name* only);

// The text exposition format, version 0.0.4.
std::string metrics_text(const Model& model, const Surroundings& around, const Counters& counters);

boost::json::object to_json(const store::Event& event);

}  // namespace sluice::control
