// The commands of the daemon, each declared once: a row feeds the CLI's words and help, the HTTP route, the
// check of the arguments, and the dispatch.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/result.hpp"

namespace sluice::control {

enum class CommandId : std::uint8_t {
  status,
  weight_set,
  weight_reset,
  class_route,
  class_unroute,
  endpoint_drain,
  endpoint_undrain,
  endpoint_up,
  endpoint_down,
  endpoint_auto,
  explain,
  check_run,
  check_report,
  canary_start,
  bluegreen_switch,
  rollout_status,
  rollout_pause,
  rollout_resume,
  rollout_promote,
  rollout_abort,
  rollout_undo,
  rollout_history,
  rolling_start,
  rolling_status,
  rolling_pause,
  rolling_resume,
  rolling_abort,
  rolling_history,
  events,
  reload,
  version,
  metrics,
};

enum class Place : std::uint8_t { path, query, body };
enum class ParamType : std::uint8_t {
  text,
  weights,   // POOL=WEIGHT... on the command line, {"POOL": WEIGHT, ...} in JSON
  duration,  // "10m"
  number,    // not negative, whole
  time,      // "2026-12-01T02:00:00Z", or "+10m" from now
  percent,   // "75%"
  state,     // one of `reported_states`
  flag,      // true; without a value on the command line
};

// What a service can report of itself.
inline constexpr std::string_view reported_states[] = {"up", "down", "drain"};

struct Param {
  std::string_view name;  // "name"; on the command line NAME when it is positional, --name otherwise
  Place place;
  ParamType type;
  bool required;  // required ones are positional on the command line, others are options
  std::string_view help;
};

struct CommandRow {
  CommandId id;
  std::string_view words;   // "weight set": what is typed
  std::string_view method;  // "PUT"
  std::string_view path;    // "/v1/steer/{name}/weights"
  std::span<const Param> params;
  bool changes;  // a change: has --dry-run, is refused on a read-only listener
  std::string_view help;
  bool with_token = false;  // a change that is let through there for who knows a secret (Request::token)
  std::string_view
      plan_words{};  // what is typed for its dry run: "rollout plan canary"; empty: only --dry-run
};

std::span<const CommandRow> commands();

struct Request {
  CommandId id{};
  boost::json::object arguments;  // by Param::name, whatever place they came from
  std::string who;                // the operator: a user name, or an address
  bool dry_run = false;
  // Of a change that came over a read-only listener: whoever carries it out has to compare it with the
  // secret.
  std::optional<std::string> token{};
};

// A body for the client, or why the request was refused. `metrics` gives a JSON string that is sent as plain
// text.
using Reply = Result<boost::json::value>;
using ReplyHandler = std::function<void(Reply)>;

// Whether a value is what a parameter of this type takes, and in words what that is.
bool has_type(const boost::json::value& value, ParamType type);
const char* expectation(ParamType type);

// Checks names, presence and types of a request's arguments against its row, whoever sent it.
Result<void> check_arguments(const CommandRow& row, const boost::json::object& arguments);

}  // namespace sluice::control
