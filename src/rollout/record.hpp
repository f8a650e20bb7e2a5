// A rollout as JSON: what the store keeps, and what the API shows.
#pragma once

#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "base/result.hpp"
#include "rollout/rollout.hpp"

namespace sluice::rollout {

// Times in milliseconds of Unix time, durations in milliseconds, shares of 1.
boost::json::object to_json(const Rollout& rollout);

// Of what to_json() has made; anything else is refused.
Result<Rollout> from_json(const boost::json::value& value);

// The same as a text.
std::string to_text(const Rollout& rollout);
Result<Rollout> parse(std::string_view text);

}  // namespace sluice::rollout
