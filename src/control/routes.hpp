// Classes of clients as operators see them: where a name leads them, and what a request to lead them
// elsewhere comes to. Pure.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <boost/json/array.hpp>

#include "base/result.hpp"
#include "control/commands.hpp"
#include "control/model.hpp"

namespace sluice::control {

Result<Decision> route_class(const Model& model, const Request& request, Time now);
Result<Decision> unroute_class(const Model& model, const Request& request, Time now);

// Those that lead to a pool, in the order in which the block has them.
std::vector<Routing> routes_in_force(const Model& model, const config::Steer& steer);

// The pool is alive in some family, so that a route to it is taken.
bool is_open(const Model& model, const std::string& pool);

// Fails with a hint when the config has no such class.
Result<const config::ClientClass*> find_class(const Model& model, const std::string& name);

using ClassAnswers = std::function<std::uint64_t(const wire::Name& name, const std::string& client_class)>;
boost::json::array routes_status(const Model& model, const config::Steer& steer, const ClassAnswers& answers);

}  // namespace sluice::control
