// What the director's parts act with.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "control/model.hpp"

namespace sluice::control {

// While the disk is full, what is due stays due, and is tried again after this.
inline constexpr Duration retry_pause = std::chrono::seconds(1);

// All of it is for the control thread, but `executor`.
struct Hands {
  boost::asio::any_io_executor executor;  // runs on that thread
  const Model& model;
  std::function<bool()> may_act;  // something is answered, and the daemon is not stopping
  std::function<Result<void>(const Decision&)> carry_out;  // stored, in force and published; or nothing of it
  std::function<std::shared_ptr<void>()> self;             // what has to live until something comes back
};

}  // namespace sluice::control
