// One HTTP request to the daemon, over its Unix socket or TCP.
#pragma once

#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "command_line.hpp"
#include "http_call.hpp"

namespace sluice::ctl {

struct HttpReply {
  unsigned status = 0;
  std::string body;
};

// Blocks until the reply is there. `unavailable`: no daemon answers there, or not within `timeout`;
// `refused`: the system does not let us ask it.
Result<HttpReply> exchange(const Target& target, const HttpCall& call, Duration timeout);

}  // namespace sluice::ctl
