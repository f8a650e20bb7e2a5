// Why a client gets what it gets: a name is followed as answer() does it, and what is met on the way is told.
// Reads what is published, so that it tells what is answered now. Acts on nothing.
#pragma once

#include <string>

#include <boost/json/object.hpp>

#include "base/hash.hpp"
#include "base/result.hpp"
#include "control/commands.hpp"
#include "control/model.hpp"
#include "control/status.hpp"
#include "steer/block.hpp"

namespace sluice::control {

// What answers are made of now, beside the zones.
struct InAnswers {
  const steer::Block& block;
  const HashKey& sticky_key;
};

// The request has `name`, and may have `client` (an address, or the prefix of an EDNS Client Subnet) and
// `type`. To be called where the block is built.
Result<boost::json::object> explain(const Model& model, const Surroundings& around,
                                    const InAnswers& published, const Request& request);

}  // namespace sluice::control
