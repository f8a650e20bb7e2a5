// Versions of steered names: a number that grows with each change of what leads a name's traffic, so that an
// operator's change can be made on condition that nobody else has made one meanwhile. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "control/commands.hpp"
#include "control/model.hpp"

namespace sluice::control {

// 0: never changed.
std::int64_t version_of(const Model& model, const wire::Name& name);

// Refused when the request has an `if-version` and the name is at another; says by whom it was changed, and
// when.
std::optional<Error> version_objection(const Model& model, const Request& request, const wire::Name& name);

// The next version of a name, to be stored with what makes it; at most one in a decision.
store::SteerVersion next_version(const Model& model, const wire::Name& name, std::string by, std::string text,
                                 Time now);

}  // namespace sluice::control
