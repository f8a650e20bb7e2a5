// A command as an HTTP request: the inverse of admin's route().
#pragma once

#include <string>

#include <boost/json/object.hpp>

#include "control/commands.hpp"

namespace sluice::ctl {

struct HttpCall {
  std::string method;
  std::string target;
  std::string body;  // JSON, or empty
};

HttpCall to_http(const control::CommandRow& row, const boost::json::object& arguments, bool dry_run);

}  // namespace sluice::ctl
