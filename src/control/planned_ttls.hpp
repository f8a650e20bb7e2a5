// Publishes names again when their TTL has to be another by the passing of time alone (planned.hpp).
#pragma once

#include <set>

#include <boost/asio/any_io_executor.hpp>

#include "control/alarm.hpp"
#include "control/model.hpp"
#include "control/publisher.hpp"

namespace sluice::control {

// Not thread-safe: the control thread's. References outlive it.
class PlannedTtls {
 public:
  PlannedTtls(const boost::asio::any_io_executor& executor, const Model& model, Publisher& publisher)
      : model_(model), publisher_(publisher), alarm_(executor, [this] { look(); }) {}

  // To be called when a plan may have changed. Nothing before the first publication.
  void look();

  void stop();

 private:
  const Model& model_;
  Publisher& publisher_;
  WallAlarm alarm_;
  std::set<wire::Name> followed_;  // names that had a plan at the last look
  bool stopped_ = false;
};

}  // namespace sluice::control
